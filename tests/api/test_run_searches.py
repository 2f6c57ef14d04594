"""Runs over files that the server really reads: from the upload to the citation, in both eras."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from understudy.retrieval.store_use import replacing
from understudy.storage.records import Scope
from understudy.wire.encoding import decode_vector_store

from .client import JSON, SECONDS_MAX, Client
from .conftest import Build, House

SCRIPT = """
rules:
  - {on: "(.+)", call: [{name: file_search, arguments: {query: "{1}"}}]}
  - {after_tools: true, on: "(【[^】]*】)", say: "It rains{1}."}
  - {after_tools: true, say: "I have found nothing."}
"""
RAIN = b"It rains in Oslo, and the umbrellas are blue."
SEARCH = {"type": "file_search"}


@pytest.fixture
async def searching(build: Build) -> House:
    """Give a server whose model searches for what it is asked, and cites what it finds."""
    return await build(SCRIPT)


async def asked(client: Client, thread: JSON, tool: JSON = SEARCH, **assistant: Any) -> JSON:
    """Ask for a run at once, and return it when it is over."""
    made = await client.assistant(tools=[tool], **assistant)
    return await client.settled(await client.run(thread["id"], made["id"]))


async def answer(client: Client, thread: JSON) -> JSON:
    """Return the text of the last message."""
    message = (await client.listed(f"/threads/{thread['id']}/messages"))[0]
    text: JSON = message["content"][0]["text"]
    return text


async def test_a_file_that_was_attached_a_moment_ago_is_found(searching: House) -> None:
    """RUN-24, VS-04, VS-14, ANN-01: the run waits until it is read."""
    client = searching.client()
    file = await client.upload(RAIN, "rain.txt")
    attached = {"file_id": file["id"], "tools": [SEARCH]}
    message = {"role": "user", "content": "Which umbrellas?", "attachments": [attached]}
    thread = await client.post("/threads", {"messages": [message]})
    assert (await asked(client, thread))["status"] == "completed"
    told = await answer(client, thread)
    (citation,) = told["annotations"]
    assert citation["file_citation"] == {"file_id": file["id"]}
    assert told["value"] == f"It rains{citation['text']}."


async def test_the_stores_of_assistant_and_thread_are_searched(searching: House) -> None:
    """VS-14, STEP-13: and a store says that it has been used (VS-03)."""
    client = searching.client()
    stores = []
    for text in (RAIN, b"In Bergen the umbrellas are red."):
        file = await client.upload(text, "a.txt")
        stores.append(await client.post("/vector_stores", {"file_ids": [file["id"]]}))
        await settled(client, stores[-1])
    mine, threads_own = ({"file_search": {"vector_store_ids": [one["id"]]}} for one in stores)
    thread = await client.thread("Which umbrellas?", tool_resources=threads_own)
    run = await asked(client, thread, tool_resources=mine)
    steps = await client.listed(f"/threads/{thread['id']}/runs/{run['id']}/steps?order=asc")
    (call,) = steps[0]["step_details"]["tool_calls"]
    assert len(call["file_search"]["results"]) == 2


async def settled(client: Client, store: JSON) -> JSON:
    """Wait until a store is filled."""
    async with asyncio.timeout(SECONDS_MAX):
        while (now := await client.get(f"/vector_stores/{store['id']}"))["status"] != "completed":
            assert now["status"] == "in_progress"
    return now


async def test_a_v1_assistant_reads_its_files(searching: House) -> None:
    """ASST-09, V1V2-01: the run waits for them, since v1 never shows what is ready."""
    client = searching.client("v1")
    file = await client.upload(RAIN, "rain.txt")
    thread = await client.thread("Which umbrellas?")
    run = await asked(client, thread, {"type": "retrieval"}, file_ids=[file["id"]])
    assert run["status"] == "completed"
    (citation,) = (await answer(client, thread))["annotations"]
    assert citation["file_citation"] == {"file_id": file["id"], "quote": RAIN.decode()}


@pytest.mark.parametrize("whose", ["assistant", "thread"])
async def test_an_expired_store_fails_the_run(searching: House, whose: str) -> None:
    """RUN-24, VS-02, VS-03: with the message that clients look for."""
    client = searching.client()
    after = {"anchor": "last_active_at", "days": 1}
    store = await client.post("/vector_stores", {"expires_after": after})
    given = {"tool_resources": {"file_search": {"vector_store_ids": [store["id"]]}}}
    thread = await client.thread("Hi", **(given if whose == "thread" else {}))
    made = await client.assistant(tools=[SEARCH], **(given if whose == "assistant" else {}))
    await _let_expire(searching, store["id"])
    run = await client.settled(await client.run(thread["id"], made["id"]))
    assert run["status"] == "failed"
    assert run["last_error"]["code"] == "server_error"
    assert f"Vector store '{store['id']}' has expired" in run["last_error"]["message"]
    assert (await client.get(f"/vector_stores/{store['id']}"))["status"] == "expired"


async def _let_expire(house: House, store_id: str) -> None:
    """Let a store have been used last a day ago."""
    storage, now = house.ports.storage, house.ports.now
    project_id = await storage.default_project(now)
    row = await storage.fetch("vector_store", Scope(project_id=project_id), store_id)
    assert row is not None
    store = replace(decode_vector_store(row.body), last_active_at=now - 86_400, expires_at=now)
    await storage.write(replacing(project_id, row, store))
