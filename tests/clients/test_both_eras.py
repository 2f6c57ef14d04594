"""The oldest and the newest client work on one thread at once (V1V2-01, V1V2-02, section 14)."""

import pytest

from .environments import NEWEST_PYTHON, OLDEST_PYTHON
from .programs import HERE, play
from .rest import Rest
from .server import LiveServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

TURN = HERE / "python" / "turn.py"
QUESTION = "say the alphabet"
ANSWER = "alpha beta gamma delta epsilon"


def test_both_eras_take_turns_on_one_thread(live_server: LiveServer) -> None:
    """Each turn sees all earlier messages and runs, whoever made them (V1V2-01)."""
    rest = Rest(live_server)
    ids = (
        rest.post("/assistants", {"model": "scripted"})["id"],
        rest.post("/threads", {})["id"],
    )
    runs_before: list[str] = []
    for turn in range(1, 5):
        client = (NEWEST_PYTHON, OLDEST_PYTHON)[turn % 2]
        seen = play(client, TURN, live_server, *ids)
        assert (seen["era"], seen["status"]) == (client.era, "completed")
        assert seen["texts"] == [QUESTION, ANSWER] * turn
        assert seen["runs"][:-1] == runs_before
        runs_before = seen["runs"]


def test_each_era_sees_its_own_name_of_the_search_tool(live_server: LiveServer) -> None:
    """An assistant made with `retrieval` in v1 is shown with `file_search` in v2 (V1V2-02)."""
    rest = Rest(live_server, era="v1")
    tools = [{"type": "retrieval"}, {"type": "code_interpreter"}]
    assistant = rest.post("/assistants", {"model": "scripted", "tools": tools})["id"]
    thread = rest.post("/threads", {})["id"]
    old = play(OLDEST_PYTHON, TURN, live_server, assistant, thread)
    new = play(NEWEST_PYTHON, TURN, live_server, assistant, thread)
    assert old["tools"] == ["retrieval", "code_interpreter"]
    assert new["tools"] == ["file_search", "code_interpreter"]
