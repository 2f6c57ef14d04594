"""The kernel: reads cells from the stream, runs them in IPython, and writes what they made.

From its first cell on this process is hostile; nothing here protects the host. The frames are
``u32 length, u8 kind, bytes``; see frames.py for the kinds.
"""

import fcntl
import os
import random
import signal
import struct
import sys
import termios
import time
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from understudy.sandbox.frames import Kind

STREAM_DESCRIPTOR = 3
NONCE_BYTES = 16
HEADER = struct.Struct("<IB")
EMPTY_SECONDS_MAX = 1.0
EMPTY_STEP_SECONDS = 0.0001
# It needs IPython, which is found only when the files of this package are out of sight.
SHELL_SOURCE = Path(__file__).with_name("shell.py").read_text()

_shell: Any = None


def prepare() -> None:
    """Make the shell once, in the zygote, for all sessions to share."""
    global _shell  # noqa: PLW0603 - a fork inherits exactly this
    shell = ModuleType("understudy.sandbox.inside.shell")
    sys.modules[shell.__name__] = shell
    exec(compile(SHELL_SOURCE, "shell.py", "exec"), shell.__dict__)  # noqa: S102 - our own
    _shell = shell.make(send)


def serve() -> NoReturn:
    """Run cells until the stream ends."""
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = open(  # noqa: SIM115
            descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    while True:
        kind, body = _receive()
        if kind == Kind.CELL:
            _run(body[:NONCE_BYTES], body[NONCE_BYTES:].decode("utf-8", "replace"))


def send(kind: int, *parts: bytes) -> None:
    """Write a frame once the runner has read what was printed before it, to keep the order."""
    flush()
    _await_empty_pipes()
    length = sum(map(len, parts))
    _write(HEADER.pack(length, kind) + b"".join(parts))


def flush() -> None:
    """Bring printed text to the pipes."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # a cell may close or replace them


def _await_empty_pipes() -> None:
    until = time.monotonic() + EMPTY_SECONDS_MAX
    while any(map(_waiting, (1, 2))) and time.monotonic() < until:
        time.sleep(EMPTY_STEP_SECONDS)


def _waiting(pipe: int) -> bool:
    """Say whether a pipe holds bytes that nobody has read."""
    try:
        return fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)) != bytes(4)
    except OSError:
        return False


def _run(nonce: bytes, code: str) -> None:
    succeeded = False
    try:
        # Only a cell is interrupted; a signal that comes too late must not end the kernel.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        succeeded = _shell.run_cell(code, store_history=True).success
    except KeyboardInterrupt:
        send(Kind.TRACEBACK, b"KeyboardInterrupt")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    send(Kind.DONE, nonce, b"1" if succeeded else b"0")


def _receive() -> tuple[int, bytes]:
    length, kind = HEADER.unpack(_read(HEADER.size))
    return kind, _read(length)


def _read(size: int) -> bytes:
    pieces = []
    while size:
        piece = os.read(STREAM_DESCRIPTOR, min(size, 1 << 16))
        if not piece:
            os._exit(0)
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _write(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(STREAM_DESCRIPTOR, rest) :]
