"""System calls that Python has no function for."""

import ctypes
import os
import sys
from typing import Any

IS_LINUX = sys.platform == "linux"
# Numbers that are the same on all architectures.
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446

_libc = ctypes.CDLL(None, use_errno=True)


def system_call(number: int, *arguments: Any) -> int:
    """Return what a system call returns. Raises OSError when it fails."""
    return _checked(_libc.syscall(number, *arguments))


def process_control(option: int, *arguments: Any) -> int:
    """Change an attribute of this process. Raises OSError when it cannot be changed."""
    return _checked(_libc.prctl(option, *arguments))


def set_capabilities(header: bytes, sets: bytes) -> None:
    """Exchange the capabilities of this process. Raises OSError when it has less than these."""
    _checked(_libc.capset(header, sets))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
