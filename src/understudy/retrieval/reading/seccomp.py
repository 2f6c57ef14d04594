"""The system calls that a reading process has no use for, and that could hurt other processes.

What Landlock does not know, or learnt late: signals, limits and priorities of other processes,
modes, owners and sizes of files, sockets, and io_uring, which no filter sees into. It is a list of
what is forbidden, because nobody knows all that parsers and their allocators call.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from functools import cache

from understudy.retrieval.reading.kernel import IS_LINUX, process_control

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ALLOW, _REFUSE = 0x7FFF_0000, 0x0005_0000 | errno.EPERM
# Instructions of the filter: load a word of the call, compare it, skip some, return a verdict.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _SKIP, _RETURN = 0x20, 0x15, 0x35, 0x05, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
# x86-64 has a second set of all numbers.
_X32 = 0x4000_0000

# As the kernel numbers them: on x86-64, on 64-bit ARM.
_ARCHITECTURES = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}
_FORBIDDEN = (
    *((56, 220), (57, None), (58, None), (435, 435)),  # clone, fork, vfork, clone3
    *((59, 221), (322, 281)),  # execve, execveat
    *((62, 129), (200, 130), (129, 138), (297, 240)),  # kill, tkill, rt_(tg)sigqueueinfo
    *((434, 434), (424, 424), (438, 438)),  # pidfd_open, pidfd_send_signal, pidfd_getfd
    *((101, 117), (310, 270), (311, 271)),  # ptrace, process_vm_readv, process_vm_writev
    *((41, 198), (42, 203)),  # socket, connect
    (425, 425),  # io_uring_setup
    *((90, None), (91, 52), (268, 53), (452, 452)),  # chmod, fchmod, fchmodat, fchmodat2
    *((92, None), (94, None), (93, 55), (260, 54)),  # chown, lchown, fchown, fchownat
    *((188, 5), (189, 6), (190, 7), (463, 463)),  # setxattr, l…, f…, …at
    *((197, 14), (198, 15), (199, 16), (466, 466)),  # removexattr, l…, f…, …at
    (76, 45),  # truncate
    *((141, 140), (203, 122), (251, 30)),  # setpriority, sched_setaffinity, ioprio_set
    *((144, 119), (142, 118), (314, 274)),  # sched_setscheduler, sched_setparam, sched_setattr
    *((321, 280), (298, 241), (323, 282)),  # bpf, perf_event_open, userfaultfd
    *((272, 97), (308, 268), (165, 40)),  # unshare, setns, mount
)
# Allowed upon itself, as ``abort`` and ``getrlimit`` need it.
_TGKILL = (234, 131)
_PRLIMIT = (302, 261)


def is_known() -> bool:
    """Return whether the numbers of the calls are known here."""
    return IS_LINUX and platform.machine() in _ARCHITECTURES


def forbid_harm() -> None:
    """Have those calls refused from now on; nothing happens where their numbers are unknown.

    Raises OSError when the kernel does not obey. Needs ``PR_SET_NO_NEW_PRIVS`` or privileges.
    """
    if is_known():
        _install(program() + b"".join(_conditions(_ARCHITECTURES[platform.machine()][0])))


@cache
def program() -> bytes:
    """Return the part of the filter that is the same for all processes, if there is one."""
    return b"".join(_refusals(*_ARCHITECTURES[platform.machine()])) if is_known() else b""


def _refusals(column: int, architecture: int) -> Iterator[bytes]:
    yield _instruction(_LOAD, _ARCHITECTURE_AT)
    yield _instruction(_IF_EQUAL, architecture, 1, 0)
    yield _instruction(_RETURN, _REFUSE)
    yield _instruction(_LOAD, _NUMBER_AT)
    yield _instruction(_IF_AT_LEAST, _X32, 0, 1)
    yield _instruction(_RETURN, _REFUSE)
    forbidden = [numbers[column] for numbers in _FORBIDDEN]
    known = [number for number in forbidden if number is not None]
    for position, number in enumerate(known):
        yield _instruction(_IF_EQUAL, number, len(known) - position, 0)
    yield _instruction(_SKIP, 1)
    yield _instruction(_RETURN, _REFUSE)


def _conditions(column: int) -> Iterator[bytes]:
    yield from _only_upon(os.getpid(), _TGKILL[column])
    yield from _only_upon(0, _PRLIMIT[column])
    yield _instruction(_RETURN, _ALLOW)


def _only_upon(process: int, number: int) -> Iterator[bytes]:
    """Allow a call when its first argument is this process."""
    yield _instruction(_IF_EQUAL, number, 0, 4)
    yield _instruction(_LOAD, _FIRST_ARGUMENT_AT)
    yield _instruction(_IF_EQUAL, process, 0, 1)
    yield _instruction(_RETURN, _ALLOW)
    yield _instruction(_RETURN, _REFUSE)


def _instruction(code: int, value: int, skip_if: int = 0, skip_else: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skip_if, skip_else, value)


def _install(instructions: bytes) -> None:
    held = ctypes.create_string_buffer(instructions)
    count = len(instructions) // len(_instruction(_RETURN, _ALLOW))
    head = struct.pack("@HP", count, ctypes.addressof(held))
    process_control(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, head)
