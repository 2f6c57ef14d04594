"""The live servers that every client test of one worker talks to."""

from collections.abc import Iterator

import pytest

from .cluster import running_cluster
from .server import LiveServer, running_server

SHAPES = {"embedded": running_server, "cluster": running_cluster}


@pytest.fixture(
    scope="session",
    params=["embedded", pytest.param("cluster", marks=pytest.mark.cluster)],
)
def live_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A real server process with a key and the scripted model of `scenarios.yaml`, or several."""
    with SHAPES[request.param](tmp_path_factory.mktemp("server")) as server:
        yield server
