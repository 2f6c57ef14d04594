"""Ids: how they look, and what is said of ids that cannot be (contract section 5)."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from understudy import ids

from .client import Client, Error
from .conftest import Build

ALNUM = "[A-Za-z0-9]{24}"


async def test_ids_look_as_they_did(build: Build) -> None:
    """ID-01: prefix, underscore and 24 letters or digits."""
    script = "rules: [{call: [{name: f}]}, {say: done, after_tools: true}]"
    client = (await build(script)).client()
    tools = [{"type": "function", "function": {"name": "f"}}]
    assistant, thread = await client.assistant(tools=tools), await client.thread("hello")
    run = await client.settled(await client.run(thread["id"], assistant["id"]))
    base = f"/threads/{thread['id']}"
    (step,) = await client.listed(f"{base}/runs/{run['id']}/steps")
    (message,) = await client.listed(f"{base}/messages")
    (call,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    for prefix, made in (
        ("asst", assistant),
        ("thread", thread),
        ("msg", message),
        ("run", run),
        ("step", step),
        ("call", call),
    ):
        assert re.fullmatch(f"{prefix}_{ALNUM}", made["id"]), made["id"]


def test_ids_that_are_made_later_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that new rows lie together in the indexes, for as long as anybody will look."""
    times = [0.0, 1_700_000_000.0, 1_700_000_000.1, 1_900_000_000.0, 5_000_000_000.0]
    made = []
    for time in times:
        monkeypatch.setattr(ids, "time", lambda time=time: time)
        made.append(ids.new_id("msg"))
        assert re.fullmatch(f"msg_{ALNUM}", made[-1])
    assert made == sorted(made)


def test_no_id_is_made_twice() -> None:
    """Within one moment, too, and from several threads."""
    with ThreadPoolExecutor(4) as pool:
        batches = pool.map(lambda _: [ids.new_id("run") for _ in range(5_000)], range(4))
        made = [one for batch in batches for one in batch]
    assert len({*made}) == 20_000


async def test_file_ids_have_a_hyphen(either: Client) -> None:
    """ID-02: file- and 24 letters or digits; clients test for file-."""
    assert re.fullmatch(f"file-{ALNUM}", (await either.upload())["id"])


async def test_requests_and_projects_have_their_forms(v2: Client) -> None:
    """ID-03: req_ and 32 hex digits, proj_ and 24 letters or digits."""
    headers = (await v2.send("GET", "/assistants")).headers
    assert re.fullmatch(r"req_[0-9a-f]{32}", headers["x-request-id"])
    assert re.fullmatch(f"proj_{ALNUM}", headers["openai-project"])


async def test_files_of_objects_use_the_id_of_the_file(v1: Client) -> None:
    """ID-04: assistant files and message files have no id of their own."""
    file = await v1.upload()
    assistant = await v1.assistant(file_ids=[file["id"]])
    thread = await v1.thread()
    message = await v1.say(thread["id"], "hello", file_ids=[file["id"]])
    (of_assistant,) = await v1.listed(f"/assistants/{assistant['id']}/files")
    (of_message,) = await v1.listed(f"/threads/{thread['id']}/messages/{message['id']}/files")
    assert of_assistant["id"] == of_message["id"] == file["id"]


PREFIXES = [
    ("/assistants/{}", "assistant_id", "asst"),
    ("/threads/{}", "thread_id", "thread"),
    ("/threads/{}/messages", "thread_id", "thread"),
    ("/threads/thread_a/messages/{}", "message_id", "msg"),
    ("/threads/thread_a/runs/{}", "run_id", "run"),
    ("/threads/thread_a/runs/run_a/steps/{}", "step_id", "step"),
    ("/threads/thread_a/messages?run_id={}", "run_id", "run"),
]


@pytest.mark.parametrize(("path", "name", "prefix"), PREFIXES)
@pytest.mark.parametrize("wrong", ["undefined", "null", "123", "x_thread_"])
async def test_v2_looks_at_the_prefix_first(
    v2: Client, path: str, name: str, prefix: str, wrong: str
) -> None:
    """ID-05, ERR-24: another prefix is a 400 before any look-up."""
    text = f"Invalid '{name}': '{wrong}'. Expected an ID that begins with '{prefix}'."
    error = await v2.refused("GET", path.format(wrong))
    assert error == Error(400, text, param=name, code="invalid_value")


@pytest.mark.parametrize("odd", ["thread_%20", "thread_a.b", "thread_%C3%A4", "thread_a%27b"])
async def test_v2_looks_at_the_characters(v2: Client, odd: str) -> None:
    """ID-05, ERR-25: letters, numbers, underscores and dashes only."""
    error = await v2.refused("GET", f"/threads/{odd}")
    assert (error.status, error.param, error.code) == (400, "thread_id", "invalid_value")
    assert error.message.endswith(
        ". Expected an ID that contains letters, numbers, underscores, or dashes, "
        "but this value contained additional characters."
    )


async def test_v2_looks_at_the_length(v2: Client) -> None:
    """ERR-26: an id of more than 64 characters is a 400."""
    error = await v2.refused("GET", f"/threads/thread_{'a' * 60}")
    assert (error.status, error.param, error.code) == (
        400,
        "thread_id",
        "string_above_max_length",
    )


@pytest.mark.parametrize(
    ("path", "noun"),
    [
        ("/assistants/{}", "assistant"),
        ("/threads/{}", "thread"),
        ("/threads/{}/messages", "thread"),
    ],
)
@pytest.mark.parametrize("wrong", ["asst_a", "thread_a", "undefined", "123"])
async def test_v1_goes_straight_to_not_found(v1: Client, path: str, noun: str, wrong: str) -> None:
    """ID-05, ERR-40: in v1, asst_.. used as a thread id is a 404."""
    error = await v1.refused("GET", path.format(wrong))
    assert error == Error(404, f"No {noun} found with id '{wrong}'.")


async def test_a_short_step_id_is_just_not_found(either: Client) -> None:
    """ID-05: step_123 is a 404 in v2, too."""
    run = await either.turn("hello")
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/steps/step_123"
    error = await either.refused("GET", path)
    assert error == Error(404, "No run step found with id 'step_123'.")
