"""A session's /mnt/data as the runner sees it: a folder full of traps.

Everything goes through the descriptor that was taken before hostile code ran. Paths are resolved by
the kernel beneath it, without links and without leaving its file system; a file is opened for
looking first, and only what is a plain file then is opened for reading. A root runner does all of
this as the session's user, in threads that have changed over to him.
"""

import asyncio
import contextlib
import ctypes
import errno
import os
import secrets
import stat
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from understudy.sandbox.inside import libc

T = TypeVar("T")
Mark = tuple[int, int]

RESOLVE = 0x08 | 0x04 | 0x02 | 0x01  # beneath, no links, no magic links, no other file system
AT_FDCWD = -100
ENTRIES_MAX = 10_000
PATHS_BYTES_MAX = 1 << 20
DEPTH_MAX = 16
NAME_BYTES_MAX = 255
READ_BYTES = 1 << 18
NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
CLEAN = dict.fromkeys([*range(0x20), 0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A plain file at a moment. The mark changes with every change of content or name."""

    path: str
    size: int
    mark: Mark


class DataFolder:
    """Reads, writes and lists the folder. Raises OSError for all that goes wrong."""

    def __init__(self, descriptor: int, user: int | None) -> None:
        self.descriptor = descriptor
        self._threads = ThreadPoolExecutor(1, initializer=_become, initargs=(user,))
        self._known: dict[str, Mark] = {}
        self._linked: dict[str, str] = {}
        self._unfit: set[str] = set()

    async def files(self) -> list[FileSeen]:
        """Return the plain files with clean names, a bounded number of them."""
        return await self._do(lambda: list(_walk(self.descriptor)))

    async def changed(self) -> list[FileSeen]:
        """Return what is new or different since the last time that this was asked.

        Of a file that was given a second name only that one is told.
        """
        seen = await self.files()
        changed = [file for file in seen if self._known.get(file.path) != file.mark]
        self._known = {file.path: file.mark for file in seen}
        return [file for file in changed if file.path not in self._linked]

    async def absent(self, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return those of the names that no plain file has, and those that had no room before."""
        gone = await self._do(lambda: [one for one in names if not _is_plain(self.descriptor, one)])
        return gone, [one for one in names if one in self._unfit]

    async def write(self, name: str, pieces: AsyncIterator[bytes]) -> int:
        """Store a file, in place of whatever has its name; it does not count as changed.

        It has its name once it is whole, and nothing is left of one that does not come whole.
        """
        check_name(name)
        part = f".{secrets.token_hex(8)}.part"
        file = await self._do(lambda: _create(self.descriptor, part))
        size = 0
        try:
            async for piece in pieces:
                size += await self._do(lambda data=piece: _write(file, data))  # type: ignore[misc]
            mark = await self._do(lambda: _give_name(self.descriptor, file, part, name))
        except BaseException as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                self._unfit.add(name)
            with contextlib.suppress(OSError):  # nothing that the session does hides the error
                await self._do(lambda: _remove(self.descriptor, part))
            raise
        finally:
            os.close(file)
        self._known[name] = mark
        self._unfit.discard(name)
        return size

    async def link(self, name: str, target: str) -> None:
        """Give a file a second name, in place of whatever has it; that is no change of it."""
        check_name(name)
        check_name(target)
        before, after = await self._do(lambda: _link(self.descriptor, name, target))
        if self._known.get(target) == before:
            self._known[target] = after
        self._known[name] = after
        self._linked[target] = name

    async def remove(self, names: Sequence[str]) -> None:
        """Remove files, each with its second name unless something else has that by now."""
        for name in names:
            check_name(name)
            second = self._linked.get(name, name)
            await self._do(lambda one=name, other=second: _remove_both(self.descriptor, one, other))  # type: ignore[misc]

    async def read(self, path: str, bytes_max: int) -> AsyncIterator[bytes]:
        """Yield a file, at most so many bytes even if it grows meanwhile."""
        file = await self._do(lambda: _open_plain(self.descriptor, path))
        rest = bytes_max

        def read_piece() -> bytes:
            return os.read(file, min(READ_BYTES, rest))

        try:
            while rest and (piece := await self._do(read_piece)):
                rest -= len(piece)
                yield piece
        finally:
            os.close(file)

    def close(self) -> None:
        """Let the folder go."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        os.close(self.descriptor)

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def check_name(name: str) -> None:
    """Refuse what is no plain file name. Raises OSError."""
    wrong = not name or name in {".", ".."} or "/" in name or name.translate(CLEAN) != name
    if wrong or len(os.fsencode(name)) > NAME_BYTES_MAX:
        raise OSError(22, f"not a file name: {name!r}")


def _become(user: int | None) -> None:
    """Make this thread, and it alone, touch files as that user."""
    if user is not None and os.geteuid() == 0:
        _libc.setfsgid(user)
        _libc.setfsuid(user)
        if _libc.setfsuid(-1) != user:
            raise PermissionError(1, "cannot touch files as the session's user")


def _openat2(folder: int, path: str, flags: int) -> int:
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, RESOLVE)
    try:
        return libc.syscall(
            "openat2", libc.SYS_OPENAT2, folder, os.fsencode(path), how, ctypes.c_size_t(len(how))
        )
    except libc.StageFailed as failed:
        raise OSError(failed.errno, os.strerror(failed.errno), path) from failed


def _open_plain(folder: int, path: str) -> int:
    seen = _openat2(folder, path.removeprefix("/mnt/data/"), os.O_PATH | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(seen).st_mode):
            raise OSError(22, "not a plain file", path)
        # Not blocking: a lease or a pipe of the session must not hold the runner up.
        return os.open(f"/proc/self/fd/{seen}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        os.close(seen)


def _is_plain(folder: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except (OSError, ValueError):
        return False


def _remove(folder: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _remove_both(folder: int, name: str, second: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        own, other = (os.stat(n, dir_fd=folder, follow_symlinks=False) for n in (name, second))
        if os.path.samestat(own, other):
            _remove(folder, second)
    if _is_plain(folder, name):
        _remove(folder, name)


def _link(folder: int, name: str, target: str) -> tuple[Mark, Mark]:
    """Return the file's mark before and after; a link that has its name is linked as it is."""
    before = _mark(os.stat(target, dir_fd=folder, follow_symlinks=False))
    _remove(folder, name)
    os.link(target, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    return before, _mark(os.stat(name, dir_fd=folder, follow_symlinks=False))


def _give_name(folder: int, file: int, part: str, name: str) -> Mark:
    os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    return _mark(os.fstat(file))


def _create(folder: int, name: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(name, flags, 0o644, dir_fd=folder)


def _write(file: int, data: bytes) -> int:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
    return len(data)


def _walk(root: int) -> Iterator[FileSeen]:
    """Go through the folders breadth first, holding one open at a time."""
    waiting = deque([("", 0)])
    entries = paths_bytes = 0
    while waiting:
        folder, depth = waiting.popleft()
        for name, status in _entries(root, folder):
            path = f"{folder}/{name}" if folder else name
            entries += 1
            paths_bytes += len(path.encode())
            if entries > ENTRIES_MAX or paths_bytes > PATHS_BYTES_MAX:
                return
            if stat.S_ISREG(status.st_mode):
                yield FileSeen(path, status.st_size, _mark(status))
            elif stat.S_ISDIR(status.st_mode) and depth < DEPTH_MAX:
                waiting.append((path, depth + 1))


def _entries(root: int, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        opened = _openat2(root, folder or ".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return  # gone meanwhile, or closed to everybody
    try:
        with os.scandir(opened) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if _is_clean(entry.name):
                        yield entry.name, entry.stat(follow_symlinks=False)
    finally:
        os.close(opened)


def _is_clean(name: str) -> bool:
    """Say whether a name can be shown: text, without control or direction characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.translate(CLEAN) == name


def _mark(status: os.stat_result) -> Mark:
    return (status.st_ino, status.st_ctime_ns)
