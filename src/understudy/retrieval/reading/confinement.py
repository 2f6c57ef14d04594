"""What reading processes give up before they touch a hostile byte.

What only Linux has is asked for and not insisted on: a container may forbid it, other systems do
not know it. The limits of resources hold everywhere.
"""

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

from understudy.retrieval.reading.limits import ReadingLimits

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_OPEN_FILES_MAX = 64
_NICENESS = 5


def give_up_network() -> None:
    """Move this process and its children to a network of their own, in which there is nobody.

    Without privileges that takes a user namespace too. With some it must not: in there, a server
    that may read what belongs to others could no longer do so.
    """
    if sys.platform == "linux":
        flags = _CLONE_NEWNET if _is_privileged() else _CLONE_NEWNET | _CLONE_NEWUSER
        ctypes.CDLL(None).unshare(flags)


def _is_privileged() -> bool:
    """Return whether this process has any capability."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("CapEff:")[2].split()[0], 16) != 0


def die_with(parent: int) -> None:
    """End this process as soon as its parent, whose id is given, is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def stay_unprivileged() -> None:
    """Gain nothing by starting a program, and stand back for the server."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with suppress(OSError):
        os.nice(_NICENESS)


def limit_resources(limits: ReadingLimits) -> None:
    """Bound memory and time; forbid writing files, starting processes, and leaving a core."""
    memory = limits.memory_bytes_max + _address_space_bytes()
    for what, amount in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, limits.seconds_max),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES_MAX),
        (resource.RLIMIT_NPROC, 0),
    ):
        with suppress(ValueError, OSError):  # a lower limit is in force already
            resource.setrlimit(what, (amount, amount))


def _address_space_bytes() -> int:
    """Return how much this process has mapped already, most of it shared with its parent."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()
