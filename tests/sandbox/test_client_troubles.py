"""The client when a runner breaks off or does not read: others are asked, and nobody hangs."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from understudy.sandbox.client import Sandbox, SandboxUnavailable
from understudy.sandbox.frame_reading import read_frame
from understudy.sandbox.frames import Kind, pack

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    del writer  # closed by whoever holds it
    await read_frame(reader, 1 << 20)


async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_frame(reader, 1 << 20)
    writer.write(pack(Kind.ANSWER, json.dumps({"fresh": True, "ok": True}).encode()))
    await reader.read()


async def read_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_frame(reader, 1 << 20)
    writer.write(pack(Kind.ANSWER, b'{"fresh": true}'))
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    try:
        await asyncio.sleep(30)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def runners(folder: Path, *serving: Serve) -> AsyncIterator[list[str]]:
    paths = [folder / f"{number}.sock" for number in range(len(serving))]
    held: set[asyncio.Task[None]] = set()

    def holding(serve: Serve) -> Serve:
        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            held.add(task)
            try:
                with contextlib.suppress(asyncio.CancelledError):
                    await serve(reader, writer)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

        return hold

    pairs = zip(serving, paths, strict=True)
    servers = [await asyncio.start_unix_server(holding(serve), path) for serve, path in pairs]
    try:
        yield [f"unix:{path}" for path in paths]
    finally:
        for server in servers:
            server.close()
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)


async def test_a_runner_that_breaks_off_is_reported_and_not_raised(tmp_path: Path) -> None:
    async with runners(tmp_path, break_off, welcome) as addresses:
        broken, well = await Sandbox(addresses).report()
    assert broken == {"address": addresses[0], "ok": False, "unavailable": broken["unavailable"]}
    assert "broke off" in broken["unavailable"]
    assert well["ok"]


async def test_a_thread_goes_to_another_runner_when_its_own_breaks_off(tmp_path: Path) -> None:
    async with runners(tmp_path, break_off, welcome) as addresses:
        for key in "abcdefgh":  # some of which belong to the first
            session, fresh = await Sandbox(addresses).acquire(key)
            assert fresh
            await session.release()


async def test_when_all_break_off_the_trouble_is_told(tmp_path: Path) -> None:
    async with runners(tmp_path, break_off, break_off) as addresses:
        with pytest.raises(SandboxUnavailable, match="broke off"):
            await Sandbox(addresses).acquire("a")


async def test_letting_go_does_not_wait_for_a_runner_that_reads_nothing(tmp_path: Path) -> None:
    async with runners(tmp_path, read_nothing) as addresses:
        session, _ = await Sandbox(addresses).acquire("a")
        session._line.write(Kind.CELL, bytes(8 << 20))
        async with asyncio.timeout(10):
            await session.release()
        await asyncio.sleep(0)  # for the transport to let go of its socket
