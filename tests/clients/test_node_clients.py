"""Every scenario with every Node client: SDK-01 to SDK-12."""

from pathlib import Path

import pytest

from .environments import NODE_CLIENTS, NodeClient
from .programs import play, scenarios_of
from .server import LiveServer

# The first test of a client also installs it.
pytestmark = [pytest.mark.clients, pytest.mark.timeout(400)]


@pytest.mark.parametrize(("client", "program"), scenarios_of(NODE_CLIENTS))
def test_client_plays_the_scenario(
    client: NodeClient, program: Path, live_server: LiveServer
) -> None:
    """The program's first comment names the rules; its last words say what went wrong."""
    assert play(client, program, live_server) == {"passed": True}
