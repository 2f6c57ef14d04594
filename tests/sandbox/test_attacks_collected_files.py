"""Attacks S1 to S11: collecting files leads nowhere but to plain files of the session."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from understudy.sandbox.client import FileRefused, Session
from understudy.sandbox.data_folder import DataFolder

from .station import MIB, Station, run


async def read(session: Session, path: str, bytes_max: int = MIB) -> bytes:
    async with asyncio.timeout(20):
        return b"".join([piece async for piece in session.get_file(path, bytes_max)])


async def assert_refused(session: Session, *paths: str) -> None:
    for path in paths:
        with pytest.raises(FileRefused):
            await read(session, path)


async def test_s1_s2_links_lead_nowhere(small: Station) -> None:
    async with small.session() as session:
        transcript = await run(
            session,
            """
import os
os.chdir("/mnt/data")
os.symlink("/etc/passwd", "file")
os.symlink("/etc", "folder")
os.symlink("/proc/self/mem", "memory")
os.symlink("/proc/self/root", "root")
os.symlink("plain.txt", "inside")
os.symlink(".", "loop")
open("plain.txt", "w").write("plain")
""",
        )
        assert transcript.end.status == "done", transcript
        await assert_refused(
            *(session, "file", "folder/passwd", "memory", "root/etc/passwd", "inside"),
            *("loop/plain.txt", "../../etc/passwd", "/etc/passwd", "..", ".", "", "a\0b"),
        )
        assert [file.path for file in await session.files()] == ["plain.txt"]
        assert await read(session, "plain.txt") == b"plain"
        assert await read(session, "/mnt/data/plain.txt") == b"plain"


async def test_s3_pipes_sockets_and_folders_are_no_files(small: Station) -> None:
    async with small.session() as session:
        transcript = await run(
            session,
            """
import os, socket
os.chdir("/mnt/data")
os.mkdir("folder")
socket.socket(socket.AF_UNIX).bind("socket")
try:
    os.mkfifo("pipe")
    print("OPEN")
except PermissionError:
    print("over")
""",
        )
        assert transcript.text == "over\n", transcript
        await assert_refused(session, "socket", "folder", "missing")
        assert await session.files() == []


async def test_s3_a_pipe_would_hold_nobody_up_either(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    folder = DataFolder(os.open(tmp_path, os.O_RDONLY), None)
    async with asyncio.timeout(20):
        assert await folder.files() == []
        with pytest.raises(OSError, match="plain file"):
            async for _ in folder.read("pipe", 100):
                pass
        assert await folder.write("pipe", _pieces(b"uploaded")) == 8
    assert (tmp_path / "pipe").read_bytes() == b"uploaded"
    folder.close()


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_s4_odd_names_are_not_offered(small: Station) -> None:
    async with small.session() as session:
        await run(
            session,
            r"""
import os
os.chdir("/mnt/data")
for name in (b"new\nline", b"non-\xff-utf8", "right\u202eto-left.txt".encode(),
             b"esc\x1b[2J", b"-rf", b"a" * 255, "größe 表.csv".encode()):
    open(name, "w").write("x")
""",
        )
        names = {file.path for file in await session.files()}
        assert names == {"-rf", "a" * 255, "größe 表.csv"}


async def test_s5_a_very_deep_tree_is_walked_within_bounds(small: Station) -> None:
    async with small.session() as session:
        transcript = await run(
            session,
            """
import os
os.chdir("/mnt/data")
open("top", "w").write("x")
for _ in range(3000):
    os.mkdir("d"); os.chdir("d")
open("bottom", "w").write("x")
print("over")
""",
        )
        assert transcript.text == "over\n", transcript
        assert [file.path for file in await session.files()] == ["top"]
    await small.check_well()


async def test_s5_a_very_wide_tree_is_walked_within_bounds(small: Station) -> None:
    async with small.session() as session:
        await run(
            session,
            "import os\nfor n in range(15_000): os.close(os.open(f'/mnt/data/{n}', os.O_CREAT))",
        )
        assert len(await session.files()) <= 10_000
    await small.check_well()


async def test_s5_a_list_of_long_paths_is_bounded(tmp_path: Path) -> None:
    """Each path may have 4 KiB, so that their number alone bounds nothing."""
    deep = tmp_path.joinpath(*("d" * 200 for _ in range(5)))
    deep.mkdir(parents=True)
    for number in range(2000):
        (deep / f"{number:0200}").touch()
    folder = DataFolder(os.open(tmp_path, os.O_RDONLY), None)
    listed = sum(len(file.path) for file in await folder.files())
    folder.close()
    assert MIB // 2 < listed <= MIB


RACER = """
import os, sys
os.chdir(sys.argv[1])
while os.getppid() == int(sys.argv[2]):
    open("own", "w").write("own"); os.rename("own", "target")
    os.symlink(sys.argv[3], "link"); os.rename("link", "target")
    os.mkfifo("pipe"); os.rename("pipe", "target")
    os.unlink("target"); os.mkdir("target"); os.rmdir("target")
    os.symlink("..", "link"); os.rename("link", "target")
"""


async def test_s6_a_race_between_file_link_and_pipe_yields_no_foreign_byte(tmp_path: Path) -> None:
    """The session's side is played by a child of ours, which nothing holds back."""
    (tmp_path / "foreign").write_text("foreign")
    shared = tmp_path / "data"
    shared.mkdir()
    arguments = [str(shared), str(os.getpid()), str(tmp_path / "foreign")]
    racer = subprocess.Popen([sys.executable, "-c", RACER, *arguments])  # noqa: ASYNC220
    folder = DataFolder(os.open(shared, os.O_RDONLY), None)
    seen: Counter[bytes] = Counter()
    try:
        for _ in range(4000):
            with contextlib.suppress(OSError):
                seen[b"".join([piece async for piece in folder.read("target", 100)])] += 1
            with contextlib.suppress(OSError):
                await folder.files()
    finally:
        racer.kill()
        racer.wait()
        folder.close()
    assert set(seen) <= {b"own", b""}
    assert seen[b"own"]


async def test_s7_a_lease_holds_nobody_up(small: Station) -> None:
    async with small.session() as session:
        await run(
            session,
            """
import fcntl, os
file = os.open("/mnt/data/leased", os.O_CREAT | os.O_RDWR)
os.write(file, b"leased")
reader = os.open("/mnt/data/leased", os.O_RDONLY)
os.close(file)
try:
    fcntl.fcntl(reader, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    print("OPEN")
except OSError:
    pass
""",
        )
        with contextlib.suppress(FileRefused):
            assert await read(session, "leased") == b"leased"


async def test_s8_a_file_is_read_to_the_cap_whatever_it_claims(small: Station) -> None:
    async with small.session() as session:
        await run(
            session,
            "import os; os.truncate(os.open('/mnt/data/sparse', os.O_CREAT | os.O_RDWR), 60 << 20)",
        )
        assert len(await read(session, "sparse", 3 * MIB)) == 3 * MIB


async def test_s9_a_file_that_its_owner_may_not_read_is_refused(small: Station) -> None:
    async with small.session() as session:
        await run(
            session,
            """
import os
os.chdir("/mnt/data")
open("closed", "w").write("x"); os.chmod("closed", 0)
os.mkdir("folder"); open("folder/x", "w").write("x"); os.chmod("folder", 0)
""",
        )
        await assert_refused(session, "closed", "folder/x")
        assert [file.path for file in await session.files()] == ["closed"]


async def test_s10_a_planted_link_does_not_lead_an_upload_away(small: Station) -> None:
    async with small.session() as session:
        await run(
            session,
            """
import os
os.chdir("/mnt/data")
open("/tmp/victim", "w").write("untouched")
os.symlink("/tmp/victim", "planted.csv")
os.mkdir("folder.csv")
os.symlink("/tmp/nowhere", "dangling.csv")
""",
        )
        for name in ("planted.csv", "dangling.csv"):
            assert await session.put_file(name, b"uploaded") == 8
        with pytest.raises(FileRefused):
            await session.put_file("folder.csv", b"uploaded")
        for name in ("../x", "/x", "a/b", "", ".", "..", "x" * 300, "new\nline"):
            with pytest.raises(FileRefused):
                await session.put_file(name, b"uploaded")
        seen = await run(
            session,
            "print(open('/tmp/victim').read(), open('planted.csv').read(), os.listdir('/tmp'))",
        )
        assert seen.text == "untouched uploaded ['victim']\n", seen


async def test_s11_a_hard_link_reaches_only_the_sessions_own(small: Station) -> None:
    async with small.session() as session:
        transcript = await run(
            session,
            """
import os
for path in ("/etc/passwd", "/usr/bin/env", "/proc/self/environ", "/dev/zero"):
    try:
        os.link(path, "/mnt/data/linked")
        print("OPEN", path)
    except OSError:
        pass
print("over")
""",
        )
        assert transcript.text == "over\n"


async def test_an_upload_that_does_not_fit_is_refused_and_the_session_goes_on(
    small: Station,
) -> None:
    async with small.session() as session:
        with pytest.raises(FileRefused):
            await session.put_file("big", bytes(80 * MIB))
        assert (await run(session, "print('well')")).text == "well\n"
