"""The wire that faults are made on does what its words say."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from .proxy import Proxy

SHORT_SECONDS = 0.05
LONG_SECONDS = 5


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A wire to a server that says everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(100):
            writer.write(piece)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with Proxy("wire", server.sockets[0].getsockname()[1]).serving() as proxy:
        yield proxy
    server.close()
    await server.wait_closed()


async def say(proxy: Proxy, words: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(words)
    return reader, writer


async def hear(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(100), LONG_SECONDS)


async def hear_nothing(reader: asyncio.StreamReader) -> bool:
    """Return whether the connection ends without a word."""
    try:
        return await hear(reader) == b""
    except ConnectionError:
        return True


async def test_a_whole_wire_passes_on(proxy: Proxy) -> None:
    reader, writer = await say(proxy, b"hello")
    assert await hear(reader) == b"hello"
    writer.close()


async def test_a_jammed_wire_holds_back_until_it_is_mended(proxy: Proxy) -> None:
    proxy.jam()
    reader, writer = await say(proxy, b"hello")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(100), SHORT_SECONDS)
    proxy.mend()
    assert await hear(reader) == b"hello"
    writer.close()


async def test_a_cut_wire_ends_what_there_is_and_lets_nobody_through(proxy: Proxy) -> None:
    reader, writer = await say(proxy, b"hello")
    assert await hear(reader) == b"hello"
    proxy.cut()
    assert await hear_nothing(reader)
    late, late_writer = await say(proxy, b"is anybody there?")
    assert await hear_nothing(late)
    proxy.mend()
    again, another_writer = await say(proxy, b"hello")
    assert await hear(again) == b"hello"
    for each in (writer, late_writer, another_writer):
        each.close()
