"""Frames: ``u32 length, u8 kind, bytes``, little-endian; on all streams of the sandbox the same.

There is no other syntax. Nothing that a kernel wrote is parsed further: text is decoded with
replacement, images are known by their first bytes and passed on as they are.
"""

import struct
from enum import IntEnum

HEADER = struct.Struct("<IB")
NONCE_BYTES = 16


class Kind(IntEnum):
    """What a frame holds."""

    # Runner to kernel: nonce and code. Kernel to runner: nonce and b"1" for success.
    CELL = ord("X")
    DONE = ord("D")
    # What a cell makes; the two streams of text come through pipes and are frames only to clients.
    RESULT = ord("R")
    TRACEBACK = ord("T")
    PNG = ord("P")
    JPEG = ord("J")
    STDOUT = ord("o")
    STDERR = ord("e")
    # Client and runner: an order or an answer (JSON), a piece of a file, the end of the pieces.
    ORDER = ord("O")
    ANSWER = ord("A")
    REFUSAL = ord("!")
    PIECE = ord("B")
    END = ord("Z")


def pack(kind: Kind, body: bytes = b"") -> bytes:
    """Return a frame."""
    return HEADER.pack(len(body), kind) + body
