"""The process that has all parsers imported and forks a child for each file.

It is single-threaded, so that forking is safe, and never touches a file itself. The server sends a
request together with two sockets:

- ``answer``: the child writes its frames there and has no other way out;
- ``report``: stays here. When the child is gone, its exit code is written there. When the server
  closes its end, the child is killed; only its parent can do that without ever hitting another
  process that got the same number.

When the server is gone, so is the connection, and everything here ends.
"""

import gc
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from typing import NoReturn

from understudy.retrieval.parsing.parse import import_all
from understudy.retrieval.reading import confinement
from understudy.retrieval.reading.child import warm_up, work
from understudy.retrieval.reading.frames import (
    REQUEST_BYTES_MAX,
    Request,
    decode_request,
    encode_frame,
)

_SOCKETS_PER_REQUEST = 2
_STANDARD_INPUT, _STANDARD_ERROR, _STANDARD_STREAMS = 0, 2, 3
_DESCRIPTORS_MAX = 65_536
_SIGNALS_MAX = 4096


def serve(control: socket.socket) -> None:
    """Fork a child for each request until the server closes the connection."""
    server = os.getppid()
    confinement.give_up_network()
    confinement.stay_unprivileged()
    confinement.die_with(server)
    import_all()
    warm_up()
    confinement.prepare()
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page that it looks at
    Zygote(control).run()


class Zygote:
    """The connection to the server, and the children that are at work."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._reports: dict[int, socket.socket] = {}
        self._deaths = _notice_deaths()
        self._events = DefaultSelector()
        self._open = True

    def run(self) -> None:
        """Answer requests until the server is gone, then kill what still works."""
        self._watch(self._control, self._accept)
        self._watch(self._deaths, self._reap)
        while self._open:
            for key, _ in self._events.select():
                key.data()
        for child in self._reports:
            os.kill(child, signal.SIGKILL)

    def _watch(self, end: socket.socket, react: Callable[[], None]) -> None:
        self._events.register(end, EVENT_READ, react)

    def _accept(self) -> None:
        message, descriptors, _, _ = socket.recv_fds(
            self._control, REQUEST_BYTES_MAX, _SOCKETS_PER_REQUEST
        )
        if not message:
            self._open = False
            return
        answer, report = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        with answer:
            self._fork(decode_request(message), answer, report)

    def _fork(self, request: Request, answer: socket.socket, report: socket.socket) -> None:
        parent = os.getpid()
        try:
            child = os.fork()
        except OSError:
            report.close()  # the server is told nothing else than that there is no answer
            return
        if child == 0:
            _become_child(parent, request, answer)
        self._reports[child] = report
        self._watch(report, lambda: self._kill(child, report))

    def _kill(self, child: int, report: socket.socket) -> None:
        """Kill a child whose server has hung up, if it has not just been reaped."""
        if self._reports.get(child) is report:
            self._events.unregister(report)
            os.kill(child, signal.SIGKILL)

    def _reap(self) -> None:
        """Report the exit codes of all children that have ended."""
        self._deaths.recv(_SIGNALS_MAX)
        while self._reports:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            self._tell(self._reports.pop(child), os.waitstatus_to_exitcode(status))

    def _tell(self, report: socket.socket, exit_code: int) -> None:
        with report:
            if report in self._events.get_map():
                self._events.unregister(report)
            with suppress(OSError):  # nobody wants to know any more
                report.send(str(exit_code).encode())


def _notice_deaths() -> socket.socket:
    """Return a socket that can be read when a child may have ended."""
    mine, signals = socket.socketpair()
    signals.settimeout(0)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # ignored, it would wake nobody
    signal.set_wakeup_fd(signals.detach(), warn_on_full_buffer=False)
    return mine


def _become_child(parent: int, request: Request, answer: socket.socket) -> NoReturn:
    """Do one file and exit, whatever happens.

    The connections of the zygote and of the other children are closed first: as long as a copy is
    open, the server would wait for their ends.
    """
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.closerange(_STANDARD_STREAMS, answer.fileno())
        os.closerange(answer.fileno() + 1, _DESCRIPTORS_MAX)
        os.dup2(_STANDARD_INPUT, _STANDARD_ERROR)  # parsers complain to nobody
        confinement.die_with(parent)
        confinement.limit_resources(request.limits)
        confinement.hide_memory()
        confinement.give_up_files(os.fsdecode(request.path))
        work(request, lambda frame: answer.sendall(encode_frame(frame)))
        os._exit(0)
    finally:
        os._exit(1)
