"""Messages (contract section 8)."""

import asyncio
import json
from typing import Any

import pytest

from .client import JSON, Client, Error
from .conftest import Build, House

STATE = ["status", "incomplete_details", "incomplete_at", "completed_at"]
KEYS: dict[str, list[str]] = {
    "v1": [
        "id",
        "object",
        "created_at",
        "assistant_id",
        "thread_id",
        "run_id",
        "role",
        "content",
        "file_ids",
        "metadata",
    ],
    "v2": [
        "id",
        "object",
        "created_at",
        "assistant_id",
        "thread_id",
        "run_id",
        "role",
        "content",
        "attachments",
        "metadata",
    ],
}


def text(value: str) -> list[JSON]:
    return [{"type": "text", "text": {"value": value, "annotations": []}}]


def code(file_id: str) -> JSON:
    return {"file_id": file_id, "tools": [{"type": "code_interpreter"}]}


@pytest.mark.parametrize("era", ["v1", "v2"])
async def test_the_wire_has_the_recorded_keys_in_their_order(house: House, era: Any) -> None:
    """MSG-01, MSG-02, GEN-05: REST's keys in order, and the schema's four always there."""
    client = house.client(era)
    thread = await client.thread()
    made = await client.say(thread["id"], "hello", metadata={"a": "b"})
    path = f"/threads/{thread['id']}/messages"
    shown = [
        made,
        await client.get(f"{path}/{made['id']}"),
        await client.post(f"{path}/{made['id']}", {"metadata": {"a": "b"}}),
        *await client.listed(path),
    ]
    for one in shown:
        assert [key for key in one if key not in STATE] == KEYS[era]
        assert set(STATE) <= set(one)
        assert one == made
    assert (made["object"], made["content"]) == ("thread.message", text("hello"))


async def test_the_schema_s_keys_stand_behind_run_id_in_streams(v2: Client) -> None:
    """MSG-02: status, incomplete_details, incomplete_at, completed_at follow run_id."""
    run = await v2.turn("hello")
    (answer, _) = await v2.listed(f"/threads/{run['thread_id']}/messages")
    start = list(answer).index("run_id") + 1
    assert list(answer)[start : start + 4] == STATE


async def test_modify_answers_in_the_usual_form(v2: Client) -> None:
    """MSG-03: attachments and no file_ids, unlike the hosted API's slip."""
    thread = await v2.thread("hello")
    (message,) = await v2.listed(f"/threads/{thread['id']}/messages")
    changed = await v2.post(
        f"/threads/{thread['id']}/messages/{message['id']}", {"metadata": {"x": "y"}}
    )
    assert changed == {**message, "metadata": {"x": "y"}}
    assert "file_ids" not in changed


@pytest.mark.parametrize("era", ["v1", "v2"])
@pytest.mark.parametrize("role", ["user", "assistant"])
async def test_both_roles_can_be_written(house: House, era: Any, role: str) -> None:
    """MSG-04, MSG-08: created by the user, so assistant_id and run_id are null."""
    client = house.client(era)
    thread = await client.thread()
    made = await client.say(thread["id"], "hello", role=role)
    assert (made["role"], made["assistant_id"], made["run_id"]) == (role, None, None)
    assert made["thread_id"] == thread["id"]


async def test_v1_takes_up_to_ten_files(v1: Client) -> None:
    """MSG-04: file_ids at most 10, and [] is accepted."""
    thread = await v1.thread()
    ids = [(await v1.upload(str(n).encode()))["id"] for n in range(10)]
    assert (await v1.say(thread["id"], "none", file_ids=[]))["file_ids"] == []
    assert (await v1.say(thread["id"], "ten", file_ids=ids))["file_ids"] == ids
    body = {"role": "user", "content": "x", "file_ids": [*ids, "file-none"]}
    error = await v1.refused("POST", f"/threads/{thread['id']}/messages", body)
    assert (error.param, error.code) == ("file_ids", "array_above_max_length")


@pytest.mark.parametrize("era", ["v1", "v2"])
async def test_a_text_has_up_to_256000_characters(house: House, era: Any) -> None:
    """MSG-04, MSG-05, ERR-26: counted in characters, as one string or as a part."""
    client = house.client(era)
    thread = await client.thread()
    path = f"/threads/{thread['id']}/messages"
    longest = "ä" * 256_000
    assert (await client.say(thread["id"], longest))["content"] == text(longest)
    error = await client.refused("POST", path, {"role": "user", "content": longest + "!"})
    assert (error.param, error.code) == ("content", "string_above_max_length")
    if era == "v2":
        part = {"type": "text", "text": longest + "!"}
        error = await client.refused("POST", path, {"role": "user", "content": [part]})
        assert (error.param, error.code) == ("content[0].text", "string_above_max_length")


async def test_v1_takes_no_parts(v1: Client) -> None:
    """MSG-04, ERR-22: content is a string in v1."""
    part = {"type": "text", "text": "hello"}
    error = await v1.refused(
        "POST", "/threads", {"messages": [{"role": "user", "content": [part]}]}
    )
    text_ = "Invalid type for 'messages[0].content': expected a string, but got an array instead."
    assert error == Error(400, text_, param="messages[0].content", code="invalid_type")


async def test_parts_are_echoed_in_their_stored_form(v2: Client) -> None:
    """MSG-05, MSG-11: text gains value and annotations, images the detail "auto"."""
    image = await v2.upload(b"\x89PNG", "a.png", purpose="vision")
    url = "https://example.org/a.png"
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_file", "image_file": {"file_id": image["id"]}},
        {"type": "image_file", "image_file": {"file_id": image["id"], "detail": "low"}},
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
    ]
    thread = await v2.thread()
    body = {"role": "user", "content": parts}
    made = await v2.post(f"/threads/{thread['id']}/messages", body)
    assert made["content"] == [
        *text("look"),
        {"type": "image_file", "image_file": {"file_id": image["id"], "detail": "auto"}},
        {"type": "image_file", "image_file": {"file_id": image["id"], "detail": "low"}},
        {"type": "image_url", "image_url": {"url": url, "detail": "auto"}},
        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
    ]


@pytest.mark.parametrize(
    ("content", "param", "code"),
    [
        ([], "content", "empty_array"),
        ("", "content", "string_below_min_length"),
        (None, "content", "invalid_type"),
        (5, "content", "invalid_type"),
        ([{"type": "text"}], "content[0].text", "missing_required_parameter"),
        ([{"type": "text", "text": {"value": "x"}}], "content[0].text", "invalid_type"),
        ([{"type": "audio"}], "content[0].type", "invalid_value"),
        ([{"text": "x"}], "content[0].type", "missing_required_parameter"),
        (
            [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}],
            "content[1].image_url.url",
            "missing_required_parameter",
        ),
        (
            [{"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "best"}}],
            "content[0].image_url.detail",
            "invalid_value",
        ),
    ],
)
async def test_content_that_is_none_is_refused(
    v2: Client, content: object, param: str, code: str
) -> None:
    """MSG-05: the place of the first fault is named, and no message is written."""
    thread = await v2.thread()
    path = f"/threads/{thread['id']}/messages"
    error = await v2.refused("POST", path, {"role": "user", "content": content})
    assert (error.status, error.param, error.code) == (400, param, code)
    assert await v2.listed(path) == []


async def test_an_unknown_image_is_not_found(v2: Client) -> None:
    """MSG-05, ERR-43: an image_file part names a file that exists."""
    part = {"type": "image_file", "image_file": {"file_id": "file-none"}}
    error = await v2.refused(
        "POST", "/threads", {"messages": [{"role": "user", "content": [part]}]}
    )
    assert error == Error(404, "Files [file-none] were not found")


async def test_attachments_are_echoed(v2: Client) -> None:
    """MSG-06: as they were given; [] when there are none, whether left out, null or []."""
    file, thread = await v2.upload(), await v2.thread()
    made = await v2.say(thread["id"], "hello", attachments=[code(file["id"])])
    assert made["attachments"] == [code(file["id"])]
    assert (await v2.say(thread["id"], "hello"))["attachments"] == []
    nothings: list[object] = [None, []]
    for nothing in nothings:
        said = await v2.say(thread["id"], "hello", attachments=nothing)
        assert said["attachments"] == []


@pytest.mark.parametrize(
    ("attachment", "param", "code_"),
    [
        ({"file_id": "file-a"}, "attachments[0].tools", "missing_required_parameter"),
        ({"tools": []}, "attachments[0].file_id", "missing_required_parameter"),
        (
            {"file_id": "file-a", "tools": [{"type": "file_search", "x": 1}]},
            "attachments[0].tools[0].x",
            "unknown_parameter",
        ),
        (
            {"file_id": "file-a", "tools": [{"type": "function"}]},
            "attachments[0].tools[0].type",
            "invalid_value",
        ),
    ],
)
async def test_attachments_are_checked(
    v2: Client, attachment: JSON, param: str, code_: str
) -> None:
    """MSG-06, ERR-20, ERR-21, ERR-23: tools are required, and take only their type."""
    thread = await v2.thread()
    body = {"role": "user", "content": "x", "attachments": [attachment]}
    error = await v2.refused("POST", f"/threads/{thread['id']}/messages", body)
    assert (error.status, error.param, error.code) == (400, param, code_)


async def test_an_attached_file_is_there_for_the_code_interpreter(v2: Client) -> None:
    """MSG-07: it joins thread.tool_resources.code_interpreter.file_ids, once."""
    one, two = await v2.upload(b"1"), await v2.upload(b"2")
    thread = await v2.post(
        "/threads",
        {"messages": [{"role": "user", "content": "x", "attachments": [code(one["id"])]}]},
    )
    for file in (two, one, two):
        await v2.say(thread["id"], "more", attachments=[code(file["id"])])
    shown = await v2.get(f"/threads/{thread['id']}")
    assert shown["tool_resources"] == {"code_interpreter": {"file_ids": [one["id"], two["id"]]}}


async def test_files_attached_at_the_same_time_are_all_there(v2: Client) -> None:
    """MSG-07: no message undoes what another one brought to the thread."""
    thread = await v2.thread()
    ids = [(await v2.upload(str(n).encode()))["id"] for n in range(8)]
    says = (v2.say(thread["id"], "x", attachments=[code(file_id)]) for file_id in ids)
    await asyncio.gather(*says)
    shown = await v2.get(f"/threads/{thread['id']}")
    assert sorted(shown["tool_resources"]["code_interpreter"]["file_ids"]) == sorted(ids)


async def test_a_run_s_message_names_its_run(either: Client) -> None:
    """MSG-08, MSG-12: assistant_id and run_id are set, and the message is completed."""
    run = await either.turn("hello")
    answer, asked = await either.listed(f"/threads/{run['thread_id']}/messages")
    assert (answer["assistant_id"], answer["run_id"]) == (run["assistant_id"], run["id"])
    assert (answer["role"], answer["content"]) == ("assistant", text("You said: hello"))
    for message in (answer, asked):
        assert message["status"] == "completed"
        assert (message["incomplete_details"], message["incomplete_at"]) == (None, None)
        assert message["completed_at"] >= message["created_at"]


@pytest.mark.parametrize(
    ("sent", "metadata"),
    [({}, {"a": "1"}), ({"metadata": {"b": "2"}}, {"b": "2"}), ({"metadata": None}, {})],
)
async def test_only_metadata_can_be_modified(either: Client, sent: JSON, metadata: JSON) -> None:
    """MSG-09: replaced as a whole, kept when left out."""
    thread = await either.thread()
    made = await either.say(thread["id"], "hello", metadata={"a": "1"})
    path = f"/threads/{thread['id']}/messages/{made['id']}"
    changed = await either.post(path, sent)
    assert changed == {**made, "metadata": metadata} == await either.get(path)
    error = await either.refused("POST", path, {"content": "other"})
    assert (error.status, error.param, error.code) == (400, "content", "unknown_parameter")


async def test_a_deleted_message_is_gone(either: Client) -> None:
    """MSG-09: in both eras; the answer to a delete; then 404 for everything, also twice."""
    thread = await either.thread("one", "two")
    base = f"/threads/{thread['id']}/messages"
    two, one = await either.listed(base)
    gone = {"id": one["id"], "object": "thread.message.deleted", "deleted": True}
    assert json.dumps(await either.delete(f"{base}/{one['id']}")) == json.dumps(gone)
    not_found = Error(404, f"No message found with id '{one['id']}'.")
    for method, body in (("GET", b""), ("POST", {"metadata": {}}), ("DELETE", b"")):
        assert await either.refused(method, f"{base}/{one['id']}", body) == not_found
    assert await either.listed(base) == [two]


async def test_a_deleted_message_is_not_told_to_the_model(house: House) -> None:
    """MSG-09: later runs do not see it."""
    client = house.client()
    assistant, thread = await client.assistant(), await client.thread("secret", "open")
    base = f"/threads/{thread['id']}/messages"
    secret = (await client.listed(base))[1]
    await client.delete(f"{base}/{secret['id']}")
    await client.settled(await client.run(thread["id"], assistant["id"]))
    (request,) = house.script.requests
    assert "open" in json.dumps(request.messages)
    assert "secret" not in json.dumps(request.messages)


async def test_a_message_belongs_to_its_thread(either: Client) -> None:
    """MSG-09, ERR-40: another thread's path does not lead to it."""
    here, there = await either.thread("one"), await either.thread("two")
    (message,) = await either.listed(f"/threads/{there['id']}/messages")
    path = f"/threads/{here['id']}/messages/{message['id']}"
    not_found = Error(404, f"No message found with id '{message['id']}'.")
    for method, body in (("GET", b""), ("POST", {"metadata": {"a": "b"}}), ("DELETE", b"")):
        assert await either.refused(method, path, body) == not_found
    assert await either.listed(f"/threads/{there['id']}/messages") == [message]


async def test_files_of_a_v1_message(v1: Client) -> None:
    """MSG-10: list and retrieve; created_at is the message's; unknown is ERR-40."""
    files = [await v1.upload(str(n).encode()) for n in range(2)]
    thread = await v1.thread()
    message = await v1.say(thread["id"], "x", file_ids=[file["id"] for file in files])
    path = f"/threads/{thread['id']}/messages/{message['id']}/files"
    listed = await v1.listed(f"{path}?order=asc")
    assert listed == [
        {
            "id": file["id"],
            "object": "thread.message.file",
            "created_at": message["created_at"],
            "message_id": message["id"],
        }
        for file in files
    ]
    assert list(listed[0]) == ["id", "object", "created_at", "message_id"]
    assert await v1.get(f"{path}/{files[0]['id']}") == listed[0]
    error = await v1.refused("GET", f"{path}/file-none")
    assert error == Error(404, "No message file found with id 'file-none'.")
    assert (await v1.refused("POST", path, {"file_id": files[0]["id"]})).status == 405


async def test_v2_has_no_files_of_messages(v2: Client) -> None:
    """MSG-10, ERR-32: the paths are v1's."""
    thread = await v2.thread("hello")
    (message,) = await v2.listed(f"/threads/{thread['id']}/messages")
    path = f"/threads/{thread['id']}/messages/{message['id']}/files"
    assert await v2.refused("GET", path) == Error(404, f"Invalid URL (GET /v1{path})")


async def test_a_refusal_is_a_part_of_its_own(build: Build) -> None:
    """MSG-11: the model's refusal comes out as {"type": "refusal", "refusal": ...}."""
    client = (await build("rules: [{refuse: 'I would rather not.'}]")).client()
    run = await client.turn("hello")
    answer = (await client.listed(f"/threads/{run['thread_id']}/messages"))[0]
    assert answer["content"] == [{"type": "refusal", "refusal": "I would rather not."}]


async def test_a_message_that_ran_out_of_tokens_is_incomplete(build: Build) -> None:
    """MSG-12, MSG-13: reason max_tokens, incomplete_at set, completed_at null, text kept."""
    client = (await build("rules: [{say: 'only half of', finish: length}]")).client()
    run = await client.turn("hello", max_completion_tokens=256)
    answer = (await client.listed(f"/threads/{run['thread_id']}/messages"))[0]
    assert answer["status"] == "incomplete"
    assert answer["incomplete_details"] == {"reason": "max_tokens"}
    assert answer["completed_at"] is None
    assert answer["incomplete_at"] >= answer["created_at"]
    assert answer["content"] == text("only half of")


async def test_a_filtered_message_is_incomplete(build: Build) -> None:
    """MSG-12: reason content_filter."""
    client = (await build("rules: [{say: 'well', finish: content_filter}]")).client()
    run = await client.turn("hello")
    answer = (await client.listed(f"/threads/{run['thread_id']}/messages"))[0]
    assert (answer["status"], answer["incomplete_details"]) == (
        "incomplete",
        {"reason": "content_filter"},
    )


async def test_an_open_message_is_listed_and_kept_when_cancelled(build: Build) -> None:
    """MSG-14: in_progress while the run writes; after a cancel incomplete with its text."""
    client = (await build("rules: [{say: 'so far', hang: true}]")).client()
    assistant, thread = await client.assistant(), await client.thread("hello")
    path = f"/threads/{thread['id']}"
    body = {"assistant_id": assistant["id"], "stream": True}
    async with client.streamed("POST", f"{path}/runs", body) as stream:
        seen = await stream.until("thread.message.delta")
        run_id = next(event.data["id"] for event in seen if event.name == "thread.run.created")
        open_message = (await client.listed(f"{path}/messages"))[0]
        assert (open_message["status"], open_message["run_id"]) == ("in_progress", run_id)
        await client.post(f"{path}/runs/{run_id}/cancel")
        rest = [event.name async for event in stream]
    assert "thread.message.incomplete" in rest
    kept = (await client.listed(f"{path}/messages"))[0]
    assert (kept["id"], kept["status"]) == (open_message["id"], "incomplete")
    assert kept["incomplete_details"] == {"reason": "run_cancelled"}
    assert kept["content"] == text("so far")


async def test_text_survives_to_the_letter(either: Client) -> None:
    """MSG-05: any Unicode comes back as it was sent."""
    odd = "naïve \u0000\n\r\t\"'\\ 🫠 \u202e \u2028 文 e\u0301 </script>"
    thread = await either.thread(odd)
    (message,) = await either.listed(f"/threads/{thread['id']}/messages")
    assert message["content"][0]["text"]["value"] == odd
