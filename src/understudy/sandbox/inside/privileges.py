"""Giving up: capabilities, the right to win new ones, and unbounded use of the machine."""

import ctypes
import os
import resource
import struct

from understudy.sandbox.inside import libc
from understudy.sandbox.limits import Limits

CAPABILITY_VERSION_3 = 0x20080522
CAPABILITIES_MAX = 64
# Root is nobody special, and neither flag nor change of user ids can ever turn that back.
SECURE_BITS_LOCKED = 0b11101111
OPEN_FILES_MAX = 256
SIGNALS_PENDING_MAX = 256
STACK_BYTES_MAX = 8 << 20
LOCKED_BYTES_MAX = 64 << 10


def become(user: int) -> None:
    """Change to a user and group that owns nothing but its session."""
    try:
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError as error:
        raise libc.StageFailed("setresuid", error.errno or 0) from error


def drop_bounding_set() -> None:
    """Make it impossible that a program on disk gives capabilities back; needs CAP_SETPCAP."""
    for capability in range(CAPABILITIES_MAX):
        try:
            libc.prctl("bounding set", libc.PR_CAPBSET_DROP, capability)
        except libc.StageFailed:
            break  # one past the last that this kernel knows
    libc.prctl("securebits", libc.PR_SET_SECUREBITS, SECURE_BITS_LOCKED)


def drop_capabilities() -> None:
    """Give up all capabilities and the right to ever win privileges by running a program."""
    libc.prctl("ambient set", libc.PR_CAP_AMBIENT, libc.PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    libc.syscall("capset", libc.SYS_CAPSET, ctypes.c_char_p(header), ctypes.c_char_p(bytes(24)))
    forbid_new_privileges()


def forbid_new_privileges() -> None:
    """Make set-user-id programs run as whoever starts them."""
    libc.prctl("no_new_privs", libc.PR_SET_NO_NEW_PRIVS, 1)


def limit_resources(limits: Limits) -> None:
    """Bound what one process of the session can use."""
    bounds = {
        # Zero would still run a handler that core_pattern pipes to, as root of the host.
        resource.RLIMIT_CORE: 1,
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_NOFILE: OPEN_FILES_MAX,
        resource.RLIMIT_FSIZE: limits.disk_bytes,
        resource.RLIMIT_DATA: limits.memory_bytes,
        resource.RLIMIT_STACK: STACK_BYTES_MAX,
        resource.RLIMIT_MEMLOCK: LOCKED_BYTES_MAX,
        resource.RLIMIT_SIGPENDING: SIGNALS_PENDING_MAX,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_NICE: 0,
        resource.RLIMIT_RTPRIO: 0,
    }
    for name, bound in bounds.items():
        most = resource.getrlimit(name)[1]
        bound = bound if most == resource.RLIM_INFINITY else min(bound, most)  # noqa: PLW2901
        resource.setrlimit(name, (bound, bound))
