"""SIGKILL before and after each commit of a run that runs code; its runner dies with the server.

What was recorded is not run again, what was not is run in a new session, and the story is the same.
"""

import json

import pytest

from tests.services.kernels import kernels

from .client import Event, StubbornClient
from .conftest import StartServer
from .scenarios import SETUP_COMMITS, set_up
from .server_that_dies import Death
from .story import check_told_once, names, objects

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]

ROOM = ["--memory-mib", "256", "--sessions-max", "4", "--warm", "0", "--cell-seconds", "20"]
COMMITS = 6
DEATHS = [
    Death(when, SETUP_COMMITS + n) for n in range(1, COMMITS + 1) for when in ("before", "after")
]


def sandboxed(start: StartServer, *deaths: Death) -> StubbornClient:
    settings = {
        "UNDERSTUDY_SANDBOX_ENVIRONMENT": str(kernels("minimal")),
        "UNDERSTUDY_SANDBOX_OPTIONS": json.dumps(ROOM),
    }
    return StubbornClient(start(*deaths, **settings))


def computed(client: StubbornClient) -> object:
    """Play a run that runs one cell and tells what came out."""
    thread, body = set_up(client, "compute", tools=[{"type": "code_interpreter"}])
    client.stream(f"{thread}/runs", body)
    return objects(client, thread)


def test_the_last_commit_is_the_last(start: StartServer) -> None:
    client = sandboxed(start, Death("before", SETUP_COMMITS + COMMITS + 1))
    computed(client)
    assert client.server.died == 0
    assert cells_told(client.events) == ["print(6 * 7)", "42\n"]


@pytest.mark.parametrize("death", DEATHS, ids=str)
def test_a_death_at_a_commit_changes_nothing(death: Death, start: StartServer) -> None:
    """STEP-07, STR-07: also a client that follows the stream sees code and output once."""
    alive = sandboxed(start)
    expected = computed(alive)
    client = sandboxed(start, death)
    assert computed(client) == expected
    assert client.server.died == 1
    check_told_once(client.events)
    assert names(client.events) == names(alive.events)
    assert cells_told(client.events) == ["print(6 * 7)", "42\n"]


def cells_told(events: list[Event]) -> list[str]:
    """Return the code and the logs that the deltas add up to."""
    code, logs = "", ""
    for event in events:
        if event.name == "thread.run.step.delta":
            (call,) = event.data["delta"]["step_details"]["tool_calls"]
            code += call["code_interpreter"].get("input", "")
            logs += "".join(one["logs"] for one in call["code_interpreter"].get("outputs", ()))
    return [code, logs]
