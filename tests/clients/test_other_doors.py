"""The ways in that no current package uses by itself: Basic, `api-key`, `/openai` (AUTH-03)."""

import pytest

from .rest import Rest
from .server import LiveServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(60)]


def test_basic_auth_with_the_key_as_password(live_server: LiveServer) -> None:
    """`curl -u :$KEY` was accepted (AUTH-03)."""
    made = Rest(live_server, auth="basic").post("/threads", {})
    assert made["object"] == "thread"


def test_azure_paths_show_the_same_objects(live_server: LiveServer) -> None:
    """`/openai/...` with `api-key` and any `api-version` is another door to the same data."""
    made = Rest(live_server).post("/threads", {})
    azure = Rest(live_server, prefix="/openai", auth="api-key")
    assert azure.get(f"/threads/{made['id']}?api-version=2024-05-01-preview") == made
