"""Every scenario with every Python client: SDK-01 to SDK-12, sync and async."""

from pathlib import Path

import pytest

from .environments import PYTHON_CLIENTS, PythonClient
from .programs import play, scenarios_of
from .server import LiveServer

# The first test of a client also installs it.
pytestmark = [pytest.mark.clients, pytest.mark.timeout(400)]


@pytest.mark.parametrize(("client", "program"), scenarios_of(PYTHON_CLIENTS))
def test_client_plays_the_scenario(
    client: PythonClient, program: Path, live_server: LiveServer
) -> None:
    """The program's docstring names the rules; its last words say what went wrong."""
    assert play(client, program, live_server) == {"passed": True}
