"""Files in and out of a session."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from understudy.sandbox.client import FileRefused
from understudy.sandbox.outputs import AbsentFiles, ProducedFile

from .station import BOUND, MIB, STEP_SECONDS, Station, run


async def test_uploads_arrive_whole_and_are_not_news(small: Station) -> None:
    data = bytes(range(256)) * (20 * MIB // 256)
    async with small.session() as session:
        assert await session.put_file("file-abc123", data) == len(data)
        assert await session.put_file("größe 1.csv", b"a,b\n") == 4
        assert await session.put_file("empty", b"") == 0
        assert await session.changed_files() == []
        transcript = await run(
            session,
            "import hashlib; data = open('/mnt/data/file-abc123', 'rb').read()\n"
            "print(hashlib.sha256(data).hexdigest())",
        )
        assert transcript.text.strip() == hashlib.sha256(data).hexdigest()


async def test_what_cells_make_and_change_is_news_once(small: Station) -> None:
    async with small.session() as session:
        await session.put_file("in.csv", b"a\n1\n")
        await run(
            session, "import os; os.makedirs('out/deep')\nopen('out/deep/x.txt', 'w').write('xyz')"
        )
        assert await session.changed_files() == [ProducedFile("out/deep/x.txt", 3)]
        assert await session.changed_files() == []
        await run(session, "open('in.csv', 'a').write('2\\n')\nos.utime('in.csv', (0, 0))")
        assert await session.changed_files() == [ProducedFile("in.csv", 6)]
        await run(session, "os.rename('in.csv', 'other.csv')")
        assert await session.changed_files() == [ProducedFile("other.csv", 6)]


async def test_downloads_come_whole_and_in_pieces(small: Station) -> None:
    async with small.session() as session:
        await run(session, "open('big', 'wb').write(bytes(range(256)) * 80_000)")
        pieces = [piece async for piece in session.get_file("big", 100 * MIB)]
        assert b"".join(pieces) == bytes(range(256)) * 80_000
        assert len(pieces) > 10


async def test_an_upload_replaces_what_has_its_name(small: Station) -> None:
    async with small.session() as session:
        await session.put_file("x", b"first and long")
        await session.put_file("x", b"second")
        assert (await run(session, "print(open('x').read())")).text == "second\n"


async def test_a_second_name_is_one_order_and_no_news(small: Station) -> None:
    async with small.session() as session:
        await session.put_file("file-1", b"a\n1\n")
        await session.link_file("in.csv", "file-1")
        assert await session.changed_files() == []
        both = "print(open('file-1').read() == open('in.csv').read())"
        assert (await run(session, both)).text == "True\n"
        await run(session, "open('in.csv', 'a').write('2\\n')")
        assert await session.changed_files() == [ProducedFile("in.csv", 6)]
        await run(session, "import os; os.remove('in.csv')\nopen('in.csv', 'w').write('new')")
        assert await session.changed_files() == [ProducedFile("in.csv", 3)]


async def test_a_second_name_leads_nowhere_else(small: Station) -> None:
    async with small.session() as session:
        await run(session, "import os; os.symlink('/etc/passwd', 'file-1'); os.mkdir('taken')")
        await session.link_file("in.csv", "file-1")
        assert await session.files() == []
        await session.put_file("file-2", b"x")
        wrong = [("taken", "file-2"), ("a/b", "file-2"), ("a", "../etc"), ("a", "no")]
        for name, target in wrong:
            with pytest.raises(FileRefused):
                await session.link_file(name, target)


async def test_files_are_forgotten_under_both_names(small: Station) -> None:
    session, _ = await small.sandbox.acquire("files")
    for name in ("1", "2", "3"):
        await session.put_file(f"file-{name}", b"x")
        await session.link_file(f"{name}.csv", f"file-{name}")
    await run(session, "import os; os.remove('2.csv'); open('2.csv', 'w').write('own')")
    await small.sandbox.forget_files("files", ["file-1", "file-2", "file-4"])
    await small.sandbox.forget_files("nobody", ["file-1"])
    assert {file.path for file in await session.files()} == {"2.csv", "3.csv", "file-3"}
    await session.end()


async def test_what_is_absent_and_what_had_no_room_is_known(small: Station) -> None:
    async with small.session() as session:
        await session.put_file("small", b"x")
        with pytest.raises(FileRefused):
            await session.put_file("big", bytes(80 * MIB))
        await run(session, "import os; os.mkdir('folder'); os.symlink('small', 'link')")
        absent = await session.absent_files(["small", "big", "folder", "link", "a\0b", "other"])
        assert absent == AbsentFiles(
            frozenset({"big", "folder", "link", "a\0b", "other"}), frozenset({"big"})
        )


async def test_nothing_is_left_of_an_upload_that_breaks_off_or_has_no_room(small: Station) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"first half"
        raise OSError("the store is gone")

    session, _ = await small.sandbox.acquire("half")
    with pytest.raises(FileRefused):
        await session.put_file("big", bytes(80 * MIB))
    assert await session.files() == []
    with pytest.raises(OSError, match="store is gone"):
        await session.put_file("half", half())
    session, fresh = await small.sandbox.acquire("half")
    assert not fresh
    assert (await session.absent_files(["half"])).gone == {"half"}
    async with asyncio.timeout(BOUND):
        # Until the runner has noticed that nobody goes on.
        while await session.files():  # noqa: ASYNC110 - another process decides
            await asyncio.sleep(STEP_SECONDS)
    await session.end()
