"""One object, two views (contract section 14)."""

from typing import Any

import pytest

from .client import JSON, Client
from .conftest import Build, House

CODE = {"type": "code_interpreter"}


def function(**fields: Any) -> JSON:
    return {"type": "function", "function": {"name": "f", **fields}}


def code(*file_ids: str) -> JSON:
    return {"code_interpreter": {"file_ids": [*file_ids]}}


async def test_objects_of_one_era_are_read_in_the_other(v1: Client, v2: Client) -> None:
    """V1V2-01: assistants, threads, messages, runs and steps, by the same ids."""
    for made_by, read_by in ((v1, v2), (v2, v1)):
        run = await made_by.turn("hello")
        base = f"/threads/{run['thread_id']}"
        for path in (f"/assistants/{run['assistant_id']}", base, f"{base}/runs/{run['id']}"):
            here, there = await made_by.get(path), await read_by.get(path)
            # The details of usage are newer than v1 (RUN-05).
            shared = (here.keys() & there.keys()) - {"usage"}
            assert {"id", "object", "created_at", "metadata"} <= shared
            assert {key: here[key] for key in shared} == {key: there[key] for key in shared}
        for path in (f"{base}/messages", f"{base}/runs", f"{base}/runs/{run['id']}/steps"):
            ours, theirs = await made_by.listed(path), await read_by.listed(path)
            assert [one["id"] for one in ours] == [one["id"] for one in theirs] != []


async def test_both_eras_work_on_one_thread(v1: Client, v2: Client) -> None:
    """V1V2-01: a v1 run of a v2 assistant, a v2 run after it, both see all messages."""
    assistant, thread = await v2.assistant(), await v1.thread("one")
    first = await v1.settled(await v1.run(thread["id"], assistant["id"]))
    await v2.say(thread["id"], "two")
    second = await v2.settled(await v2.run(thread["id"], assistant["id"]))
    assert (first["status"], second["status"]) == ("completed", "completed")
    assert ("file_ids" in first, "file_ids" in second) == (True, False)
    path = f"/threads/{thread['id']}/messages?order=asc"
    said = [
        [one["content"][0]["text"]["value"] for one in await client.listed(path)]
        for client in (v1, v2)
    ]
    assert said[0] == said[1] == ["one", "You said: one", "two", "You said: two"]


async def test_the_tool_has_each_era_s_name(v1: Client, v2: Client) -> None:
    """V1V2-06, ASST-12: retrieval in v1 is file_search in v2, wherever it was made."""
    older = await v1.assistant(tools=[{"type": "retrieval"}])
    newer = await v2.assistant(
        tools=[{"type": "file_search", "file_search": {"max_num_results": 3}}]
    )
    for one in (older, newer):
        path = f"/assistants/{one['id']}"
        assert (await v1.get(path))["tools"] == [{"type": "retrieval"}]
        (shown,) = (await v2.get(path))["tools"]
        assert shown["type"] == "file_search"
        assert "ranking_options" in shown["file_search"]


async def test_functions_are_strict_in_v2_only(v1: Client, v2: Client) -> None:
    """V1V2-06, ASST-05: strict is not shown in v1, and v1 does not take it."""
    made = await v2.assistant(tools=[function(strict=True)])
    path = f"/assistants/{made['id']}"
    assert "strict" not in (await v1.get(path))["tools"][0]["function"]
    await v1.post(path, {"name": "renamed"})
    assert (await v2.get(path))["tools"] == made["tools"]
    body = {"model": "scripted", "tools": [function(strict=True)]}
    error = await v1.refused("POST", "/assistants", body)
    assert (error.param, error.code) == ("tools[0].function.strict", "unknown_parameter")


async def test_v1_files_of_an_assistant_show_in_v2(v1: Client, v2: Client) -> None:
    """V1V2-02: as code_interpreter.file_ids when that tool is on."""
    file = await v1.upload()
    made = await v1.assistant(tools=[CODE], file_ids=[file["id"]])
    assert (await v2.get(f"/assistants/{made['id']}"))["tool_resources"] == code(file["id"])
    plain = await v1.assistant(file_ids=[file["id"]])
    assert (await v2.get(f"/assistants/{plain['id']}"))["tool_resources"] == {}


async def test_v1_files_of_a_message_show_in_v2(v1: Client, v2: Client) -> None:
    """V1V2-02: on the thread, and as attachments of the message."""
    file, thread = await v1.upload(), await v1.thread()
    message = await v1.say(thread["id"], "look", file_ids=[file["id"]])
    base = f"/threads/{thread['id']}"
    in_code = code(file["id"])["code_interpreter"]
    assert (await v2.get(base))["tool_resources"]["code_interpreter"] == in_code
    shown = await v2.get(f"{base}/messages/{message['id']}")
    assert [one["file_id"] for one in shown["attachments"]] == [file["id"]]
    assert CODE in shown["attachments"][0]["tools"]
    in_new = await v1.post(
        "/threads", {"messages": [{"role": "user", "content": "x", "file_ids": [file["id"]]}]}
    )
    resources = (await v2.get(f"/threads/{in_new['id']}"))["tool_resources"]
    assert resources["code_interpreter"] == in_code


async def test_later_v1_changes_show_in_v2(v1: Client, v2: Client) -> None:
    """V1V2-03, V1V2-04: attached and detached through v1, seen in v2."""
    one, two = await v1.upload(b"1"), await v1.upload(b"2")
    made = await v1.assistant(tools=[CODE], file_ids=[one["id"]])
    path = f"/assistants/{made['id']}"

    async def seen() -> Any:
        return (await v2.get(path))["tool_resources"]

    await v1.post(f"{path}/files", {"file_id": two["id"]})
    assert await seen() == code(one["id"], two["id"])
    await v1.delete(f"{path}/files/{one['id']}")
    assert await seen() == code(two["id"])
    await v1.post(path, {"file_ids": [one["id"]]})
    assert await seen() == code(one["id"])


async def test_v2_changes_never_show_in_v1(v1: Client, v2: Client) -> None:
    """V1V2-03, V1V2-04, V1V2-05: file_ids of v1 stay what v1 made them."""
    one, two = await v1.upload(b"1"), await v1.upload(b"2")
    made = await v1.assistant(tools=[CODE], file_ids=[one["id"]])
    path = f"/assistants/{made['id']}"
    await v2.post(path, {"tool_resources": code(two["id"])})
    assert (await v2.get(path))["tool_resources"] == code(two["id"])
    assert (await v1.get(path))["file_ids"] == [one["id"]]
    await v2.post(path, {"tool_resources": code()})
    assert (await v1.get(path))["file_ids"] == [one["id"]]
    assert [file["id"] for file in await v1.listed(f"{path}/files")] == [one["id"]]
    newer = await v2.assistant(tools=[CODE], tool_resources=code(two["id"]))
    assert (await v1.get(f"/assistants/{newer['id']}"))["file_ids"] == []


async def test_v2_attachments_never_show_in_v1(v1: Client, v2: Client) -> None:
    """V1V2-03: file_ids of the message are empty; the object is whole otherwise."""
    file, thread = await v2.upload(), await v2.thread()
    attachment = {"file_id": file["id"], "tools": [CODE]}
    made = await v2.say(thread["id"], "look", attachments=[attachment])
    path = f"/threads/{thread['id']}/messages/{made['id']}"
    shown = await v1.get(path)
    assert (shown["file_ids"], "attachments" in shown) == ([], False)
    assert await v1.listed(f"{path}/files") == []


async def test_a_v1_change_keeps_what_only_v2_knows(v1: Client, v2: Client) -> None:
    """V1V2-05: renaming through v1 loses no v2 field."""
    file = await v2.upload()
    made = await v2.assistant(
        tools=[CODE], tool_resources=code(file["id"]), reasoning_effort="high"
    )
    path = f"/assistants/{made['id']}"
    await v1.post(path, {"name": "renamed"})
    assert await v2.get(path) == {**made, "name": "renamed"}


async def test_newer_contents_pass_through_to_v1(v1: Client, v2: Client) -> None:
    """V1V2-06: an image_url part is shown rather than hidden; all required fields are there."""
    url = "https://example.org/a.png"
    part = {"type": "image_url", "image_url": {"url": url}}
    thread = await v2.post("/threads", {"messages": [{"role": "user", "content": [part]}]})
    (message,) = await v1.listed(f"/threads/{thread['id']}/messages")
    assert message["content"][0]["type"] == "image_url"
    assert message["content"][0]["image_url"]["url"] == url


async def test_newer_formats_pass_through_to_v1(v1: Client, v2: Client) -> None:
    """V1V2-06: response_format json_schema and tool_choice required are shown as they are."""
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
    assistant = await v2.assistant(tools=[function()])
    thread = await v2.thread("hello")
    run = await v2.run(
        thread["id"], assistant["id"], tool_choice="required", response_format=schema
    )
    shown = await v1.get(f"/threads/{thread['id']}/runs/{run['id']}")
    assert (shown["tool_choice"], shown["response_format"]) == ("required", schema)
    assert not {"parallel_tool_calls", "reasoning_effort", "tool_resources"} & shown.keys()


async def test_an_incomplete_run_is_completed_in_v1(build: Build) -> None:
    """V1V2-06, RUN-1E: status completed with incomplete_details and completed_at."""
    house = await build("rules: [{say: 'half', finish: length}]")
    run = await house.client("v2").turn("hello", max_completion_tokens=300)
    path = f"/threads/{run['thread_id']}/runs/{run['id']}"
    shown = await house.client("v1").get(path)
    assert (run["status"], shown["status"]) == ("incomplete", "completed")
    assert shown["incomplete_details"] == {"reason": "max_completion_tokens"}
    assert shown["completed_at"] == run["completed_at"] is not None
    (listed,) = await house.client("v1").listed(f"/threads/{run['thread_id']}/runs")
    assert listed == shown


async def test_v1_is_served(v1: Client) -> None:
    """V1V2-08: long after the hosted API refused it (ERR-11 is never said)."""
    assert (await v1.turn("hello"))["status"] == "completed"


@pytest.mark.parametrize("first", ["v1", "v2"])
async def test_the_view_belongs_to_the_request_and_not_to_the_object(
    house: House, first: Any
) -> None:
    """V1V2-01, GEN-14: reading in one era changes nothing for the other."""
    made = await house.client(first).assistant(tools=[CODE])
    other = house.client("v2" if first == "v1" else "v1")
    await other.get(f"/assistants/{made['id']}")
    assert await house.client(first).get(f"/assistants/{made['id']}") == made
