"""Files over obstore: a local folder, an S3-compatible bucket, or memory.

Every write goes through a multipart upload, which all three stores keep out of sight until it is
completed: S3 as parts, a folder as ``key#1`` beside the key. What obstore leaves to its caller is
the end of an upload that fails. Its writer gives the parts back when its context ends with an
exception, but an S3 upload whose ``close`` is cancelled stays behind, invisible and paid for. So
both ends, the good one and the bad one, run as tasks that a cancelled caller does not take along.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

if TYPE_CHECKING:
    from obstore import AsyncWritableFile, BytesStream
    from obstore.store import ObjectStore

# The smallest part that S3 takes; 10,000 of them are 48 GiB, the largest file that can be stored.
PART_BYTES = 5 * 1024 * 1024
PARTS_IN_FLIGHT = 2
READ_BYTES = 256 * 1024
CHECK_TIMEOUT_SECONDS = 10.0
WELL_FOR_SECONDS = 10.0


class ObjectStoreFiles:
    """The Files port over any store that obstore can open.

    A write holds at most about three parts of 5 MiB in memory, a read one piece, whatever the
    size of the file. Failures of the store are raised as OSError with the store's name.
    """

    def __init__(self, store: "ObjectStore", name: str) -> None:
        self._store = store
        self._name = name
        self._endings: set[asyncio.Task[None]] = set()
        self._well_until = 0.0

    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Store the chunks under the key, all or nothing, and return their size in bytes."""
        writer = self._open_writer(key)
        try:
            size = await self._pour(chunks, writer)
        except BaseException as error:
            await self._to_the_end(_abort(writer, error))
            raise
        await self._publish(writer, key)
        return size

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Yield the bytes in pieces of about 256 KiB; KeyError when there are none."""
        stream = await self._open_stream(key)
        while piece := await self._next_piece(stream):
            yield piece

    async def delete(self, key: str) -> None:
        """Remove the bytes under the key, if there are any, and what a killed write left."""
        with self._translated(), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, key)
        with self._translated():
            self._remove_unfinished(key)

    def _remove_unfinished(self, key: str) -> None:
        """Remove the file beside the key; a bucket lets go of parts by its own lifecycle rule."""
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            (self._store.prefix / f"{key}#1").unlink(missing_ok=True)

    async def check(self) -> None:
        """Write a small object and remove it again; OSError when that does not work in time.

        What has just worked is believed: probes ask often, and a bucket is paid by the request.
        """
        if time.monotonic() < self._well_until:
            return
        key = f"check-{secrets.token_hex(8)}"
        with self._translated():
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await obstore.put_async(self._store, key, bytes(4096))
                await obstore.delete_async(self._store, key)
        self._well_until = time.monotonic() + WELL_FOR_SECONDS

    def _open_writer(self, key: str) -> "AsyncWritableFile":
        with self._translated():
            return obstore.open_writer_async(
                self._store, key, buffer_size=PART_BYTES, max_concurrency=PARTS_IN_FLIGHT
            )

    async def _pour(self, chunks: AsyncIterator[bytes], writer: "AsyncWritableFile") -> int:
        size = 0
        async for chunk in chunks:
            with self._translated():
                await writer.write(chunk)
            size += len(chunk)
        return size

    async def _publish(self, writer: "AsyncWritableFile", key: str) -> None:
        """Make the upload visible; a caller that is cancelled meanwhile leaves nothing behind."""
        closing = asyncio.ensure_future(writer.close())
        try:
            with self._translated():
                await asyncio.shield(closing)
        except asyncio.CancelledError:
            await self._to_the_end(self._unpublish(closing, key))
            raise

    async def _unpublish(self, closing: asyncio.Future[None], key: str) -> None:
        await asyncio.wait([closing])
        # What close raised no longer matters, but asyncio complains when nobody asks for it.
        closing.exception()
        with suppress(OSError):
            await self.delete(key)

    async def _to_the_end(self, ending: Coroutine[Any, Any, None]) -> None:
        """Wait for an ending that goes on by itself when this wait is cancelled."""
        task = asyncio.ensure_future(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
        await asyncio.shield(task)

    async def _open_stream(self, key: str) -> "BytesStream":
        try:
            with self._translated():
                found = await obstore.get_async(self._store, key)
        except FileNotFoundError as missing:
            raise KeyError(key) from missing
        return found.stream(min_chunk_size=READ_BYTES)

    async def _next_piece(self, stream: "BytesStream") -> bytes:
        """Return the next piece, or nothing at the end."""
        with self._translated():
            try:
                return await anext(stream)
            except StopAsyncIteration:
                return b""

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise FileNotFoundError(self._explain(error)) from error
        # obstore raises ValueError for a key that is no path, OSError for some local failures.
        except (BaseError, ValueError, OSError) as error:
            raise OSError(self._explain(error)) from error

    def _explain(self, error: Exception) -> str:
        # obstore's messages go on for a dozen lines with a dump of Rust structures.
        reason = str(error).partition("\n")[0] or "no answer in time"
        return f"Files in {self._name}: {reason}"


async def _abort(writer: "AsyncWritableFile", error: BaseException) -> None:
    """Give back what was uploaded; the error that led here matters more than one from here."""
    with suppress(BaseError, OSError, ValueError):
        await writer.__aexit__(type(error), error, error.__traceback__)
