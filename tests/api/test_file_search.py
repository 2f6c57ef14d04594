"""Runs that search, over HTTP: steps, streams and citations in both eras.

What a search finds is up to the tool; here it is a library of two passages.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.engine.library import Library
from understudy.api.openapi import document
from understudy.api.server import Server
from understudy.app.ports import opened_ports
from understudy.engine.worker import Worker
from understudy.operations import keys

from .accumulator import Accumulator
from .client import JSON, SECONDS_MAX, Client, Era, Event
from .conftest import ECHO, House, _serving, _settings
from .puppet import Stage, on_stage
from .transcript import check_transcript, names

CONTENT = "step_details.tool_calls[*].file_search.results[*].content"
INCLUDE = f"?include%5B%5D={CONTENT.replace('[', '%5B').replace(']', '%5D')}"
SEARCH = {"v1": {"type": "retrieval"}, "v2": {"type": "file_search"}}
FUNCTION = {"type": "function", "function": {"name": "get_weather", "parameters": {}}}
ANSWER = "Né: it rains【1:0†source】, it snows【1:1†source】."
both_eras = pytest.mark.parametrize("era", ["v1", "v2"])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Give a server that has a library for file_search."""
    async with _with_library(tmp_path) as house:
        yield house


@asynccontextmanager
async def _with_library(folder: Path) -> AsyncIterator[House]:
    limit = aiohttp.ClientTimeout(total=SECONDS_MAX)
    async with opened_ports(_settings(folder, ECHO, {})) as ports:
        worker = Worker(ports, {"file_search": Library()})
        offers = asyncio.create_task(worker.take_offers())
        async with _serving(Server(ports)) as root, aiohttp.ClientSession(timeout=limit) as session:
            yield House(root, ports, await keys.create(ports.storage, "tests", ports.now), session)
        offers.cancel()
        await asyncio.gather(offers, return_exceptions=True)
        await worker.drain(0)


async def _searching(house: House, era: Era = "v2", **fields: Any) -> Stage:
    return await on_stage(house, era, **{"tools": [SEARCH[era]], **fields})


async def _search_and_answer(stage: Stage) -> None:
    """Play the model: one search, then an answer that cites both passages."""
    call = await stage.puppet.called()
    call.call("call_a", "file_search", '{"query":', ' "Oslo"}')
    call.end(200, 20, reason="tool_calls")
    call = await stage.puppet.called()
    call.say("Né: it ra", "ins【1", ":0†source", "】, it snows【1:1】【7:0†source】", ".")
    call.end(300, 7)


async def _told(stage: Stage, query: str = "") -> list[Event]:
    body = {"assistant_id": stage.assistant["id"], "stream": True}
    path = f"{stage.path}/runs{query}"
    async with stage.client.streamed("POST", path, body) as stream:
        await _search_and_answer(stage)
        return [event async for event in stream]


async def _searched(stage: Stage, query: str = "") -> JSON:
    """Return a run that has searched and answered."""
    run = await stage.client.post(
        f"{stage.path}/runs{query}", {"assistant_id": stage.assistant["id"]}
    )
    await _search_and_answer(stage)
    return await stage.client.settled(run)


def _citation(index: int, start: int, file_id: str, **quote: str) -> JSON:
    marker = f"【1:{index}†source】"
    return {
        "type": "file_citation",
        "text": marker,
        "start_index": start,
        "end_index": start + len(marker),
        "file_citation": {"file_id": file_id, **quote},
    }


def _search_of(step: JSON) -> JSON:
    (call,) = step["step_details"]["tool_calls"]
    found: JSON = call["file_search"]
    return found


@both_eras
async def test_a_run_that_searches(house: House, era: Era) -> None:
    """STR-08, STR-11, ANN-07, SDK-05, SDK-07: all frames, in both eras."""
    stage = await _searching(house, era)
    events = await _told(stage)
    check_transcript(f"file_search_{era}", events)
    told = Accumulator().take_all(events)
    assert told.text == ANSWER
    assert told.final_run == await stage.see(told.final_run)


@both_eras
async def test_the_search_in_the_stream_has_one_delta(house: House, era: Era) -> None:
    """STR-08, SDK-07: without results, and by the name that its era knows."""
    events = await _told(await _searching(house, era))
    (delta,) = [event for event in events if event.name == "thread.run.step.delta"]
    ranking = {"ranker": "default_2024_08_21", "score_threshold": 0.0}
    expected: JSON = {"index": 0, "id": "call_a", "type": "retrieval", "retrieval": {}}
    if era == "v2":
        search = {"ranking_options": ranking, "results": []}
        expected = {"index": 0, "id": "call_a", "type": "file_search", "file_search": search}
    details = delta.data["delta"]["step_details"]
    assert details == {"type": "tool_calls", "tool_calls": [expected]}


@pytest.mark.parametrize(
    ("era", "quotes"),
    [("v1", ["It rains in Oslo.", "It snows in Oslo."]), ("v2", ["", ""])],
)
async def test_a_citation_in_the_stream_is_a_delta_of_its_own(
    house: House, era: Era, quotes: list[str]
) -> None:
    """STR-11, ANN-01, ANN-02, ANN-07: the marker, and its annotation with an index."""
    events = await _told(await _searching(house, era))
    texts = [
        event.data["delta"]["content"][0]["text"]
        for event in events
        if event.name == "thread.message.delta"
    ]
    cited = [text for text in texts if text.get("annotations")]
    assert cited == [
        {
            "value": f"【1:{number}†source】",
            "annotations": [{"index": number, **_citation(number, start, file, quote=quote)}],
        }
        for number, (start, file, quote) in enumerate(
            zip((12, 34), ("file-rain", "file-snow"), quotes, strict=True)
        )
    ]
    assert [text["annotations"] for text in texts if "annotations" in text][0] == []  # noqa: RUF015


async def test_the_answer_shows_its_citations_without_quotes(house: House) -> None:
    """ANN-01, ANN-02, ANN-03, STR-11: in v2, wherever the message is shown."""
    stage = await _searching(house)
    events = await _told(stage)
    value = [_citation(0, 12, "file-rain"), _citation(1, 34, "file-snow")]
    content = [{"type": "text", "text": {"value": ANSWER, "annotations": value}}]
    _, answer = await stage.messages()
    assert answer["content"] == content
    path = f"{stage.path}/messages/{answer['id']}"
    assert await stage.client.get(path) == answer
    (completed,) = [one.data for one in events if one.name == "thread.message.completed"]
    assert completed == answer
    changed = await stage.client.post(path, {"metadata": {"quote": "x"}})
    assert changed == {**answer, "metadata": {"quote": "x"}}
    for one in answer["content"][0]["text"]["annotations"]:
        assert ANSWER[one["start_index"] : one["end_index"]] == one["text"]


async def test_the_answer_shows_its_quotes_in_v1(house: House) -> None:
    """ANN-01: of a run that v2 has asked for, too (V1V2-01)."""
    stage = await _searching(house)
    await _searched(stage)
    listed = await house.client("v1").listed(f"{stage.path}/messages?order=asc")
    assert listed[1]["content"][0]["text"]["annotations"] == [
        _citation(0, 12, "file-rain", quote="It rains in Oslo."),
        _citation(1, 34, "file-snow", quote="It snows in Oslo."),
    ]


async def test_steps_show_what_was_found_and_its_text_only_if_asked(house: House) -> None:
    """STEP-08, STEP-13: in lists, alone, and never the query."""
    stage = await _searching(house)
    run = await _searched(stage, INCLUDE)
    path = f"{stage.path_of(run)}/steps"
    step, message_step = await stage.client.listed(f"{path}?order=asc")
    passages = [("rain", "It rains in Oslo."), ("snow", "It snows in Oslo.")]
    found = [
        {"file_id": f"file-{name}", "file_name": f"{name}.txt", "score": 1.0, "attributes": {}}
        for name, _ in passages
    ]
    ranking = {"ranker": "default_2024_08_21", "score_threshold": 0.0}
    assert step["step_details"]["tool_calls"] == [
        {
            "id": "call_a",
            "type": "file_search",
            "file_search": {"ranking_options": ranking, "results": found},
        }
    ]
    assert step["usage"]["total_tokens"] == 220
    assert await stage.client.get(f"{path}/{step['id']}") == step
    whole = await stage.client.get(f"{path}/{step['id']}{INCLUDE}")
    assert _search_of(whole)["results"] == [
        {**one, "content": [{"type": "text", "text": text}]}
        for one, (_, text) in zip(found, passages, strict=True)
    ]
    assert (await stage.client.get(f"{path}{INCLUDE}"))["data"] == [message_step, whole]


async def test_steps_show_an_empty_retrieval_in_v1(house: House) -> None:
    """STEP-08: whatever is included."""
    stage = await _searching(house)
    run = await _searched(stage)
    for query in ("?order=asc", f"{INCLUDE}&order=asc"):
        step, _ = await house.client("v1").listed(f"{stage.path_of(run)}/steps{query}")
        (call,) = step["step_details"]["tool_calls"]
        assert call == {"id": "call_a", "type": "retrieval", "retrieval": {}}


@pytest.mark.parametrize("query", ["", INCLUDE])
async def test_the_stream_shows_what_its_request_has_included(house: House, query: str) -> None:
    """STEP-13, STR-08: results stand in the completed step only, live and told again."""
    stage = await _searching(house)
    live = await _told(stage, query)
    run_id = live[0].data["id"]
    again = await stage.client.events(f"{stage.path}/runs/{run_id}/events{query}", {}, "GET")
    for events in (live, again):
        steps = [one.data for one in events if one.name.startswith("thread.run.step.c")]
        created, completed, *_ = steps
        assert created["step_details"]["tool_calls"] == []
        results = _search_of(completed)["results"]
        assert ["content" in one for one in results] == [bool(query)] * 2
        assert set(_search_of(completed)) == {"ranking_options", "results"}


async def test_an_event_stream_that_includes_something_else_is_refused(house: House) -> None:
    """STEP-13, ERR-23."""
    stage = await _searching(house)
    run = await _searched(stage)
    error = await stage.client.refused("GET", f"{stage.path_of(run)}/events?include=x")
    assert (error.status, error.code) == (400, "invalid_value")


async def test_a_client_that_comes_back_is_told_the_rest(house: House) -> None:
    """ANN-07, STR-18: from each of the ids it may have, every annotation once."""
    stage = await _searching(house)
    live = await _told(stage)
    path = f"{stage.path}/runs/{live[0].data['id']}/events"
    for number, event in enumerate(live[:-1]):
        assert event.id is not None
        headers = {"Last-Event-ID": event.id}
        async with stage.client.streamed("GET", path, headers=headers) as stream:
            rest = [one async for one in stream]
        told = Accumulator().take_all([*live[: number + 1], *rest])
        assert told.text == ANSWER
        assert names([*live[: number + 1], *rest]) == names(live)


@both_eras
async def test_searches_and_functions_of_one_turn(house: House, era: Era) -> None:
    """STEP-05, RUN-12, STR-05, STR-06: the client is asked for its own calls only."""
    stage = await _searching(house, era, tools=[SEARCH[era], FUNCTION])
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.call("call_a", "file_search", '{"query": "rains"}')
        call.call("call_b", "get_weather", "{}")
        call.end(reason="tool_calls")
        first = [event async for event in stream]
    run = first[-2].data
    asked = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [one["id"] for one in asked] == ["call_b"]
    body = {"tool_outputs": [{"tool_call_id": "call_b", "output": "12 C"}], "stream": True}
    path = f"{stage.path_of(run)}/submit_tool_outputs"
    async with stage.client.streamed("POST", path, body) as stream:
        call = await stage.puppet.called()
        call.say("12 C and rain【1:0†source】.")
        call.end()
        second = [event async for event in stream]
    check_transcript(f"file_search_and_function_{era}", [*first, *second])
    told = Accumulator().take_all(first).take_all(second)
    assert told.text == "12 C and rain【1:0†source】."


async def test_a_failed_search_in_the_stream(house: House) -> None:
    """STR-02, STR-13: the step of a hosted tool fails before its run."""
    stage = await _searching(house)
    async with stage.opened() as stream:
        call = await stage.puppet.called()
        call.call("call_a", "file_search", "no JSON")
        call.end(reason="tool_calls")
        events = [event async for event in stream]
    assert names(events)[-4:] == ["run.step.delta", "run.step.failed", "run.failed", "done"]
    Accumulator().take_all(events)


async def test_plain_messages_are_shown_as_they_are_stored(
    v1_and_v2: tuple[Client, Client],
) -> None:
    """Text that looks like a stored citation is text."""
    old, new = v1_and_v2
    text = '{"file_citation":{"file_id":"file-1","quote":"x"}} {"type":"file_search"}'
    thread = await new.thread(text)
    path = f"/threads/{thread['id']}/messages"
    for client in (old, new):
        (message,) = await client.listed(path)
        assert message["content"][0]["text"] == {"value": text, "annotations": []}


@pytest.fixture
def v1_and_v2(house: House) -> tuple[Client, Client]:
    """Give a client of each era."""
    return house.client("v1"), house.client("v2")


def test_the_description_of_the_api_names_nothing_that_is_never_shown() -> None:
    """STEP-08."""
    search = json.loads(document())["components"]["schemas"]["FileSearchCall"]
    assert set(search["properties"]) == {"ranking_options", "results"}
