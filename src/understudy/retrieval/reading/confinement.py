"""What reading processes give up before they touch a hostile byte.

What only Linux has is asked for and not insisted on: a container may forbid it, other systems do
not know it. The limits of resources hold everywhere.
"""

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from understudy.retrieval.reading import kernel, landlock, seccomp
from understudy.retrieval.reading.limits import ReadingLimits

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_OPEN_FILES_MAX = 64
_NICENESS = 5
# Of version 3, for this process; the sets that go with it are effective, permitted, inheritable.
_CAPABILITY_HEADER = struct.pack("=Ii", 0x2008_0522, 0)
_CAPABILITIES_TO_READ = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
# At the limit of time a process gets a signal that says so; past it, one that says nothing.
_GRACE_SECONDS = 1
# What libraries may load late, beside the modules of Python: other libraries, fonts, time zones.
_SYSTEM_TREES = (
    *("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share"),
    *("/etc/fonts", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types"),
    *("/dev/null", "/dev/urandom"),
)


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
    return _capabilities() != 0


def _capabilities() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("CapEff:")[2].split()[0], 16)


def die_with(parent: int) -> None:
    """End this process as soon as its parent, whose id is given, is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def stay_unprivileged() -> None:
    """Keep no privilege but to read what belongs to others, gain none, and stand back."""
    if sys.platform == "linux":
        kept = _capabilities() & _CAPABILITIES_TO_READ
        with suppress(OSError):
            kernel.process_control(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            sets = struct.pack("=6I", kept, kept, 0, 0, 0, 0)
            kernel.set_capabilities(_CAPABILITY_HEADER, sets)
    with suppress(OSError):
        os.nice(_NICENESS)


def hide_memory() -> None:
    """Keep other processes of the same user from looking into this one."""
    if sys.platform == "linux":
        with suppress(OSError):
            kernel.process_control(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def prepare() -> None:
    """Find out for all children at once what each of them needs to know."""
    landlock.version()
    seccomp.program()
    _library_trees()


def give_up_files(file: str) -> None:
    """Keep nothing but to read this file and what Python needs; reach no other process."""
    with suppress(OSError):
        landlock.restrict_to([file, *_SYSTEM_TREES, *_libraries_apart_from(file)])
    with suppress(OSError):
        seccomp.forbid_harm()


@cache
def _library_trees() -> Sequence[str]:
    entries = [*sys.path, os.path.join(sys.base_prefix, "lib")]  # noqa: PTH118
    trees = dict.fromkeys(map(os.path.realpath, entries))
    return [tree for tree in trees if os.path.exists(tree)]  # noqa: PTH110


def _libraries_apart_from(file: str) -> Iterator[str]:
    place = os.path.realpath(file)
    for tree in _library_trees():
        if os.path.commonpath([tree, place]) == tree:
            # The folder of the data is in there, too.
            yield from (str(package.parent) for package in Path(tree).glob("*/__init__.py"))
        else:
            yield tree


def limit_resources(limits: ReadingLimits) -> None:
    """Bound memory and time; forbid writing files, starting processes, and leaving a core."""
    memory = limits.memory_bytes_max + _address_space_bytes()
    for what, amount in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES_MAX),
        (resource.RLIMIT_NPROC, 0),
    ):
        _limit(what, amount, amount)
    _limit(resource.RLIMIT_CPU, limits.seconds_max, limits.seconds_max + _GRACE_SECONDS)


def _limit(what: int, soft: int, hard: int) -> None:
    with suppress(ValueError, OSError):  # a lower limit is in force already
        resource.setrlimit(what, (soft, hard))


def _address_space_bytes() -> int:
    """Return how much this process has mapped already, most of it shared with its parent."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()
