import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from understudy.app.ports import open_storage
from understudy.operations import keys
from understudy.settings import Settings

from .server import MortalServer
from .server_that_dies import Death

SCRIPT = """
models: [scripted]
rules:
  - {on: "^slowly", say: "One two three four five.", between_ms: 40}
  - {on: "^wait", say: "One two", hang: true}
  - {on: "^call", call: [{name: add, arguments: {a: 1, b: 2}, id: call_1}]}
  - on: "^compute"
    call: [{name: code_interpreter, arguments: {code: "print(6 * 7)"}, id: call_1}]
  - {after_tools: true, say: "The sum is {tool_outputs}."}
  - {say: "You said: {last_user}, and {messages_count} messages came with it."}
"""
UPSTREAM = '[[upstreams]]\nname = "tests"\nkind = "scripted"\nscript = "{script}"\n'

StartServer = Callable[..., MortalServer]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A migrated data folder with a key: no commit of it belongs to a run."""
    folder = tmp_path_factory.mktemp("prepared") / "data"

    async def prepare() -> str:
        storage = await open_storage(Settings(data_dir=folder))
        try:
            return await keys.create(storage, "crash", 1)
        finally:
            await storage.close()

    return folder, asyncio.run(prepare())


@pytest.fixture
def start(tmp_path: Path, prepared: tuple[Path, str]) -> Iterator[StartServer]:
    """Start servers on a fresh copy of the prepared data."""
    servers: list[MortalServer] = []

    def start(*deaths: Death, **settings: str) -> MortalServer:
        folder = tmp_path / f"server-{len(servers)}"
        shutil.copytree(prepared[0], folder / "data")
        (folder / "script.yaml").write_text(SCRIPT)
        config = UPSTREAM.format(script=folder / "script.yaml")
        (folder / "understudy.toml").write_text(config + 'models = ["scripted"]\n')
        server = MortalServer(folder, prepared[1], deaths)
        server.settings = settings
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.stop()
