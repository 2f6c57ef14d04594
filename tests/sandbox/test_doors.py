"""The ways in: a unix socket for the owner, and HTTP for whoever has the secret."""

import asyncio
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.sandbox.client import Sandbox, SandboxUnavailable

from .station import Station, eventually, run, station

KEY = "a-long-secret-of-the-test"


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free: int = server.getsockname()[1]
        return free


@pytest.fixture(scope="module")
def remote(environment: Path, open_folder: Path, port: int) -> Iterator[Station]:
    secret = open_folder / "secret"
    secret.write_text(f"{KEY}\n")
    secret.chmod(0o644)
    options = ("--listen", f"127.0.0.1:{port}", "--secret-file", str(secret), "--warm", "0")
    with station(open_folder / "remote", environment, "user", *options) as running:
        yield running


async def ask(port: int, *lines: str) -> str:
    """Send a request and return the answer's first line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(20):
        first = await reader.readline()
    writer.close()
    return first.decode().strip()


async def test_the_same_sessions_over_http(remote: Station, port: int) -> None:
    sandbox = Sandbox([f"http://127.0.0.1:{port}"], KEY)
    session, fresh = await sandbox.acquire("thread")
    assert fresh
    assert (await run(session, "print(6 * 7)")).text == "42\n"
    await session.put_file("a", b"x" * 3_000_000)
    assert sum([len(piece) async for piece in session.get_file("a", 10**9)]) == 3_000_000
    await session.release()
    session, fresh = await remote.sandbox.acquire("thread")
    assert not fresh
    await session.end()


@pytest.mark.usefixtures("remote")
async def test_both_sides_notice_when_the_other_host_is_gone(port: int) -> None:
    """The kernel asks a silent peer whether it is there, soon and for less than a minute."""
    sandbox = Sandbox([f"http://127.0.0.1:{port}"], KEY)
    session, _ = await sandbox.acquire("thread")
    ours = session._line._writer.get_extra_info("socket").getsockname()[1]
    try:
        await eventually(lambda: (ours, port) in keepalive_timers(), "the worker asks nobody")
        await eventually(lambda: (port, ours) in keepalive_timers(), "the runner asks nobody")
    finally:
        await session.end()


def keepalive_timers() -> set[tuple[int, int]]:
    """Return the ports of the connections, seen from each side, that are asked when silent."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, _, timer, *_ = line.split()
        if timer.startswith("02:"):
            found.add((int(here.rpartition(":")[2], 16), int(there.rpartition(":")[2], 16)))
    return found


async def test_without_the_secret_nobody_gets_in(remote: Station, port: int) -> None:
    for wrong in ("", "wrong", KEY + "x", KEY[:-1], "\xe9"):
        with pytest.raises(SandboxUnavailable, match="401"):
            await Sandbox([f"http://127.0.0.1:{port}"], wrong).acquire("thread")
    assert remote.process.poll() is None


async def test_health_can_be_asked_for_and_nonsense_is_refused(remote: Station, port: int) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: understudy-sandbox")
    assert "200" in await ask(port, "GET /healthz HTTP/1.1", "Host: x")
    assert "404" in await ask(port, "GET / HTTP/1.1", "Host: x")
    assert "426" in await ask(port, "POST /sandbox HTTP/1.1", f"Authorization: Bearer {KEY}")
    assert "401" in await ask(port, "POST /sandbox HTTP/1.1", *upgrade)
    assert "400" in await ask(port, "X" * 100_000)
    assert remote.process.poll() is None


async def test_nonsense_after_the_door_ends_the_connection_only(remote: Station) -> None:
    for nonsense in (
        b"\xff" * 64,
        b"\x02\0\0\0O{}",
        b"\x05\0\0\0Ohello",
        b"\x01\0\0\0\x7fx",
        b"\0\0\0\0B",
    ):
        reader, writer = await asyncio.open_unix_connection(remote.socket)
        writer.write(nonsense)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()
    await remote.check_well()


async def test_without_a_session_there_is_nothing_to_do(remote: Station) -> None:
    reader, writer = await asyncio.open_unix_connection(remote.socket)
    writer.write(b"\x01\0\0\0X1")
    async with asyncio.timeout(20):
        assert (await reader.readexactly(5))[4:] == b"!"
    writer.close()


def test_the_socket_is_for_its_owner_only(remote: Station) -> None:
    assert stat.S_IMODE(remote.socket.stat().st_mode) == 0o600


async def test_a_key_goes_to_one_runner_and_to_another_when_that_is_gone(
    remote: Station, port: int
) -> None:
    alive, dead = f"http://127.0.0.1:{port}", "http://127.0.0.1:1"
    sandbox = Sandbox([dead, alive], KEY)
    for number in range(4):
        session, fresh = await sandbox.acquire(f"spread-{number}")
        assert fresh
        await session.end()
    reports = await sandbox.report()
    assert [report["ok"] for report in reports] == [False, True]
    assert remote.report["ok"]
