"""A real server in the test's own event loop, on a free loopback port, with a scripted model.

``house`` is the server with the default script, ``v1`` and ``v2`` are its clients, ``stranger`` is
a client of another project. A test that needs its own script or settings asks for ``build``:

    house = await build("rules: [{say: hello}]", expires_after_seconds=1)
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from understudy.api.server import Server
from understudy.app.running import running
from understudy.operations import keys
from understudy.operations.ports import Ports
from understudy.settings import Settings, UpstreamSettings
from understudy.upstream.catalogue import Catalogue
from understudy.upstream.scripted import Scripted

from .client import SECONDS_MAX, Client, Era

ECHO = "rules: [{say: 'You said: {last_user}', after_tools: either}]"


@dataclass(frozen=True)
class House:
    """A running server and a key of its default project."""

    root: str
    ports: Ports
    key: str
    session: aiohttp.ClientSession

    def client(self, era: Era | None = "v2", key: str | None = None, **headers: str) -> Client:
        """Return a client of the default project, or of another key's."""
        spelled = {name.replace("_", "-"): value for name, value in headers.items()}
        return Client(self.root, self.session, key or self.key, era, spelled)

    def anonymous(self, era: Era | None = "v2", /, **headers: str) -> Client:
        """Return a client without a key, which sends these headers."""
        spelled = {name.replace("_", "-"): value for name, value in headers.items()}
        return Client(self.root, self.session, None, era, spelled)

    async def new_key(self, project: str | None = None) -> str:
        """Make a key, in the default project or in the named one."""
        return await keys.create(self.ports.storage, "another", self.ports.now, project)

    @property
    def script(self) -> Scripted:
        """Return the scripted model, for what it was asked."""
        assert isinstance(self.ports.models, Catalogue)
        return next(
            entry.upstream
            for entry in self.ports.models._entries
            if isinstance(entry.upstream, Scripted)
        )


Build = Callable[..., Awaitable[House]]


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Build]:
    """Return a function that starts a server with this script and these settings."""
    numbers = itertools.count()
    async with AsyncExitStack() as stack:

        async def start(script: str = ECHO, **settings: Any) -> House:
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            return await stack.enter_async_context(_house(_settings(folder, script, settings)))

        yield start


@pytest.fixture
async def house(build: Build) -> House:
    """Return a server whose model says what it heard."""
    return await build()


@pytest.fixture
def v1(house: House) -> Client:
    """Return a client of the first era."""
    return house.client("v1")


@pytest.fixture
def v2(house: House) -> Client:
    """Return a client of the second era, of the same project."""
    return house.client("v2")


@pytest.fixture(params=["v1", "v2"])
def either(request: pytest.FixtureRequest, house: House) -> Client:
    """Return a client of each era in turn."""
    return house.client(request.param)


@pytest.fixture
async def stranger(house: House) -> Client:
    """Return a client of another project."""
    return house.client("v2", await house.new_key("elsewhere"))


def _settings(folder: Path, script: str, given: dict[str, Any]) -> Settings:
    """Return the settings of a server that is alone with its folder and its script."""
    file = folder / "script.yaml"
    file.write_text(script)
    scripted = UpstreamSettings(name="tests", kind="scripted", script=file, models=["scripted"])
    chosen = {
        "data_dir": folder,
        "upstreams": [scripted],
        "sweep_seconds": 0.05,
        "drain_seconds": 0,
        **given,
    }
    return Settings(**chosen)


@asynccontextmanager
async def _house(settings: Settings) -> AsyncIterator[House]:
    async with running(settings) as (server, ports), _serving(server) as root:
        key = await keys.create(ports.storage, "tests", ports.now)
        limit = aiohttp.ClientTimeout(total=SECONDS_MAX)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=limit, connector=connector) as session:
            yield House(root, ports, key, session)


@asynccontextmanager
async def _serving(server: Server) -> AsyncIterator[str]:
    """Serve with uvicorn's protocol; its own start and stop would poll for tenths of seconds."""
    config = uvicorn.Config(server, lifespan="off", access_log=False, log_config=None)
    config.load()
    state = ServerState()
    listening = await asyncio.get_running_loop().create_server(
        lambda: HttpToolsProtocol(config, state, {}), "127.0.0.1", 0
    )
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)
