"""The filter of system calls: a decision tree over their numbers, as a program for the kernel.

The kernel runs the program at each call. It first ends whoever speaks another architecture's
dialect, or x32, where numbers mean other calls. Then a binary tree leads to a leaf: allow, refuse,
or look at one argument first (syscall_policy.py).
"""

import ctypes
import errno
import struct
from collections.abc import Iterable

from understudy.sandbox.inside import libc, syscall_numbers, syscall_policy

Instruction = tuple[int, int, int, int]
Program = list[Instruction]

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, JUMP, RETURN = 0x20, 0x15, 0x35, 0x45, 0x05, 0x06
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16

ALLOW: Program = [(RETURN, 0, 0, 0x7FFF0000)]
KILL: Program = [(RETURN, 0, 0, 0x80000000)]
X32_BIT = 0x40000000

SECCOMP_SET_MODE_FILTER = 1
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NUMBERS = {"x86_64": syscall_numbers.X86_64, "aarch64": syscall_numbers.AARCH64}


def program(architecture: str, *, anonymous_files: bool) -> bytes:
    """Return the filter, ready for the kernel; ``anonymous_files`` allows memfd_create.

    Raises KeyError for an architecture without a table.
    """
    prologue: Program = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_EQUAL, 1, 0, ARCHITECTURES[architecture]),
        *KILL,
        (LOAD, 0, 0, NUMBER_AT),
    ]
    leaves = _leaves(_NUMBERS[architecture], anonymous_files=anonymous_files)
    instructions = prologue + _tree(_ranges(leaves))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


def install(filter_program: bytes) -> None:
    """Put this process, and all that it starts, under the filter for good."""

    class Fprog(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    fprog = Fprog(len(filter_program) // 8, filter_program)
    libc.syscall("seccomp", libc.SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, 0, ctypes.byref(fprog))


def _leaves(numbers: dict[str, int], *, anonymous_files: bool) -> dict[int, Program]:
    """Return what to do at each number that is not simply unknown."""
    policy = syscall_policy
    refused = _refuse(errno.EPERM)
    checks: dict[str, Program] = {
        "clone": [
            _load_argument(0),
            (JUMP_ANY_BIT, 0, 1, policy.CLONE_NAMESPACES),
            *refused,
            *ALLOW,
        ],
        "socket": _one_of(0, (policy.AF_UNIX,), errno.ENETUNREACH),
        "socketpair": _one_of(0, (policy.AF_UNIX,), errno.EAFNOSUPPORT),
        "ioctl": _one_of(1, policy.IOCTLS, errno.ENOTTY),
        "fcntl": _one_of(1, policy.FCNTLS, errno.EPERM),
        "prctl": _one_of(0, policy.PRCTLS, errno.EPERM),
        "memfd_create": ALLOW if anonymous_files else _refuse(errno.ENOSYS),
    }
    leaves = dict.fromkeys(policy.ALLOWED, ALLOW)
    leaves |= dict.fromkeys(policy.REFUSED, refused) | checks
    return {numbers[name]: leaf for name, leaf in leaves.items() if name in numbers}


def _refuse(number: int) -> Program:
    return [(RETURN, 0, 0, 0x00050000 | number)]


def _load_argument(index: int) -> Instruction:
    """Load the low half of an argument; the kernel itself reads no more of those looked at."""
    return (LOAD, 0, 0, ARGUMENTS_AT + 8 * index)


def _one_of(argument: int, values: Iterable[int], otherwise: int) -> Program:
    chosen: Program = [_load_argument(argument)]
    for value in values:
        chosen += [(JUMP_EQUAL, 0, 1, value), *ALLOW]
    return chosen + _refuse(otherwise)


def _ranges(leaves: dict[int, Program]) -> list[tuple[int, Program]]:
    """Return where each run of equal leaves starts, in order, gaps included."""
    unknown = _refuse(errno.ENOSYS)
    ranges: list[tuple[int, Program]] = []
    for number in range(max(leaves) + 2):
        leaf = leaves.get(number, unknown)
        if not ranges or ranges[-1][1] != leaf:
            ranges.append((number, leaf))
    return [*ranges, (X32_BIT, KILL)]


def _tree(ranges: list[tuple[int, Program]]) -> Program:
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _tree(ranges[:middle]), _tree(ranges[middle:])
    # A conditional jump reaches 255 instructions; a plain one reaches all.
    return [
        (JUMP_AT_LEAST, 0, 1, ranges[middle][0]),
        (JUMP, 0, 0, len(below)),
        *below,
        *above,
    ]
