"""Assistants (contract section 6)."""

import asyncio
import json
from typing import Any

import pytest

from .client import JSON, Client, Error
from .conftest import House

KEYS_V1 = [
    "id",
    "object",
    "created_at",
    "name",
    "description",
    "model",
    "instructions",
    "tools",
    "top_p",
    "temperature",
    "file_ids",
    "metadata",
    "response_format",
]
KEYS_V2 = [
    "id",
    "object",
    "created_at",
    "name",
    "description",
    "model",
    "instructions",
    "tools",
    "top_p",
    "temperature",
    "reasoning_effort",
    "tool_resources",
    "metadata",
    "response_format",
]
CODE = {"type": "code_interpreter"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def function(**fields: Any) -> JSON:
    return {"type": "function", "function": fields}


@pytest.mark.parametrize(("era", "keys"), [("v1", KEYS_V1), ("v2", KEYS_V2)])
async def test_the_wire_has_the_recorded_keys_in_their_order(
    house: House, era: Any, keys: list[str]
) -> None:
    """ASST-01, ASST-02, GEN-05: create, retrieve, modify and list show the same object."""
    client = house.client(era)
    made = await client.assistant()
    path = f"/assistants/{made['id']}"
    for shown in (
        made,
        await client.get(path),
        await client.post(path, {}),
        *await client.listed("/assistants"),
    ):
        assert list(shown) == keys
        assert shown == made


@pytest.mark.parametrize(
    ("era", "own"),
    [("v1", {"file_ids": []}), ("v2", {"tool_resources": {}, "reasoning_effort": None})],
)
async def test_only_the_model_is_required(house: House, era: Any, own: JSON) -> None:
    """ASST-03, GEN-06: the defaults of everything else."""
    made = await house.client(era).post("/assistants", {"model": "scripted"})
    made.pop("id")
    made.pop("created_at")
    assert made == {
        "object": "assistant",
        "name": None,
        "description": None,
        "model": "scripted",
        "instructions": None,
        "tools": [],
        "top_p": 1.0,
        "temperature": 1.0,
        "metadata": {},
        "response_format": "auto",
        **own,
    }


async def test_everything_at_its_limit_is_accepted_and_echoed(either: Client) -> None:
    """ASST-03: lengths count characters, not bytes."""
    fields = {
        "name": "ä" * 256,
        "description": "😀" * 512,
        "instructions": "i" * 256_000,
        "metadata": {f"{n:064}": "v" * 512 for n in range(16)},
        "temperature": 2,
        "top_p": 0,
        "tools": [function(name=f"f{n}", parameters=SCHEMA) for n in range(128)],
    }
    made = await either.assistant(**fields)
    tools = made.pop("tools")
    assert [tool["function"]["name"] for tool in tools] == [f"f{n}" for n in range(128)]
    fields.pop("tools")
    assert {name: made[name] for name in fields} == fields


@pytest.mark.parametrize("null", ["name", "instructions", "temperature", "metadata", "top_p"])
async def test_null_means_not_given(either: Client, null: str) -> None:
    """ASST-03: SDKs send the nulls of their models."""
    made = await either.assistant(**{null: None})
    plain = await either.assistant()
    assert {**made, "id": "", "created_at": 0} == {**plain, "id": "", "created_at": 0}


async def test_tool_resources_follow_the_tools(v2: Client) -> None:
    """ASST-04: {} without need, an empty list with code_interpreter, else what was given."""
    assert (await v2.assistant())["tool_resources"] == {}
    assert (await v2.assistant(tools=[{"type": "file_search"}]))["tool_resources"] == {}
    with_code = await v2.assistant(tools=[CODE])
    assert with_code["tool_resources"] == {"code_interpreter": {"file_ids": []}}
    file = await v2.upload()
    given = {"code_interpreter": {"file_ids": [file["id"]]}}
    made = await v2.assistant(tools=[CODE], tool_resources=given)
    assert made["tool_resources"] == given


@pytest.mark.parametrize(("era", "strict"), [("v1", {}), ("v2", {"strict": False})])
async def test_functions_are_echoed_with_their_defaults(
    house: House, era: Any, strict: JSON
) -> None:
    """ASST-05: missing parameters become an empty schema; strict is false in v2, absent in v1."""
    client = house.client(era)
    made = await client.assistant(
        tools=[function(name="bare"), function(name="full", description="d", parameters=SCHEMA)]
    )
    bare, full = (tool["function"] for tool in made["tools"])
    assert bare["parameters"] == {"type": "object", "properties": {}}
    assert full == {"name": "full", "description": "d", "parameters": SCHEMA, **strict}
    assert list(full) == ["name", "description", "parameters", *strict]


async def test_a_strict_function_stays_strict(v2: Client) -> None:
    """ASST-05: strict is echoed."""
    made = await v2.assistant(tools=[function(name="f", parameters=SCHEMA, strict=True)])
    assert made["tools"][0]["function"]["strict"] is True


@pytest.mark.parametrize("name", ["", "with space", "é", "x" * 65, "a.b"])
async def test_a_function_name_has_few_characters(either: Client, name: str) -> None:
    """ASST-05: letters, digits, underscores and dashes, 1 to 64 of them."""
    body = {"model": "scripted", "tools": [function(name=name)]}
    error = await either.refused("POST", "/assistants", body)
    assert (error.status, error.param) == (400, "tools[0].function.name")


async def test_file_search_is_echoed_with_its_ranking(v2: Client) -> None:
    """ASST-06: the default ranking is shown; max_num_results only if it was given."""
    ranking = {"ranker": "default_2024_08_21", "score_threshold": 0.0, "hybrid_search": None}
    plain = await v2.assistant(tools=[{"type": "file_search"}])
    assert plain["tools"] == [{"type": "file_search", "file_search": {"ranking_options": ranking}}]
    given = {"max_num_results": 5, "ranking_options": {"score_threshold": 0.5}}
    made = await v2.assistant(tools=[{"type": "file_search", "file_search": given}])
    assert made["tools"][0]["file_search"] == {
        "max_num_results": 5,
        "ranking_options": {**ranking, "score_threshold": 0.5},
    }


async def test_what_was_read_can_be_sent_back(v2: Client) -> None:
    """ASST-06, ASST-08: tools and resources as they were echoed are accepted again."""
    made = await v2.assistant(tools=[CODE, {"type": "file_search"}, function(name="f")])
    names = ("tools", "tool_resources", "metadata", "response_format", "model", "name")
    sent = {name: made[name] for name in names}
    assert await v2.post(f"/assistants/{made['id']}", sent) == made


async def test_a_store_is_either_named_or_made(v2: Client) -> None:
    """ASST-07: vector_store_ids and vector_stores together are an error."""
    search = {"vector_store_ids": ["vs_a"], "vector_stores": [{"file_ids": []}]}
    body = {"model": "scripted", "tool_resources": {"file_search": search}}
    error = await v2.refused("POST", "/assistants", body)
    assert (error.status, error.param) == (400, "tool_resources.file_search")


FULL: JSON = {
    "name": "n",
    "description": "d",
    "instructions": "i",
    "temperature": 0.5,
    "top_p": 0.25,
    "metadata": {"a": "1", "b": "2"},
    "response_format": {"type": "json_object"},
}


@pytest.mark.parametrize(
    ("sent", "changed"),
    [
        ({}, {}),
        ({"name": "new"}, {"name": "new"}),
        ({"name": None}, {"name": None}),
        ({"description": None}, {"description": None}),
        ({"instructions": None}, {"instructions": None}),
        ({"temperature": None}, {"temperature": 1.0}),
        ({"metadata": {"a": "9"}}, {"metadata": {"a": "9"}}),
        ({"metadata": {}}, {"metadata": {}}),
        ({"metadata": None}, {"metadata": {}}),
        ({"response_format": "auto"}, {"response_format": "auto"}),
        ({"model": "demo"}, {"model": "demo"}),
        ({"tools": [function(name="f")]}, None),
    ],
)
async def test_modify_changes_what_is_given(
    either: Client, sent: JSON, changed: JSON | None
) -> None:
    """ASST-08: omitted keys stay, null clears, tools and metadata are replaced as a whole."""
    made = await either.assistant(**FULL)
    path = f"/assistants/{made['id']}"
    after = await either.post(path, sent)
    if changed is None:
        assert [tool["function"]["name"] for tool in after["tools"]] == ["f"]
    else:
        assert after == {**made, **changed}
    assert await either.get(path) == after


async def test_tools_and_resources_are_replaced_as_a_whole(v2: Client) -> None:
    """ASST-08: an empty list removes all tools; each named resource is replaced."""
    one, two = await v2.upload(b"1"), await v2.upload(b"2")
    given = {"code_interpreter": {"file_ids": [one["id"]]}}
    made = await v2.assistant(tools=[CODE, function(name="f")], tool_resources=given)
    path = f"/assistants/{made['id']}"
    swapped = {"code_interpreter": {"file_ids": [two["id"]]}}
    after = await v2.post(path, {"tool_resources": swapped})
    assert (after["tool_resources"], after["tools"]) == (swapped, made["tools"])
    assert (await v2.post(path, {"tools": []}))["tools"] == []


async def test_changes_at_the_same_time_are_all_kept(v2: Client) -> None:
    """ASST-08: two modifications of different keys do not undo each other."""
    made = await v2.assistant()
    path = f"/assistants/{made['id']}"
    fields = ("name", "description", "instructions")
    await asyncio.gather(*(v2.post(path, {name: name}) for name in fields))
    after = await v2.get(path)
    assert [after[name] for name in fields] == [*fields]


async def test_v1_files_are_a_set_that_modify_replaces(v1: Client) -> None:
    """ASST-09: file_ids replaces all; omitting it keeps them; [] empties."""
    one, two = (await v1.upload(b"1"))["id"], (await v1.upload(b"2"))["id"]
    made = await v1.assistant(file_ids=[one])
    path = f"/assistants/{made['id']}"
    assert (await v1.post(path, {"name": "n"}))["file_ids"] == [one]
    assert (await v1.post(path, {"file_ids": [two]}))["file_ids"] == [two]
    assert (await v1.post(path, {"file_ids": []}))["file_ids"] == []


async def test_files_of_an_assistant(v1: Client) -> None:
    """ASST-10: create, retrieve, list, delete; deleting detaches and keeps the file."""
    file = await v1.upload()
    made = await v1.assistant(tools=[{"type": "retrieval"}])
    path = f"/assistants/{made['id']}/files"
    attached = await v1.post(path, {"file_id": file["id"]})
    assert list(attached) == ["id", "object", "created_at", "assistant_id"]
    assert attached["object"] == "assistant.file"
    assert (attached["id"], attached["assistant_id"]) == (file["id"], made["id"])
    assert await v1.get(f"{path}/{file['id']}") == attached
    assert await v1.listed(path) == [attached]
    assert (await v1.get(f"/assistants/{made['id']}"))["file_ids"] == [file["id"]]
    gone = await v1.delete(f"{path}/{file['id']}")
    assert gone == {"id": file["id"], "object": "assistant.file.deleted", "deleted": True}
    assert await v1.listed(path) == []
    assert (await v1.get(f"/assistants/{made['id']}"))["file_ids"] == []
    assert await v1.get(f"/files/{file['id']}") == file
    again = await v1.refused("DELETE", f"{path}/{file['id']}")
    assert again == Error(404, f"No assistant file found with id '{file['id']}'.")


async def test_files_of_an_assistant_page_like_any_list(v1: Client) -> None:
    """ASST-10, LIST-02 to LIST-05: limit, order, after, before."""
    ids = [(await v1.upload(str(n).encode()))["id"] for n in range(4)]
    made = await v1.assistant(file_ids=ids)
    path = f"/assistants/{made['id']}/files"

    async def page(query: str) -> tuple[list[str], bool]:
        found = await v1.get(f"{path}?{query}")
        return [one["id"] for one in found["data"]], found["has_more"]

    assert await page("") == (ids[::-1], False)
    assert await page("order=asc&limit=2") == (ids[:2], True)
    assert await page(f"order=asc&after={ids[1]}") == (ids[2:], False)
    assert await page(f"order=asc&limit=1&before={ids[2]}") == ([ids[1]], True)
    assert (await v1.refused("GET", f"{path}?limit=101")).param == "limit"


async def test_attaching_an_unknown_file_is_refused(v1: Client) -> None:
    """ASST-10, ERR-43: and nothing is attached; a second time attached is attached once."""
    made, file = await v1.assistant(), await v1.upload()
    path = f"/assistants/{made['id']}/files"
    error = await v1.refused("POST", path, {"file_id": "file-none"})
    assert error == Error(404, "Files [file-none] were not found")
    assert (await v1.refused("POST", path, {})).message == (
        "Missing required parameter: 'file_id'."
    )
    for _ in range(2):
        await v1.post(path, {"file_id": file["id"]})
    assert len(await v1.listed(path)) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_v2_has_no_files_of_assistants(v2: Client, method: str) -> None:
    """ASST-10, ERR-32: the paths do not exist in v2."""
    made = await v2.assistant()
    path = f"/assistants/{made['id']}/files"
    error = await v2.refused(method, path, {"file_id": "file-a"})
    assert error == Error(404, f"Invalid URL ({method} /v1{path})")


async def test_a_deleted_assistant_is_gone_at_once(either: Client) -> None:
    """ASST-11: the answer to a delete; the second one finds nothing; the list forgets it."""
    made, kept = await either.assistant(), await either.assistant()
    path = f"/assistants/{made['id']}"
    gone = {"id": made["id"], "object": "assistant.deleted", "deleted": True}
    answer = await either.send("DELETE", path)
    assert (answer.status, answer.json) == (200, gone)
    assert list(answer.json) == list(gone)
    not_found = Error(404, f"No assistant found with id '{made['id']}'.")
    assert await either.refused("DELETE", path) == not_found
    assert await either.refused("GET", path) == not_found
    assert await either.refused("POST", path, {"name": "n"}) == not_found
    assert await either.listed("/assistants") == [kept]


async def test_threads_and_runs_outlive_their_assistant(either: Client) -> None:
    """ASST-11: the dangling id stays; a new run with it is a 404."""
    run = await either.turn("hello")
    assistant_id, base = run["assistant_id"], f"/threads/{run['thread_id']}"
    await either.delete(f"/assistants/{assistant_id}")
    assert await either.get(f"{base}/runs/{run['id']}") == run
    answered = (await either.listed(f"{base}/messages"))[0]
    assert answered["assistant_id"] == assistant_id
    error = await either.refused("POST", f"{base}/runs", {"assistant_id": assistant_id})
    assert error == Error(404, f"No assistant found with id '{assistant_id}'.")
    assert len(await either.listed(f"{base}/runs")) == 1


@pytest.mark.parametrize(
    ("era", "types"),
    [
        ("v1", ["code_interpreter", "retrieval", "function"]),
        ("v2", ["code_interpreter", "file_search", "function"]),
    ],
)
async def test_each_era_has_its_tool_types(house: House, era: Any, types: list[str]) -> None:
    """ASST-12: three types each, echoed in the order in which they were given."""
    tools = [function(name="f") if one == "function" else {"type": one} for one in types]
    made = await house.client(era).assistant(tools=tools)
    assert [tool["type"] for tool in made["tools"]] == types


async def test_json_answers_stay_without_hosted_tools_after_a_change(v2: Client) -> None:
    """ASST-13, ERR-60: also when a modification brings both together."""
    made = await v2.assistant(tools=[CODE])
    path = f"/assistants/{made['id']}"
    error = await v2.refused("POST", path, {"response_format": {"type": "json_object"}})
    assert error.message.startswith("Invalid tools: all tools must be of type `function`")
    assert await v2.get(path) == made


EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@pytest.mark.parametrize("effort", [None, *EFFORTS])
async def test_reasoning_effort_is_kept_in_v2(v2: Client, effort: str | None) -> None:
    """ASST-14: each documented value, and null."""
    made = await v2.assistant(reasoning_effort=effort)
    assert made["reasoning_effort"] == effort


async def test_reasoning_effort_is_checked(v1: Client, v2: Client) -> None:
    """ASST-14, ERR-23: another value is refused, and v1 does not know the parameter."""
    body = {"model": "scripted", "reasoning_effort": "extreme"}
    error = await v2.refused("POST", "/assistants", body)
    assert (error.param, error.code) == ("reasoning_effort", "invalid_value")
    listed = "', '".join(EFFORTS[:-1])
    assert error.message == (
        f"Invalid value: 'extreme'. Supported values are: '{listed}', and 'max'."
    )
    error = await v1.refused("POST", "/assistants", body)
    assert (error.param, error.code) == ("reasoning_effort", "unknown_parameter")


async def test_another_project_sees_no_assistant(v1: Client, stranger: Client) -> None:
    """GEN-18: 404 for every operation, as for an id that never was; nothing happens to it."""
    file = await v1.upload()
    made = await v1.assistant(name="mine", file_ids=[file["id"]])
    path = f"/assistants/{made['id']}"
    not_found = Error(404, f"No assistant found with id '{made['id']}'.")
    for method, body in (("GET", b""), ("POST", {"name": "theirs"}), ("DELETE", b"")):
        assert await stranger.refused(method, path, body) == not_found
    beta = {"OpenAI-Beta": "assistants=v1"}
    for method, below, sent in (
        ("GET", "/files", b""),
        ("POST", "/files", {"file_id": file["id"]}),
        ("GET", f"/files/{file['id']}", b""),
        ("DELETE", f"/files/{file['id']}", b""),
    ):
        assert await stranger.refused(method, path + below, sent, headers=beta) == not_found
    thread = await stranger.thread("hello")
    run = {"assistant_id": made["id"]}
    assert await stranger.refused("POST", f"/threads/{thread['id']}/runs", run) == not_found
    assert await stranger.refused("POST", "/threads/runs", run) == not_found
    assert await v1.get(path) == made


async def test_files_of_another_project_cannot_be_used(v1: Client, stranger: Client) -> None:
    """GEN-18, ERR-43: a foreign file is an unknown file."""
    file = await v1.upload()
    resources = {"code_interpreter": {"file_ids": [file["id"]]}}
    body = {"model": "scripted", "tools": [CODE], "tool_resources": resources}
    error = await stranger.refused("POST", "/assistants", body)
    assert error == Error(404, f"Files [{file['id']}] were not found")


async def test_schemas_are_kept_to_the_letter(v2: Client) -> None:
    """ASST-05: order, numbers and strange keys of a JSON schema survive."""
    schema = {
        "type": "object",
        "properties": {"z": {"const": 1.0}, "a": {"enum": [None, 10**15, "ü", 0.1]}, "": {}},
        "$defs": {"t": True},
    }
    made = await v2.assistant(tools=[function(name="f", parameters=schema)])
    shown = (await v2.get(f"/assistants/{made['id']}"))["tools"][0]["function"]["parameters"]
    assert json.dumps(shown) == json.dumps(schema)


@pytest.mark.parametrize("path", ["/assistants", "/threads"])
async def test_a_vector_store_that_does_not_exist_is_not_found(v2: Client, path: str) -> None:
    """ERR-41."""
    resources = {"file_search": {"vector_store_ids": ["vs_abc123"]}}
    body: dict[str, object] = {"tool_resources": resources}
    if path == "/assistants":
        body["model"] = "demo"
    error = await v2.refused("POST", path, body)
    assert (error.status, error.message) == (404, "No vector store found with id 'vs_abc123'.")


async def test_files_that_are_attached_at_once_are_all_there(house: House, v1: Client) -> None:
    """ASST-10: nobody overwrites what another request has just attached."""
    del house
    assistant = await v1.assistant()
    files = [await v1.upload(b"x", filename=f"{n}.txt") for n in range(3)]
    path = f"/assistants/{assistant['id']}/files"
    await asyncio.gather(*(v1.post(path, {"file_id": file["id"]}) for file in files))
    found = await v1.get(f"/assistants/{assistant['id']}")
    assert sorted(found["file_ids"]) == sorted(file["id"] for file in files)
