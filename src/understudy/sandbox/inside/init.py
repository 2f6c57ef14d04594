"""Process 1 of a session: reaps, stops and resumes everything on order, and takes all down with it.

When it ends, the kernel ends every other process of its pid namespace, however many they are.
"""

import contextlib
import os
import select
import signal
import socket
import time
from typing import NoReturn

FREEZE, THAW = b"F", b"T"
STOP_AGAIN_SECONDS = 0.001
STOPS_AT_ONCE = 20


def watch(orders: socket.socket, kernel: int, *, alone: bool) -> NoReturn:
    """Serve orders until the kernel process has ended or nobody gives orders any more.

    ``alone`` says that the pid namespace holds nothing but this session.
    """
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    poll = select.poll()
    poll.register(woken, select.POLLIN)
    poll.register(orders.fileno(), select.POLLIN)
    # -1 reaches everybody else in the namespace at once, so nobody can fork away from it.
    everybody = _Everybody(-1 if alone else kernel)
    while _reap(kernel):
        ready = {descriptor for descriptor, _ in poll.poll(everybody.patience_milliseconds())}
        everybody.stop_again()
        if woken in ready:
            os.read(woken, 4096)
        if orders.fileno() in ready and not everybody.obey(orders.recv(1)):
            break
    os._exit(0)


def _reap(kernel: int) -> bool:
    """Collect those who have ended; return whether the kernel goes on."""
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, _ = os.waitpid(-1, os.WNOHANG)
            if ended == kernel:
                return False
            if ended == 0:
                return True
    return False


class _Everybody:
    """All processes of the session, to be stopped and resumed.

    One that runs on for a moment may resume another that has been stopped, and one that resumes
    itself all the time takes most stops back. So they are stopped many times at once, and then
    again and again after pauses that double: nobody gets away for long, and a session that is idle
    for an hour wakes this process two dozen times.
    """

    def __init__(self, address: int) -> None:
        self._address = address
        self._pause = STOP_AGAIN_SECONDS
        self._stop_at: float | None = None

    def obey(self, order: bytes) -> bool:
        """Do as ordered; return whether it was an order at all."""
        if order == FREEZE:
            self._pause = STOP_AGAIN_SECONDS
            self._stop()
        elif order == THAW:
            self._stop_at = None
            self._signal(signal.SIGCONT)
        else:
            return False
        return True

    def patience_milliseconds(self) -> float | None:
        """Return how long to wait before they are to be stopped again."""
        if self._stop_at is None:
            return None
        return max(self._stop_at - time.monotonic(), 0) * 1000

    def stop_again(self) -> None:
        """Stop them if it is time to."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self._stop()

    def _stop(self) -> None:
        for _ in range(STOPS_AT_ONCE):
            self._signal(signal.SIGSTOP)
        self._stop_at = time.monotonic() + self._pause
        self._pause *= 2

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._address, number)
