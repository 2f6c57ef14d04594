"""What the Files port promises, shown for every implementation."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from understudy.files.object_store import PART_BYTES

from .places import Place

pytestmark = pytest.mark.timeout(60)
MEBIBYTE = 1024 * 1024


async def chunks_of(data: bytes, size: int = 300_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read_all(place: Place, key: str) -> bytes:
    return b"".join([piece async for piece in place.files.read(key)])


def patterned(size: int) -> bytes:
    """Bytes in which a lost, doubled or swapped piece shows."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize("size", [0, 1, 65_536, PART_BYTES - 1, PART_BYTES, 2 * PART_BYTES + 3])
async def test_what_was_written_is_read_back(place: Place, size: int) -> None:
    """FILE-04, FILE-06: files of every size come back byte for byte, and the size is told."""
    data = patterned(size)
    assert await place.files.write("file-a", chunks_of(data)) == size
    assert await read_all(place, "file-a") == data


@pytest.mark.parametrize("place", ["folder", "bucket"], indirect=True)
async def test_pieces_are_small(place: Place) -> None:
    """A reader never gets the whole file at once; in memory it is whole anyway."""
    await place.files.write("file-a", chunks_of(bytes(4 * MEBIBYTE)))
    assert max([len(piece) async for piece in place.files.read("file-a")]) <= MEBIBYTE


async def test_nothing_is_visible_before_the_end(place: Place) -> None:
    """A key has no bytes while its upload is under way, even when parts have left memory."""
    seen: list[str] = []

    async def watched() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield bytes(MEBIBYTE)
        try:
            await read_all(place, "file-a")
        except KeyError:
            seen.append("nothing")

    await place.files.write("file-a", watched())
    assert seen == ["nothing"]
    assert len(await read_all(place, "file-a")) == 12 * MEBIBYTE


@pytest.mark.parametrize("mebibytes", [0, 1, 12])
async def test_a_broken_upload_leaves_nothing(place: Place, mebibytes: int) -> None:
    """The iterator's exception goes on unchanged and what was written is removed."""
    broken = ValueError("the client went away")

    async def breaking() -> AsyncIterator[bytes]:
        for _ in range(mebibytes):
            yield bytes(MEBIBYTE)
        raise broken

    with pytest.raises(ValueError, match="the client went away") as caught:
        await place.files.write("file-a", breaking())
    assert caught.value is broken
    assert place.everything() == []


@pytest.mark.parametrize("mebibytes", [1, 12])
async def test_a_cancelled_upload_leaves_nothing(place: Place, mebibytes: int) -> None:
    """A request that is cancelled while it waits for more bytes leaves neither file nor parts."""
    waiting = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        for _ in range(mebibytes):
            yield bytes(MEBIBYTE)
        waiting.set()
        await asyncio.Event().wait()

    upload = asyncio.ensure_future(place.files.write("file-a", stalling()))
    await waiting.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert place.everything() == []


@pytest.mark.parametrize("mebibytes", [1, 12])
async def test_an_upload_cancelled_while_it_is_completed_leaves_nothing(
    place: Place, mebibytes: int
) -> None:
    """Left to obstore, the parts of an S3 upload stay when its close is cancelled."""
    loop = asyncio.get_running_loop()

    async def cancelling() -> AsyncIterator[bytes]:
        for _ in range(mebibytes):
            yield bytes(MEBIBYTE)
        # The next thing that the upload waits for is its completion.
        loop.call_soon(upload.cancel)

    upload = asyncio.ensure_future(place.files.write("file-a", cancelling()))
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert place.everything() == []


async def test_uploads_do_not_mix(place: Place) -> None:
    """Writes to several keys at once keep apart."""
    contents = {f"file-{n}": bytes([n]) * (PART_BYTES + n) for n in range(3)}
    await asyncio.gather(*(place.files.write(k, chunks_of(d)) for k, d in contents.items()))
    for key, data in contents.items():
        assert await read_all(place, key) == data


async def test_reading_an_unknown_key_is_a_key_error(place: Place) -> None:
    """The error names the key."""
    with pytest.raises(KeyError, match="file-none"):
        await read_all(place, "file-none")


async def test_deleted_bytes_are_gone(place: Place) -> None:
    """FILE-07: after a delete there is nothing to read and nothing left."""
    await place.files.write("file-a", chunks_of(b"abc"))
    await place.files.delete("file-a")
    with pytest.raises(KeyError):
        await read_all(place, "file-a")
    assert place.everything() == []


async def test_deleting_nothing_is_fine(place: Place) -> None:
    """A delete can be repeated."""
    await place.files.delete("file-none")


async def test_check_passes_and_leaves_nothing(place: Place) -> None:
    """A place that works says so by silence."""
    await place.files.check()
    assert place.everything() == []


async def test_a_key_cannot_leave_its_place(place: Place, tmp_path: Path) -> None:
    """A key that climbs out of the folder or prefix is refused, and nothing is written."""
    with pytest.raises(OSError, match="Files in "):
        await place.files.write("../outside", chunks_of(b"abc"))
    assert not (tmp_path / "outside").exists()
