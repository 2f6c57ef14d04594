"""The file system that the zygote and its sessions see: the system read-only, and little of it.

Sources are opened before anything is mounted, because the place where the new root is put together
may hide them, and are bound through their descriptors.
"""

import ctypes
import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from understudy.sandbox.inside import libc
from understudy.sandbox.inside.plan import ENVIRONMENT

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
CONFIGURATION = ("/etc/ld.so.cache", "/etc/fonts", "/etc/alternatives", "/etc/mime.types")
DEVICES = ("null", "zero", "full", "random", "urandom")
WRITABLE = ("/mnt/data", "/tmp", "/home/sandbox", "/dev/shm")  # noqa: S108 - inside the sandbox
# Folders that every system has and everybody reaches; mounting there is seen by nobody else.
STAGES = ("/tmp", "/mnt", "/usr")  # noqa: S108
# Where a session puts its one tmpfs for a moment.
SESSION_STAGE = "/run/session"
SCRATCH_BYTES = 64 << 20
WRITTEN = {
    "/etc/passwd": "root:x:0:0::/:/bin/false\nsandbox:x:1000:1000::/home/sandbox:/bin/sh\n",
    "/etc/group": "root:x:0:\nsandbox:x:1000:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}

SYS_MOUNT_SETATTR = 442
AT_FDCWD = -100
AT_RECURSIVE = 0x8000
ATTR_RDONLY, ATTR_NOSUID, ATTR_NODEV, ATTR_NOEXEC = 1, 2, 4, 8
SEALED = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV


def readable_trees() -> list[str]:
    """Return the trees that kernels may read, beside their environment."""
    python = () if f"{sys.base_prefix}/".startswith("/usr/") else (sys.base_prefix,)
    return [tree for tree in (*SYSTEM, *python) if os.path.lexists(tree)]


@dataclass(frozen=True, slots=True)
class Sources:
    """What the new root is made from: open trees and devices, and links as they were read."""

    trees: dict[str, int]
    links: dict[str, str]
    devices: dict[str, int]


def open_sources(environment: str) -> Sources:
    """Open everything that the new root shows. Raises StageFailed("source") when it may not."""
    paths = [*readable_trees(), *CONFIGURATION]
    trees = {
        path: _open(path) for path in paths if os.path.lexists(path) and not Path(path).is_symlink()
    }
    trees[ENVIRONMENT] = _open(os.path.realpath(environment))
    links = {path: str(Path(path).readlink()) for path in paths if Path(path).is_symlink()}
    return Sources(trees, links, {name: _open(f"/dev/{name}") for name in DEVICES})


def build(sources: Sources) -> None:
    """Put the new root together in private, and make it the root; the old one stays at /.old."""
    stage = next(folder for folder in STAGES if Path(folder).is_dir())
    libc.mount("none", "/", "", libc.MS_REC | libc.MS_PRIVATE)
    libc.mount("tmpfs", stage, "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, "mode=755,size=1m")
    for path, target in sources.links.items():
        _file(stage + path).symlink_to(target)
    for path, source in sources.trees.items():
        _bind(source, stage + path, SEALED)
    for name, source in sources.devices.items():
        _bind(source, f"{stage}/dev/{name}", ATTR_RDONLY | ATTR_NOSUID | ATTR_NOEXEC)
    for path, text in WRITTEN.items():
        _file(stage + path).write_text(text)
    for path in (*WRITABLE, "/proc", SESSION_STAGE, "/.old"):
        Path(stage + path).mkdir(parents=True, exist_ok=True)
    for name, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        Path(f"{stage}/dev/{name}").symlink_to(f"/proc/self/fd{target}")
    if "/usr" in sources.trees and not sys.base_prefix.startswith("/usr/local"):
        _hide(f"{stage}/usr/local")
    libc.pivot_root(stage, f"{stage}/.old")
    os.chdir("/")


def finish() -> bool:
    """Let go of the old root and seal the new one; returns whether there is a /proc.

    A new procfs is asked for while the old root still stands: the kernel gives none to whoever
    sees none.
    """
    mounted = mount_proc()
    libc.unmount_detached("/.old")
    Path("/.old").rmdir()
    for path in ("/tmp", "/dev/shm"):  # noqa: S108 - inside the sandbox
        options = f"mode=1777,size={SCRATCH_BYTES}"
        libc.mount("tmpfs", path, "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, options)
    seal("/", SEALED, recursive=False)
    return mounted


def mount_proc() -> bool:
    """Mount a /proc of this process's own pid namespace, where the kernel allows it."""
    flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
    try:
        libc.mount("proc", "/proc", "proc", flags, "subset=pid")
    except libc.StageFailed:
        return False  # masked by a container
    return True


def mount_session(user: int, disk_bytes: int, inodes: int) -> None:
    """Give the session its own writable folders, all on one tmpfs with one size."""
    options = f"mode=755,size={disk_bytes},nr_inodes={inodes}"
    libc.mount("tmpfs", SESSION_STAGE, "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, options)
    for path in WRITABLE:
        folder = f"{SESSION_STAGE}/{path.strip('/').replace('/', '-')}"
        Path(folder).mkdir(0o700)
        os.chown(folder, user, user)
        libc.mount(folder, path, "", libc.MS_BIND)
    libc.unmount_detached(SESSION_STAGE)


def seal(path: str, attributes: int, *, recursive: bool = True) -> None:
    """Set attributes of a mount, and by default of all mounts below it."""
    attribute_set = struct.pack("=QQQQ", attributes, 0, 0, 0)
    libc.syscall(
        f"mount_setattr {path}",
        SYS_MOUNT_SETATTR,
        AT_FDCWD,
        path.encode(),
        AT_RECURSIVE if recursive else 0,
        attribute_set,
        ctypes.c_size_t(len(attribute_set)),
    )


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise libc.StageFailed("source", error.errno or 0, path) from error


def _bind(source: int, target: str, attributes: int) -> None:
    if Path(f"/proc/self/fd/{source}").is_dir():
        Path(target).mkdir(parents=True, exist_ok=True)
    else:
        _file(target).touch()
    libc.mount(f"/proc/self/fd/{source}", target, "", libc.MS_BIND | libc.MS_REC)
    seal(target, attributes)
    os.close(source)


def _file(path: str) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _hide(path: str) -> None:
    if Path(path).is_dir():
        flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_RDONLY
        libc.mount("tmpfs", path, "tmpfs", flags, "mode=755,size=4k")
