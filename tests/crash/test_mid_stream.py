"""SIGKILL in the middle of a stream: the reader who comes back is told the rest, once.

The model is an endpoint of the test's own. It outlives the server, and says no more than it is
allowed to, so that a death falls between two deltas without any clock.
"""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from .client import Event, StubbornClient
from .conftest import StartServer
from .model import Answer, GatedModel, call, text
from .scenarios import set_up
from .story import arguments, check_told_once, names, objects, texts, written

pytestmark = pytest.mark.crash

WORDS = ("The ", "quick ", "brown ", "fox ", "jumps ", "over ", "the ", "lazy ", "dögs", "🐕.")
SENTENCE = "".join(WORDS)


def kill_after(client: StubbornClient, model: GatedModel, *pieces: int) -> None:
    """Kill the server each time that this client has been told so many pieces of the answer.

    The model waits there for the client to be told; afterwards it may go on to the next place.
    """
    places = list(pieces)

    def kill(event: Event) -> None:
        told = sum(map(len, texts(client.events).values())) + sum(
            len(name) + len(rest) for name, rest in arguments(client.events).values()
        )
        if event.name.endswith(".delta") and places and told >= model.size(places[0]):
            places.pop(0)
            client.server.kill()
            model.allow(places[0]) if places else model.allow_all()

    model.allow(places[0])
    client.on_event = kill


def streamed(client: StubbornClient, **assistant: Any) -> tuple[str, str]:
    """Stream one run to its end; return the paths of its thread and its run."""
    thread, body = set_up(client, "hello", **assistant)
    return thread, client.stream(f"{thread}/runs", {**body, "model": "gated"})


def test_a_story_without_deaths(start: StartServer) -> None:
    with GatedModel(text(*WORDS)).serving() as model:
        model.allow_all()
        client = StubbornClient(start(UNDERSTUDY_UPSTREAM_URL=model.url))
        thread, _ = streamed(client)
        assert written(objects(client, thread)) == [SENTENCE]


@pytest.mark.parametrize("pieces", [(1,), (2,), (9,), (10,), (1, 2), (3, 7)])
def test_text_goes_on_where_it_broke_off(pieces: tuple[int, ...], start: StartServer) -> None:
    with GatedModel(text(*WORDS)).serving() as model:
        client = StubbornClient(start(UNDERSTUDY_UPSTREAM_URL=model.url))
        kill_after(client, model, *pieces)
        thread, _ = streamed(client)
        assert client.server.died == len(pieces)
        assert_one_message(client, thread, SENTENCE)


def assert_one_message(client: StubbornClient, thread: str, whole: str) -> None:
    check_told_once(client.events)
    left = objects(client, thread)
    assert [run["status"] for run in left["runs"]] == ["completed"]
    assert written(left) == [whole]
    assert len(left["steps"][0]) == 1
    assert list(texts(client.events).values()) == [whole]
    assert names(client.events) == [
        "thread.run.created",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.message.created",
        "thread.message.in_progress",
        "thread.message.completed",
        "thread.run.step.completed",
        "thread.run.completed",
    ]


@pytest.mark.parametrize("pieces", [(1,), (2,), (3,), (2, 3)])
def test_a_call_goes_on_where_it_broke_off(pieces: tuple[int, ...], start: StartServer) -> None:
    with GatedModel(call("add", '{"a": ', "1, ", '"b": 2}'), text(*WORDS)).serving() as model:
        # Every death costs the model a call, so the same answer is needed once more each.
        again = [call("add", '{"a": ', "1, ", '"b": 2}')] * len(pieces)
        model.answers = (*again, *model.answers)
        client = StubbornClient(start(UNDERSTUDY_UPSTREAM_URL=model.url))
        kill_after(client, model, *pieces)
        thread, run = streamed(client)
        model.allow_all()
        assert client.events[-1].name == "thread.run.requires_action"
        outputs = [{"tool_call_id": "call_1", "output": "3"}]
        client.stream(f"{run}/submit_tool_outputs", {"tool_outputs": outputs})
        check_told_once(client.events)
        assert arguments(client.events) == {0: ("add", '{"a": 1, "b": 2}')}
        left = objects(client, thread)
        assert [step["type"] for step in left["steps"][0]] == ["tool_calls", "message_creation"]
        assert written(left) == [SENTENCE]


BOTH: Answer = [*text("Let ", "me ", "add."), *call("add", '{"a"', ": 1}")]


@pytest.mark.parametrize("pieces", [(2,), (3,), (4,), (5,)])
def test_text_before_a_call_is_not_told_twice(pieces: tuple[int, ...], start: StartServer) -> None:
    with GatedModel(BOTH).serving() as model:
        client = StubbornClient(start(UNDERSTUDY_UPSTREAM_URL=model.url))
        kill_after(client, model, *pieces)
        thread, _ = streamed(client)
        check_told_once(client.events)
        assert client.events[-1].name == "thread.run.requires_action"
        assert arguments(client.events) == {0: ("add", '{"a": 1}')}
        assert list(texts(client.events).values()) == ["Let me add."]
        assert written(objects(client, thread)) == ["Let me add."]


@pytest.mark.parametrize("other", [("Nö.",), ("Another ", "answer ", "that ", "is ", "longer.")])
def test_a_model_that_says_something_else_the_second_time(
    other: tuple[str, ...], start: StartServer
) -> None:
    with GatedModel(text(*WORDS), text(*other)).serving() as model:
        client = StubbornClient(start(UNDERSTUDY_UPSTREAM_URL=model.url))
        kill_after(client, model, 3)
        thread, _ = streamed(client)
        check_told_once(client.events)
        left = objects(client, thread)
        assert written(left) == ["".join(other)]
        assert len(left["steps"][0]) == 1
        assert client.events[-1].name == "thread.run.completed"


def test_a_model_that_calls_instead_of_talking_the_second_time(start: StartServer) -> None:
    with GatedModel(text(*WORDS), call("add", "{}")).serving() as model:
        client = StubbornClient(start(UNDERSTUDY_UPSTREAM_URL=model.url))
        kill_after(client, model, 3)
        thread, _ = streamed(client)
        check_told_once(client.events)
        assert client.events[-1].name == "thread.run.requires_action"
        assert "thread.message.incomplete" in names(client.events)
        steps = objects(client, thread)["steps"][0]
        assert [step["status"] for step in steps] == ["completed", "in_progress"]


def test_whoever_reads_the_events_later_is_told_the_same(start: StartServer) -> None:
    with GatedModel(text(*WORDS)).serving() as model:
        client = StubbornClient(start(UNDERSTUDY_UPSTREAM_URL=model.url))
        kill_after(client, model, 2, 4)
        _, run = streamed(client)
        late = StubbornClient(client.server)
        late.follow(run)
        check_told_once(late.events)
        assert names(late.events) == names(client.events)
        assert list(texts(late.events).values()) == [SENTENCE]


def test_a_run_that_expires_while_its_server_is_dead_tells_its_end(
    start: StartServer, tmp_path: Path
) -> None:
    with GatedModel(text(*WORDS)).serving() as model:
        client = StubbornClient(start(UNDERSTUDY_UPSTREAM_URL=model.url))
        kill_after(client, model, 4)
        revive = client.server.revive

        def revive_later(known_deaths: int) -> None:
            _let_all_deadlines_pass(tmp_path / "server-0" / "data" / "understudy.sqlite3")
            revive(known_deaths)

        vars(client.server)["revive"] = revive_later
        thread, _ = streamed(client)
        check_told_once(client.events)
        left = objects(client, thread)
        assert [run["status"] for run in left["runs"]] == ["expired"]
        assert names(client.events)[-3:] == [
            "thread.message.incomplete",
            "thread.run.step.expired",
            "thread.run.expired",
        ]


def _let_all_deadlines_pass(database: Path) -> None:
    connection = sqlite3.connect(database)
    with connection:
        connection.execute("UPDATE runs SET deadline = created_at - 1")
    connection.close()
