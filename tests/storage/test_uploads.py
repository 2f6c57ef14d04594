"""Uploads in parts, and the account of bytes that no row names."""

import pytest

from understudy.storage.base import Storage
from understudy.storage.changes import (
    AbandonBytes,
    AddPart,
    ClaimBytes,
    EndUpload,
    ExpectBytes,
    OpenUpload,
)
from understudy.storage.records import Conflict, UploadRecord

from .rows import ACME, NOW, OTHER, plain_row, within

UNTIL = NOW + 3_600
EVER = 2**40


def opening(upload_id: str = "upload_1", **fields: int) -> OpenUpload:
    return OpenUpload(
        project_id=ACME, id=upload_id, created_at=NOW, open_until=UNTIL, body=b"{}", **fields
    )


def adding(part_id: str, size: int = 5, *, project_id: str = ACME, now: int = NOW) -> AddPart:
    return AddPart(project_id=project_id, upload_id="upload_1", id=part_id, size=size, now=now)


def ending(project_id: str = ACME) -> EndUpload:
    return EndUpload(project_id=project_id, upload_id="upload_1", body=b'{"over":true}')


async def test_an_upload_is_read_with_its_parts_in_their_order(storage: Storage) -> None:
    await storage.write(opening(file_expires_after_seconds=7_200))
    await storage.write(adding("part_b", 7))
    await storage.write(adding("part_a", 0))
    record = await storage.upload_record(ACME, "upload_1")
    assert record == UploadRecord(
        body=b"{}", file_expires_after_seconds=7_200, parts={"part_b": 7, "part_a": 0}
    )
    assert list(record.parts) == ["part_b", "part_a"]


async def test_another_project_has_no_such_upload(storage: Storage) -> None:
    """GEN-18: it can neither read, fill nor end it."""
    await storage.write(opening())
    assert await storage.upload_record(OTHER, "upload_1") is None
    for change in (adding("part_1", project_id=OTHER), ending(OTHER)):
        with pytest.raises(Conflict):
            await storage.write(change)
    assert await storage.upload_record(ACME, "upload_1") == UploadRecord(body=b"{}")


async def test_no_part_is_added_to_an_upload_that_is_over(storage: Storage) -> None:
    """UPL-02: ended, past its time, or never opened."""
    with pytest.raises(Conflict):
        await storage.write(adding("part_1"))
    await storage.write(opening())
    with pytest.raises(Conflict):
        await storage.write(adding("part_1", now=UNTIL))
    await storage.write(ending())
    with pytest.raises(Conflict):
        await storage.write(adding("part_1"))


async def test_an_upload_ends_once_and_gives_up_its_parts(storage: Storage) -> None:
    """UPL-02: their bytes are to be removed at once."""
    await storage.write(opening(), adding("part_1"), adding("part_2"))
    await storage.write(ending())
    assert await storage.upload_record(ACME, "upload_1") == UploadRecord(body=b'{"over":true}')
    assert sorted(await storage.unclaimed_bytes(NOW, 10)) == ["part_1", "part_2"]
    with pytest.raises(Conflict):
        await storage.write(ending())


async def test_an_end_that_is_refused_writes_no_file(storage: Storage) -> None:
    """UPL-02: the file and the end of its upload are one transaction."""
    await storage.write(opening())
    await storage.write(ending())
    await storage.write(ExpectBytes(key="file-1", keep_until=UNTIL))
    file = plain_row("file", "file-1", NOW, purpose="assistants")
    with pytest.raises(Conflict):
        await storage.write(file, ClaimBytes(key="file-1", now=NOW), ending())
    assert await storage.fetch("file", within(None), "file-1") is None
    assert await storage.unclaimed_bytes(EVER, 10) == ["file-1"]


async def test_only_open_uploads_expire(storage: Storage) -> None:
    """UPL-01: at their hour, and not when they are over."""
    await storage.write(opening())
    assert await storage.expired_uploads(UNTIL - 1, 10) == []
    assert await storage.expired_uploads(UNTIL, 10) == [(ACME, "upload_1")]
    await storage.write(ending())
    assert await storage.expired_uploads(EVER, 10) == []


async def test_claimed_bytes_stay(storage: Storage) -> None:
    await storage.write(ExpectBytes(key="part_1", keep_until=UNTIL))
    assert await storage.unclaimed_bytes(UNTIL - 1, 10) == []
    assert await storage.unclaimed_bytes(UNTIL, 10) == ["part_1"]
    await storage.write(ClaimBytes(key="part_1", now=NOW))
    assert await storage.unclaimed_bytes(EVER, 10) == []


async def test_claimed_bytes_cannot_be_abandoned(storage: Storage) -> None:
    """A request that is cancelled while its claim is committed loses nothing."""
    await storage.write(ExpectBytes(key="part_1", keep_until=UNTIL))
    await storage.write(ClaimBytes(key="part_1", now=NOW))
    await storage.write(AbandonBytes(key="part_1"))
    assert await storage.unclaimed_bytes(EVER, 10) == []


async def test_bytes_that_were_given_up_cannot_be_claimed(storage: Storage) -> None:
    await storage.write(ExpectBytes(key="part_1", keep_until=UNTIL))
    with pytest.raises(Conflict):
        await storage.write(ClaimBytes(key="part_1", now=UNTIL))
    await storage.write(AbandonBytes(key="part_1"))
    with pytest.raises(Conflict):
        await storage.write(ClaimBytes(key="part_1", now=NOW))


async def test_removed_bytes_are_forgotten(storage: Storage) -> None:
    await storage.write(*(ExpectBytes(key=f"part_{n}", keep_until=NOW) for n in range(3)))
    assert len(await storage.unclaimed_bytes(NOW, 2)) == 2
    await storage.forget_unclaimed_bytes(["part_0", "part_2"])
    assert await storage.unclaimed_bytes(NOW, 10) == ["part_1"]
