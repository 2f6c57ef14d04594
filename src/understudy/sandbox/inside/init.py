"""Process 1 of a session: reaps, stops and resumes everything on order, and takes all down with it.

When it ends, the kernel ends every other process of its pid namespace, however many they are.
"""

import contextlib
import os
import select
import signal
import socket
from typing import NoReturn

FREEZE, THAW = b"F", b"T"


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
    while _reap(kernel):
        ready = {descriptor for descriptor, _ in poll.poll()}
        if woken in ready:
            os.read(woken, 4096)
        if orders.fileno() in ready and not _obey(orders.recv(1), kernel, alone=alone):
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


def _obey(order: bytes, kernel: int, *, alone: bool) -> bool:
    if order not in {FREEZE, THAW}:
        return False
    # -1 reaches everybody else in the namespace at once, so nobody can fork away from it.
    everybody = -1 if alone else kernel
    with contextlib.suppress(ProcessLookupError):
        os.kill(everybody, signal.SIGSTOP if order == FREEZE else signal.SIGCONT)
    return True
