"""Files in and out of a session."""

import hashlib

from understudy.sandbox.outputs import ProducedFile

from .station import MIB, Station, run


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
