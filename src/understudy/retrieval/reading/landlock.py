"""Landlock: what a process cannot reach any more, whatever its user may (Linux 5.13 and later).

Everything is forbidden that the kernel's version of it knows, but for reading beneath some paths.
"""

import os
import stat
import struct
from collections.abc import Iterable
from contextlib import closing, suppress
from ctypes import c_size_t
from functools import cache

from understudy.retrieval.reading.kernel import (
    IS_LINUX,
    LANDLOCK_ADD_RULE,
    LANDLOCK_CREATE_RULESET,
    LANDLOCK_RESTRICT_SELF,
    system_call,
)

_QUERY_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIRECTORY = 1 << 2, 1 << 3
_ALL_TCP = 0b11
# Abstract unix sockets of other processes, and signals to them.
_ALL_SCOPES = 0b11
# The rights on files that there are, by the version that brought the last of them.
_FILE_RIGHTS_COUNTS = ((5, 16), (3, 15), (2, 14), (1, 13))
_SCOPES_SINCE, _TCP_SINCE = 6, 4


@cache
def version() -> int:
    """Return the version of the kernel's Landlock, 0 where there is none."""
    if not IS_LINUX:
        return 0
    try:
        return system_call(LANDLOCK_CREATE_RULESET, None, c_size_t(0), _QUERY_VERSION)
    except OSError:
        return 0


def restrict_to(readable: Iterable[str]) -> None:
    """Leave this process nothing but to read these files and trees; those that exist.

    Nothing happens where the kernel has no Landlock. Raises OSError when it does not obey.
    """
    if known := version():
        with closing(_Ruleset(known)) as rules:
            for path in readable:
                rules.allow_reading(path)
            rules.enforce()


class _Ruleset:
    def __init__(self, known: int) -> None:
        attributes = _attributes(known)
        size = c_size_t(len(attributes))
        self._descriptor = system_call(LANDLOCK_CREATE_RULESET, attributes, size, 0)

    def allow_reading(self, path: str) -> None:
        with suppress(OSError):  # what cannot be opened needs no rule
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                rule = struct.pack("=Qi", _reading(place), place)
                system_call(LANDLOCK_ADD_RULE, self._descriptor, _PATH_BENEATH, rule, 0)
            finally:
                os.close(place)

    def enforce(self) -> None:
        system_call(LANDLOCK_RESTRICT_SELF, self._descriptor, 0)

    def close(self) -> None:
        os.close(self._descriptor)


def _reading(place: int) -> int:
    is_directory = stat.S_ISDIR(os.fstat(place).st_mode)
    return _READ_FILE | _READ_DIRECTORY if is_directory else _READ_FILE


def _attributes(known: int) -> bytes:
    """Return the kernel's ``struct landlock_ruleset_attr``, as long as this version has it."""
    count = next(count for since, count in _FILE_RIGHTS_COUNTS if known >= since)
    attributes = struct.pack("=Q", (1 << count) - 1)
    if known >= _TCP_SINCE:
        attributes += struct.pack("=Q", _ALL_TCP)
    if known >= _SCOPES_SINCE:
        attributes += struct.pack("=Q", _ALL_SCOPES)
    return attributes
