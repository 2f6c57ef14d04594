"""System calls that Python has no function for, each raising OSError with the stage it was for."""

import ctypes
import os
import platform

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long

ARCHITECTURE = platform.machine()
_IS_X86_64 = ARCHITECTURE == "x86_64"

SYS_PIVOT_ROOT = 155 if _IS_X86_64 else 41
SYS_CAPSET = 126 if _IS_X86_64 else 91
SYS_SECCOMP = 317 if _IS_X86_64 else 277
SYS_OPENAT2 = 437
SYS_LANDLOCK_CREATE_RULESET = 444
SYS_LANDLOCK_ADD_RULE = 445
SYS_LANDLOCK_RESTRICT_SELF = 446

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4


class StageFailed(Exception):
    """A step of closing the sandbox failed; carries what it was and the errno of the system."""

    def __init__(self, stage: str, errno: int, detail: str = "") -> None:
        super().__init__(f"{stage}: {os.strerror(errno)}{': ' + detail if detail else ''}")
        self.stage = stage
        self.errno = errno
        self.detail = detail


def syscall(stage: str, number: int, *arguments: object) -> int:
    """Make a system call by number. Raises StageFailed when it answers an error."""
    return checked(stage, int(_syscall(number, *arguments)))


def checked(stage: str, result: int) -> int:
    """Return the result of a call of libc. Raises StageFailed when it is -1."""
    if result == -1:
        raise StageFailed(stage, ctypes.get_errno())
    return result


def unshare(stage: str, flags: int) -> None:
    """Leave these namespaces for new ones."""
    checked(stage, _libc.unshare(flags))


def enter(stage: str, namespace: int, kind: int) -> None:
    """Enter a namespace by its descriptor, or that of a process in it."""
    checked(stage, _libc.setns(namespace, kind))


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount, bind or remount."""
    try:
        checked(
            "mount",
            _libc.mount(
                source.encode(),
                target.encode(),
                kind.encode(),
                ctypes.c_ulong(flags),
                options.encode() or None,
            ),
        )
    except StageFailed as failed:
        raise StageFailed("mount", failed.errno, f"{kind or 'bind'} {source} at {target}") from None


def unmount_detached(target: str) -> None:
    """Take a tree of mounts away, even if something in it is open."""
    checked("umount", _libc.umount2(target.encode(), MNT_DETACH))


def pivot_root(new: str, old: str) -> None:
    """Make ``new`` the root and put the old one at ``old``."""
    syscall("pivot_root", SYS_PIVOT_ROOT, new.encode(), old.encode())


def prctl(stage: str, option: int, *arguments: int) -> int:
    """Change an attribute of the process."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return checked(stage, _libc.prctl(option, *(ctypes.c_ulong(one) for one in padded)))
