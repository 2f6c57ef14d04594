"""What passes between the server and the reading processes.

The server asks for a file with a ``Request``. The answer is a row of frames: ``Started``, batches
of chunks, then ``Finished`` or ``Failed``. A frame is its length in four bytes, then msgpack.
"""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from understudy.retrieval.document import UnreadableCode
from understudy.retrieval.reading.limits import ReadingLimits
from understudy.storage.chunks import IndexedChunk

HEADER_BYTES = 4
# A batch is sent when it has grown to BATCH_CHARS; a single chunk may make it larger.
BATCH_CHARS = 128 * 1024
FRAME_BYTES_MAX = 32 * 1024 * 1024
REQUEST_BYTES_MAX = 64 * 1024


class Request(Struct, frozen=True, kw_only=True):
    """A file to be read, and how; the path is as the file system spells it."""

    path: bytes
    filename: str
    size_tokens: int
    overlap_tokens: int
    limits: ReadingLimits


class Started(Struct, frozen=True, tag=True):
    """There is a process for the file; its time counts from now."""


class Batch(Struct, frozen=True, tag=True):
    """The next chunks of the file."""

    chunks: Sequence[IndexedChunk]


class Finished(Struct, frozen=True, tag=True):
    """All chunks have been sent."""


class Failed(Struct, frozen=True, tag=True):
    """There will be no more chunks; ``detail`` is for the log of the server."""

    code: UnreadableCode
    message: str
    detail: str


Frame = Started | Batch | Finished | Failed

decode_request: Callable[[bytes], Request] = msgspec.msgpack.Decoder(Request).decode
decode_frame: Callable[[bytes | bytearray], Frame] = msgspec.msgpack.Decoder(Frame).decode


def encode_request(request: Request) -> bytes:
    """Return a request as one message."""
    return msgspec.msgpack.encode(request)


def encode_frame(frame: Frame) -> bytes:
    """Return a frame with its length before it."""
    content = msgspec.msgpack.encode(frame)
    return len(content).to_bytes(HEADER_BYTES) + content
