"""Every scenario with every Python client: SDK-01 to SDK-12, sync and async."""

from pathlib import Path

import pytest

from .environments import FIRST_V2_PYTHON, PYTHON_CLIENTS, PythonClient
from .programs import HERE, play, scenarios_of
from .server import LiveServer

# The first test of a client also installs it.
pytestmark = [pytest.mark.clients, pytest.mark.timeout(400)]


@pytest.mark.parametrize(("client", "program"), scenarios_of(PYTHON_CLIENTS))
def test_client_plays_the_scenario(
    client: PythonClient, program: Path, live_server: LiveServer
) -> None:
    """The program's docstring names the rules; its last words say what went wrong."""
    assert play(client, program, live_server) == {"passed": True}


def test_the_first_client_with_vector_stores_plays_the_tutorial(live_server: LiveServer) -> None:
    """Stores were below `client.beta` until 2025, and their URL was the same (SDK-01, VS-15)."""
    tutorial = HERE / "python_v2" / "tutorial.py"
    assert play(FIRST_V2_PYTHON, tutorial, live_server) == {"passed": True}
