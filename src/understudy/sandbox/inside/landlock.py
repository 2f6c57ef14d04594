"""Landlock: a second wall around files, unix sockets and signals, where the kernel has one."""

import ctypes
import os
import struct
from collections.abc import Iterable

from understudy.sandbox.inside import libc

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
READ = EXECUTE | READ_FILE | READ_DIR
TRUNCATE_SINCE, IOCTL_SINCE, NETWORK_SINCE, SCOPES_SINCE = 3, 5, 4, 6
RULE_PATH_BENEATH = 1
VERSION_QUERY = 1


def version() -> int:
    """Return the version of the kernel's Landlock, 0 where there is none."""
    try:
        return libc.syscall(
            "landlock", libc.SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), VERSION_QUERY
        )
    except libc.StageFailed:
        return 0


def restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Leave this process only these trees; nothing happens where the kernel has no Landlock."""
    abi = version()
    if not abi:
        return
    handled = _rights(abi)
    network = 0b11 if abi >= NETWORK_SINCE else 0
    scopes = 0b11 if abi >= SCOPES_SINCE else 0
    attributes = struct.pack("=QQQ", handled, network, scopes)[: _attribute_bytes(abi)]
    ruleset = libc.syscall(
        "landlock",
        libc.SYS_LANDLOCK_CREATE_RULESET,
        attributes,
        ctypes.c_size_t(len(attributes)),
        0,
    )
    _allow(ruleset, "/", READ_DIR)
    for path in readable:
        _allow(ruleset, path, READ)
    for path in writable:
        _allow(ruleset, path, handled)
    libc.syscall("landlock", libc.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _rights(abi: int) -> int:
    """Return all rights on files that this version knows: 13 at first, then refer and more."""
    bits = 13 + (abi >= 2) + (abi >= TRUNCATE_SINCE) + (abi >= IOCTL_SINCE)  # noqa: PLR2004
    return (1 << bits) - 1


def _attribute_bytes(abi: int) -> int:
    if abi >= SCOPES_SINCE:
        return 24
    return 16 if abi >= NETWORK_SINCE else 8


def _allow(ruleset: int, path: str, rights: int) -> None:
    """Allow rights beneath a path; what is not there needs no rule."""
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):  # noqa: PTH112
        rights &= ~READ_DIR & (EXECUTE | WRITE_FILE | READ_FILE | 1 << 14 | 1 << 15)
    rule = struct.pack("=Qi", rights, parent)
    libc.syscall("landlock", libc.SYS_LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
    os.close(parent)
