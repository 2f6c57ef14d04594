"""SIGKILL before and after each commit of a run: afterwards everything is as if nothing happened.

The server kills itself at an exact commit (``server_that_dies.py``) and is started again; the
client repeats what got no answer under the same Idempotency-Key and resumes its stream with
Last-Event-ID. The whole is then compared with an undisturbed run of the same scenario.
"""

from typing import Any

import pytest

from .client import StubbornClient
from .conftest import StartServer
from .scenarios import SCENARIOS, SETUP_COMMITS
from .server_that_dies import Death
from .story import check_told_once, names, texts, written

pytestmark = pytest.mark.crash

_undisturbed: dict[str, tuple[Any, list[str]]] = {}
POINTS = [
    pytest.param(name, Death(when, SETUP_COMMITS + commit), id=f"{name}-{when}-{commit}")
    for name, (_, commits) in SCENARIOS.items()
    for commit in range(1, commits + 1)
    for when in ("before", "after")
]


def undisturbed(name: str, start: StartServer) -> tuple[Any, list[str]]:
    """Return the objects and the story of a scenario on a server that lives."""
    if name not in _undisturbed:
        client = StubbornClient(start())
        scenario, _ = SCENARIOS[name]
        left = scenario(client)
        check_told_once(client.events)
        _undisturbed[name] = left, names(client.events)
    return _undisturbed[name]


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_last_commit_is_the_last(name: str, start: StartServer) -> None:
    scenario, commits = SCENARIOS[name]
    server = start(Death("before", SETUP_COMMITS + commits + 1))
    scenario(StubbornClient(server))
    assert server.died == 0


@pytest.mark.parametrize(("name", "death"), POINTS)
def test_a_death_at_a_commit_changes_nothing(name: str, death: Death, start: StartServer) -> None:
    expected, story = undisturbed(name, start)
    server = start(death)
    client = StubbornClient(server)
    scenario, _ = SCENARIOS[name]
    left = scenario(client)
    assert server.died == 1
    check_told_once(client.events)
    assert names(client.events) == story
    if name in {"cancel", "interrupt"}:
        # What a dead worker had streamed is in no row: an answer that nobody finishes loses it.
        assert shape(left) == shape(expected)
        return
    assert left == expected
    assert list(texts(client.events).values()) == written(left)[:1]


def shape(left: Any) -> Any:
    """Return which objects there are, and how they ended, without what they say."""
    return {
        "messages": [(message["role"], message["status"]) for message in left["messages"]],
        "runs": [(run["status"], run["last_error"]) for run in left["runs"]],
        "steps": [[(step["type"], step["status"]) for step in steps] for steps in left["steps"]],
    }
