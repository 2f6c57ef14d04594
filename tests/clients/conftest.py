"""The live server that every client test of one worker talks to."""

from collections.abc import Iterator

import pytest

from .server import LiveServer, running_server


@pytest.fixture(scope="session")
def live_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A real server process with a key and the scripted model of `scenarios.yaml`."""
    with running_server(tmp_path_factory.mktemp("server")) as server:
        yield server
