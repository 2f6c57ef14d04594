"""A wire between one process and a server, which can be cut, jammed or made slow."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

PIECE_BYTES_MAX = 65_536


class Proxy:
    """Passes bytes on to a loopback port, for as long as the wire is whole.

    ``hear`` is given what comes from the process, also what is held back then.
    """

    def __init__(
        self, name: str, server_port: int, hear: Callable[[bytes], None] | None = None
    ) -> None:
        self.name = name
        self.port = 0
        self.delay_seconds = 0.0
        self._server_port = server_port
        self._hear = hear
        self._is_cut = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Proxy"]:
        """Listen on a free port until the block ends."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            self._flowing.set()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def cut(self) -> None:
        """End all connections, and let nobody through: both sides notice at once."""
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def jam(self) -> None:
        """Hold everything back: nobody notices, unless by waiting for an answer."""
        self._flowing.clear()

    def mend(self) -> None:
        """Make the wire whole and fast again; what was held back goes on its way."""
        self._is_cut, self.delay_seconds = False, 0.0
        self._flowing.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            if not self._is_cut:
                await self._join(reader, writer)
        except OSError:
            return  # the server is down: the process finds its connection closed
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, server = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers.add(server)
        ways = {
            asyncio.ensure_future(self._pass_on(reader, server, self._hear)),
            asyncio.ensure_future(self._pass_on(answers, writer)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._writers.discard(server)
            server.transport.abort()

    async def _pass_on(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        hear: Callable[[bytes], None] | None = None,
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(PIECE_BYTES_MAX):
                if hear is not None:
                    hear(piece)
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                await self._flowing.wait()
                sink.write(piece)
                await sink.drain()
