"""A cell in flight: what comes from the kernel goes in, what clients may see comes out.

All budgets are kept here. A kernel is hostile, so whatever it sends beyond its budget costs the
host no more than reading and forgetting it, and in the end gets it interrupted.
"""

import asyncio
import codecs
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from understudy.sandbox.frames import NONCE_BYTES, Kind
from understudy.sandbox.limits import Limits

Status = Literal["done", "failed", "interrupted", "died"]
Reason = Literal["", "time", "memory", "output", "request", "protocol", "exit", "closed"]
Output = tuple[Kind, bytes]

MAGIC = {Kind.PNG: b"\x89PNG\r\n\x1a\n", Kind.JPEG: b"\xff\xd8\xff"}
TEXTS = {Kind.STDOUT, Kind.STDERR, Kind.RESULT, Kind.TRACEBACK}
# What handling a frame costs, however small it is.
FRAME_COST_BYTES = 1024


@dataclass(frozen=True, slots=True)
class CellEnd:
    """How a cell ended. ``truncated`` says that some of its output was thrown away."""

    status: Status
    reason: Reason = ""
    truncated: bool = False


class Cell:
    """Collects a cell's outputs within the limits, in the order in which they came."""

    def __init__(self, limits: Limits, flooded: Callable[[], None]) -> None:
        self.nonce = secrets.token_bytes(NONCE_BYTES)
        self.interrupted_for: Reason = ""
        self._limits = limits
        self._flooded = flooded
        self._ready: asyncio.Queue[Output | CellEnd] = asyncio.Queue()
        self._kept = 0
        self._seen = 0
        self._frames = 0
        self._images = 0
        self._truncated = False
        self.over = False
        make = codecs.getincrementaldecoder("utf-8")
        self._decoders = {kind: make("replace") for kind in (Kind.STDOUT, Kind.STDERR)}

    def text(self, kind: Kind, data: bytes) -> None:
        """Take a piece of printed text; a character may be split between two pieces."""
        self._keep(kind, self._decoders[kind].decode(data), len(data))

    def frame(self, kind: Kind, body: bytes) -> None:
        """Take what is no text of a stream. The end counts only with this cell's nonce."""
        if kind is Kind.DONE:
            if body[:NONCE_BYTES] == self.nonce:
                self._finish(succeeded=body[NONCE_BYTES:] == b"1")
            return
        self._frames += 1
        if self._frames > self._limits.frames:
            self._drop(len(body) + FRAME_COST_BYTES)
        elif kind in MAGIC:
            self._image(kind, body)
        elif kind in TEXTS:
            self._keep(kind, body.decode("utf-8", "replace"), len(body) + FRAME_COST_BYTES)

    def died(self, reason: Reason) -> None:
        """End the cell because its kernel is gone."""
        self._end(CellEnd("died", reason, self._truncated))

    async def next(self) -> Output | CellEnd:
        """Wait for the next output, or the end."""
        return await self._ready.get()

    def _finish(self, *, succeeded: bool) -> None:
        if self.interrupted_for:
            self._end(CellEnd("interrupted", self.interrupted_for, self._truncated))
        else:
            self._end(CellEnd("done" if succeeded else "failed", "", self._truncated))

    def _end(self, end: CellEnd) -> None:
        if not self.over:
            self.over = True
            self._ready.put_nowait(end)

    def _keep(self, kind: Kind, text: str, cost: int) -> None:
        clean = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode()
        room = self._limits.output_bytes_kept - self._kept
        if len(clean) > room:
            self._truncated = True
            clean = clean[:room].decode("utf-8", "ignore").encode()
        self._kept += len(clean)
        if clean and not self.over:
            self._ready.put_nowait((kind, clean))
        self._see(cost)

    def _image(self, kind: Kind, body: bytes) -> None:
        fits = len(body) <= self._limits.image_bytes
        if not fits or self._images + len(body) > self._limits.images_bytes:
            self._drop(len(body))
        elif not body.startswith(MAGIC[kind]):
            self._drop(FRAME_COST_BYTES)
        elif not self.over:
            self._images += len(body)
            self._ready.put_nowait((kind, body))

    def _drop(self, size: int) -> None:
        self._truncated = True
        self._see(size)

    def _see(self, size: int) -> None:
        already = self._seen > self._limits.output_bytes_drained
        self._seen += size
        if not already and self._seen > self._limits.output_bytes_drained:
            self._flooded()
