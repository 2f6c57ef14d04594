"""What goes wrong in a store, told in one clear sentence."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from obstore.store import S3Store

from understudy.files import object_store
from understudy.files.object_store import WELL_FOR_SECONDS, ObjectStoreFiles
from understudy.files.opening import files_from

from .places import Bucket

pytestmark = pytest.mark.timeout(60)


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def some_bytes() -> AsyncIterator[bytes]:
    yield b"abc"


async def test_check_names_the_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """/readyz can say which folder is broken."""
    folder = tmp_path / "files"
    files = files_from(str(folder))
    folder.rmdir()
    folder.write_text("a file where the folder was")
    with pytest.raises(OSError, match=f"^Files in {folder}: .+") as caught:
        await files.check()
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


async def test_a_missing_bucket_is_an_os_error_not_a_missing_key(bucket: Bucket) -> None:
    """A write into a bucket that does not exist does not look like an unknown file."""
    files = files_from("s3://no-such-bucket", bucket.options)
    with pytest.raises(OSError, match=r"^Files in s3://no-such-bucket: "):
        await files.write("file-a", some_bytes())
    with pytest.raises(OSError, match=r"^Files in s3://no-such-bucket: "):
        await files.check()


async def test_a_server_that_is_down_is_an_os_error() -> None:
    """A refused connection reaches the caller as the port's own error."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    store = S3Store(
        "bucket",
        endpoint=f"http://127.0.0.1:{port}",
        access_key_id="test",
        secret_access_key="test",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    files = ObjectStoreFiles(store, "s3://bucket")
    with pytest.raises(OSError, match=r"^Files in s3://bucket: "):
        await files.check()
    with pytest.raises(OSError, match=r"^Files in s3://bucket: "):
        await files.write("file-a", some_bytes())


async def test_an_upload_that_was_killed_does_not_stand_in_the_way(tmp_path: Path) -> None:
    """What a killed process left staged in the folder is not a file, and the key can be written."""
    (tmp_path / "file-a#1").write_bytes(b"half")
    files = files_from(str(tmp_path))
    with pytest.raises(KeyError):
        await anext(files.read("file-a"))
    assert await files.write("file-a", some_bytes()) == 3
    assert [piece async for piece in files.read("file-a")] == [b"abc"]


async def test_a_delete_removes_what_a_killed_write_left(tmp_path: Path) -> None:
    """UPL-02: a process that dies while it writes into a folder leaves a file beside the key."""
    files = files_from(str(tmp_path))
    reached, never = asyncio.Event(), asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield bytes(12 * 1024 * 1024)
        reached.set()
        await never.wait()

    writing = asyncio.ensure_future(files.write("part_a", stalling()))
    await reached.wait()
    [left] = entries(tmp_path)
    kept = left.rename(tmp_path / "kept")
    writing.cancel()
    await asyncio.wait([writing])
    kept.rename(left)  # as if nobody had been alive to give it back
    await files.delete("part_a")
    assert entries(tmp_path) == []


async def test_what_has_just_worked_is_believed_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Probes ask every few seconds, of each process; a bucket is paid by the request."""
    folder = tmp_path / "files"
    files = files_from(str(folder))
    await files.check()
    folder.rmdir()
    folder.write_text("a file where the folder was")
    await files.check()
    later = time.monotonic() + WELL_FOR_SECONDS
    monkeypatch.setattr(object_store, "time", SimpleNamespace(monotonic=lambda: later))
    with pytest.raises(OSError, match=f"^Files in {folder}: .+"):
        await files.check()
