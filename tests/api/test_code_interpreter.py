"""Runs that run code, over HTTP: steps, streams and links in both eras, with a runner of our own.

What cells do to runs is shown in ``tests/tools/test_code_interpreter.py``.
"""

import json
from collections.abc import AsyncIterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.services.kernels import kernels
from understudy.api.openapi import document

from .accumulator import Accumulator
from .client import JSON, Era, Event
from .conftest import Build, House, _house, _settings
from .puppet import Stage, on_stage
from .transcript import names

CODE = {"type": "code_interpreter"}
ROOM = ["--memory-mib", "512", "--sessions-max", "8", "--warm", "1", "--cell-seconds", "20"]
DRAWS = """\
from IPython.display import display
from PIL import Image
print('né')
display(Image.new('RGB', (8, 8)))
open('a.txt', 'w').write('a');"""
ADDRESS = "sandbox:/mnt/data/a.txt"
ANSWER = f"Né: [a]({ADDRESS})."
both_eras = pytest.mark.parametrize("era", ["v1", "v2"])
# The first test may have to build the kernels' environment.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Give a server that is wired as ``understudy serve`` wires it."""
    given = {"sandbox_environment": kernels("minimal"), "sandbox_options": ROOM}
    async with _house(_settings(tmp_path, "rules: [{say: unused}]", given)) as house:
        yield house


async def _drawing(house: House, era: Era, **fields: Any) -> Stage:
    return await on_stage(house, era, **{"tools": [CODE], **fields})


async def _draw_and_answer(stage: Stage) -> None:
    """Play the model: one cell, then an answer that links to what it has made."""
    call = await stage.puppet.called()
    arguments = json.dumps({"code": DRAWS})
    call.call("call_a", "code_interpreter", arguments[:20], arguments[20:23], arguments[23:])
    call.end(200, 20, reason="tool_calls")
    call = await stage.puppet.called()
    call.say(ANSWER[:12], ANSWER[12:20], ANSWER[20:])
    call.end(300, 7)


async def _told(stage: Stage) -> list[Event]:
    body = {"assistant_id": stage.assistant["id"], "stream": True}
    async with stage.client.streamed("POST", f"{stage.path}/runs", body) as stream:
        await _draw_and_answer(stage)
        return [event async for event in stream]


def _calls(event: Event) -> list[JSON]:
    found: list[JSON] = event.data["delta"]["step_details"]["tool_calls"]
    return found


def _once(events: list[Event]) -> list[str]:
    """Return the names, of neighbouring deltas once: they are told again in fewer pieces."""
    return [name for name, _ in groupby(names(events))]


@both_eras
async def test_a_run_that_draws(house: House, era: Era) -> None:
    """STR-07, STEP-07, ANN-04, ANN-05, ANN-07: the same in both eras, and nothing of ours."""
    stage = await _drawing(house, era)
    events = await _told(stage)
    told = Accumulator().take_all(events)
    assert (told.final_run["status"], told.text) == ("completed", ANSWER)
    first, second, *others = [_calls(e)[0] for e in events if e.name == "thread.run.step.delta"]
    begun = {"input": "", "outputs": []}
    assert first == {
        "index": 0,
        "id": "call_a",
        "type": "code_interpreter",
        "code_interpreter": begun,
    }
    assert second == {
        "index": 0,
        "type": "code_interpreter",
        "code_interpreter": {"input": DRAWS[:10]},
    }
    *_, printed, drawn = others
    assert printed["code_interpreter"] == {
        "outputs": [{"index": 0, "type": "logs", "logs": "né\n"}]
    }
    ((image,),) = [drawn["code_interpreter"]["outputs"]]
    assert (image["index"], image["type"]) == (1, "image")
    listed = (await stage.client.get(f"{stage.path_of(told.final_run)}/steps?order=asc"))["data"]
    (call,) = listed[0]["step_details"]["tool_calls"]
    assert call == {
        "id": "call_a",
        "type": "code_interpreter",
        "code_interpreter": {
            "input": DRAWS,
            "outputs": [
                {"type": "logs", "logs": "né\n"},
                {"type": "image", "image": {"file_id": image["image"]["file_id"]}},
            ],
        },
    }
    (ended,) = [e.data for e in events if e.name == "thread.run.step.completed"][:1]
    assert ended["step_details"]["tool_calls"] == [call]
    one = await stage.client.get(f"{stage.path_of(told.final_run)}/steps/{listed[0]['id']}")
    assert one["step_details"]["tool_calls"] == [call]


@both_eras
async def test_the_answer_shows_the_chart_and_links_to_the_file(house: House, era: Era) -> None:
    """ANN-02, ANN-04, ANN-05, FILE-05."""
    stage = await _drawing(house, era)
    run = Accumulator().take_all(await _told(stage)).final_run
    (answer, _) = (await stage.client.get(f"{stage.path}/messages"))["data"]
    assert answer["run_id"] == run["id"]
    picture, text = answer["content"]
    assert picture["type"] == "image_file"
    start = ANSWER.index(ADDRESS)
    (link,) = text["text"]["annotations"]
    file_id = link["file_path"]["file_id"]
    assert link == {
        "type": "file_path",
        "text": ADDRESS,
        "start_index": start,
        "end_index": start + len(ADDRESS),
        "file_path": {"file_id": file_id},
    }
    for made, size in ((file_id, 1), (picture["image_file"]["file_id"], None)):
        file = await stage.client.get(f"/files/{made}")
        assert file["purpose"] == "assistants_output"
        assert size in (None, file["bytes"])


async def test_a_client_that_comes_back_is_told_the_rest(house: House) -> None:
    """ANN-07, STR-18: from each of the ids it may have, every output and annotation once."""
    stage = await _drawing(house, "v2")
    live = await _told(stage)
    path = f"{stage.path}/runs/{live[0].data['id']}/events"
    for number, event in enumerate(live[:-1]):
        assert event.id is not None
        headers = {"Last-Event-ID": event.id}
        async with stage.client.streamed("GET", path, headers=headers) as stream:
            rest = [one async for one in stream]
        told = Accumulator().take_all([*live[: number + 1], *rest])
        assert told.text == ANSWER
        assert _once([*live[: number + 1], *rest]) == _once(live)


async def test_forcing_the_tool_binds_the_first_call(house: House) -> None:
    """RUN-33."""
    stage = await _drawing(house, "v2")
    choice = {"type": "code_interpreter"}
    body = {"assistant_id": stage.assistant["id"], "tool_choice": choice}
    run = await stage.client.post(f"{stage.path}/runs", body)
    call = await stage.puppet.called()
    assert call.request.tool_choice == {
        "type": "function",
        "function": {"name": "code_interpreter"},
    }
    call.call("call_a", "code_interpreter", '{"code": "1"}')
    call.end(reason="tool_calls")
    call = await stage.puppet.called()
    assert call.request.tool_choice is None
    call.say("Done.")
    call.end()
    assert (await stage.client.settled(run))["status"] == "completed"


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"sandbox": "off"}, ["is off on this server"]),
        ({}, ["stage 'environment'", "errno 2", "understudy sandbox install"]),
    ],
)
async def test_a_server_without_a_sandbox_fails_the_run_at_once(
    build: Build, settings: dict[str, Any], parts: list[str]
) -> None:
    """RUN-1A: assistants may have the tool; a run says stage, errno and remedy, and asks nobody."""
    house = await build(**settings)
    client = house.client()
    assistant, thread = await client.assistant(tools=[CODE]), await client.thread("Hello")
    run = await client.settled(await client.run(thread["id"], assistant["id"]))
    assert run["status"] == "failed"
    assert run["last_error"]["code"] == "server_error"
    for part in parts:
        assert part in run["last_error"]["message"]
    assert house.script.requests == []


def test_the_documentation_does_not_show_what_only_the_model_reads() -> None:
    cell = json.loads(document())["components"]["schemas"]["CodeInterpreterCall"]
    assert set(cell["properties"]) == {"input", "outputs"}
