"""Errors: the envelope and the catalogue of exact texts (contract section 3)."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from .client import JSON, Client, Error
from .conftest import House

CREATE = ("POST", "/assistants")
BAD_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
    "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
    "valid JSON. If you have trouble figuring out how to fix this, please contact us through our "
    "help center at help.openai.com.)"
)


def assistant(**fields: Any) -> JSON:
    return {"model": "scripted", **fields}


def function(**fields: Any) -> JSON:
    return {"type": "function", "function": {"name": "f", **fields}}


async def test_the_envelope_has_four_keys_and_nothing_else(v2: Client) -> None:
    """ERR-01: message, type, param and code are always there, as JSON; null when unset."""
    answer = await v2.send("GET", "/threads/thread_none")
    assert answer.json == {
        "error": {
            "message": "No thread found with id 'thread_none'.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
    }
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/assistants", {}, 400),
        ("GET", "/assistants/asst_none", b"", 404),
        ("GET", "/nowhere", b"", 404),
        ("PATCH", "/assistants", b"", 405),
        ("POST", "/assistants", {"model": 5}, 400),
        ("POST", "/assistants", [], 400),
        ("POST", "/assistants", b"\xff", 400),
    ],
)
async def test_the_status_tells_sdks_which_exception_it_is(
    either: Client, method: str, path: str, body: object, status: int
) -> None:
    """ERR-02, ERR-03: 400 for validation and 404 for missing objects, never 422, 409 or 5xx."""
    assert (await either.refused(method, path, body)).status == status


async def test_the_first_violation_is_told_and_unknown_keys_come_last(v2: Client) -> None:
    """ERR-05: a known key's fault comes before an unknown key, wherever they stand."""
    error = await v2.refused(*CREATE, {"surprise": 1, "temperature": 9, "top_p": 9})
    assert error.param == "model"
    error = await v2.refused(*CREATE, assistant(surprise=1, temperature=9))
    assert error.param == "temperature"
    error = await v2.refused(*CREATE, assistant(surprise=1))
    assert error.param == "surprise"


@pytest.mark.parametrize("era", ["v1", "v2"])
@pytest.mark.parametrize(
    "body", [b"{", b"{'model': 'x'}", b'{"model": "x",}', b"nonsense", b'"\xff"', b"[" * 100_000]
)
async def test_what_is_no_json_is_told_so(house: House, era: Any, body: bytes) -> None:
    """ERR-13: broken JSON, bad UTF-8 and endless nesting, with the HINT text."""
    error = await house.client(era).refused(*CREATE, body)
    assert error == Error(400, BAD_JSON)


@pytest.mark.parametrize(
    ("era", "body", "path"),
    [
        ("v2", {}, "model"),
        ("v1", {}, "model"),
        ("v2", assistant(tools=[{}]), "tools[0].type"),
        ("v2", assistant(tools=[{"type": "function"}]), "tools[0].function"),
        ("v2", assistant(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
    ],
)
async def test_a_missing_parameter_is_named(house: House, era: Any, body: JSON, path: str) -> None:
    """ERR-20: the path of what is missing stands in the text and in param."""
    error = await house.client(era).refused(*CREATE, body)
    text = f"Missing required parameter: '{path}'."
    assert error == Error(400, text, param=path, code="missing_required_parameter")


async def test_an_attachment_needs_tools(v2: Client) -> None:
    """ERR-20, MSG-06: attachments[0].tools is required by the service."""
    message = {"role": "user", "content": "hi", "attachments": [{"file_id": "file-a"}]}
    error = await v2.refused("POST", "/threads", {"messages": [message]})
    path = "messages[0].attachments[0].tools"
    text = f"Missing required parameter: '{path}'."
    assert error == Error(400, text, param=path, code="missing_required_parameter")


@pytest.mark.parametrize(
    ("era", "path", "body", "key", "guess"),
    [
        ("v2", "/assistants", assistant(file_ids=[]), "file_ids", None),
        ("v1", "/assistants", assistant(tool_resources={}), "tool_resources", None),
        ("v2", "/assistants", assistant(instruction="x"), "instruction", "instructions"),
        ("v2", "/assistants", assistant(tools=[function(extra=1)]), "tools[0].function.extra", ""),
        ("v2", "/threads", {"message": []}, "message", "messages"),
        (
            "v2",
            "/threads",
            {"messages": [{"role": "user", "content": "x", "file_ids": []}]},
            "messages[0].file_ids",
            None,
        ),
    ],
)
async def test_an_unknown_parameter_is_named(
    house: House, era: Any, path: str, body: JSON, key: str, guess: str | None
) -> None:
    """ERR-21: with the path, and with a near key if there is one."""
    error = await house.client(era).refused("POST", path, body)
    hint = f" Did you mean '{guess}'?" if guess else ""
    text = f"Unknown parameter: '{key}'.{hint}"
    assert error == Error(400, text, param=key, code="unknown_parameter")


@pytest.mark.parametrize(
    ("body", "path", "expected", "got"),
    [
        ({"model": True}, "model", "a string", "a boolean"),
        ({"model": None}, "model", "a string", "null"),
        (assistant(name=5), "name", "a string", "an integer"),
        (assistant(name=[]), "name", "a string", "an array"),
        (assistant(temperature="hot"), "temperature", "a decimal", "a string"),
        (assistant(tools={}), "tools", "an array", "an object"),
        (assistant(tools=["retrieval"]), "tools[0]", "an object", "a string"),
        (assistant(metadata={"a": 1.5}), "metadata.a", "a string", "a decimal"),
        (assistant(metadata={"a": True}), "metadata.a", "a string", "a boolean"),
        (assistant(metadata={"a": {"b": "c"}}), "metadata.a", "a string", "an object"),
        (
            assistant(tools=[function(), function(name=None)]),
            "tools[1].function.name",
            "a string",
            "null",
        ),
        (
            assistant(response_format=3),
            "response_format",
            "one of a string or an object",
            "an integer",
        ),
    ],
)
async def test_a_wrong_type_is_told_with_both_types(
    v2: Client, body: JSON, path: str, expected: str, got: str
) -> None:
    """ERR-22: articles and JSON types; "one of X or Y" for unions."""
    error = await v2.refused(*CREATE, body)
    text = f"Invalid type for '{path}': expected {expected}, but got {got} instead."
    assert error == Error(400, text, param=path, code="invalid_type")


@pytest.mark.parametrize("sent", ["[]", '"text"', "5", "null", "true"])
async def test_a_body_that_is_no_object_is_a_wrong_type(either: Client, sent: str) -> None:
    """ERR-22: also for the body as a whole, where no parameter can be named."""
    error = await either.refused(*CREATE, sent.encode())
    assert (error.status, error.param, error.code) == (400, None, "invalid_type")
    assert error.message.startswith("Invalid type: expected an object, but got ")


@pytest.mark.parametrize(
    ("era", "path", "body", "param", "value", "supported"),
    [
        (
            "v2",
            "/assistants",
            assistant(tools=[{"type": "retrieval"}]),
            "tools[0].type",
            "retrieval",
            "'code_interpreter', 'function', and 'file_search'",
        ),
        (
            "v1",
            "/assistants",
            assistant(tools=[{"type": "file_search"}]),
            "tools[0].type",
            "file_search",
            "'code_interpreter', 'function', and 'retrieval'",
        ),
        (
            "v2",
            "/threads",
            {"messages": [{"role": "system", "content": "x"}]},
            "messages[0].role",
            "system",
            "'user' and 'assistant'",
        ),
    ],
)
async def test_a_value_outside_of_a_set_is_told_the_set(
    house: House, era: Any, path: str, body: JSON, param: str, value: str, supported: str
) -> None:
    """ERR-23, ASST-12: all supported values, in the order in which they were documented."""
    error = await house.client(era).refused("POST", path, body)
    text = f"Invalid value: '{value}'. Supported values are: {supported}."
    assert error == Error(400, text, param=param, code="invalid_value")


@pytest.mark.parametrize(
    ("fields", "path", "most", "length"),
    [
        ({"name": "n" * 257}, "name", 256, 257),
        ({"description": "d" * 513}, "description", 512, 513),
        ({"instructions": "i" * 256_001}, "instructions", 256_000, 256_001),
        ({"metadata": {"k": "v" * 513}}, "metadata.k", 512, 513),
    ],
)
async def test_a_long_string_is_told_its_length(
    v2: Client, fields: JSON, path: str, most: int, length: int
) -> None:
    """ERR-26, ASST-03: name 256, description 512, instructions 256000, metadata values 512."""
    error = await v2.refused(*CREATE, assistant(**fields))
    text = (
        f"Invalid '{path}': string too long. Expected a string with maximum length {most}, "
        f"but got a string with length {length} instead."
    )
    assert error == Error(400, text, param=path, code="string_above_max_length")


async def test_a_long_key_of_metadata_is_told_its_length(either: Client) -> None:
    """ERR-26, ASST-03: keys have at most 64 characters."""
    error = await either.refused(*CREATE, assistant(metadata={"k" * 65: "v"}))
    assert (error.status, error.code) == (400, "string_above_max_length")
    assert "maximum length 64, but got a string with length 65 instead." in error.message


async def test_an_empty_message_is_too_short(either: Client) -> None:
    """ERR-26, MSG-04: string_below_min_length."""
    error = await either.refused(
        "POST", "/threads", {"messages": [{"role": "user", "content": ""}]}
    )
    path = "messages[0].content"
    text = (
        f"Invalid '{path}': string too short. Expected a string with minimum length 1, "
        "but got a string with length 0 instead."
    )
    assert error == Error(400, text, param=path, code="string_below_min_length")


@pytest.mark.parametrize(
    ("era", "fields", "path", "most", "length"),
    [
        ("v2", {"tools": [function()] * 129}, "tools", 128, 129),
        ("v1", {"file_ids": ["file-a"] * 21}, "file_ids", 20, 21),
        (
            "v2",
            {"tool_resources": {"code_interpreter": {"file_ids": ["file-a"] * 21}}},
            "tool_resources.code_interpreter.file_ids",
            20,
            21,
        ),
        (
            "v2",
            {"tool_resources": {"file_search": {"vector_store_ids": ["vs_a", "vs_b"]}}},
            "tool_resources.file_search.vector_store_ids",
            1,
            2,
        ),
    ],
)
async def test_a_long_array_is_told_its_length(
    house: House, era: Any, fields: JSON, path: str, most: int, length: int
) -> None:
    """ERR-27, ASST-03, ASST-07, ASST-09: 128 tools, 20 files, one vector store."""
    error = await house.client(era).refused(*CREATE, assistant(**fields))
    text = (
        f"Invalid '{path}': array too long. Expected an array with maximum length {most}, "
        f"but got an array with length {length} instead."
    )
    assert error == Error(400, text, param=path, code="array_above_max_length")


async def test_too_much_metadata_is_told_its_size(either: Client) -> None:
    """ERR-28, ASST-03: at most 16 pairs."""
    error = await either.refused(*CREATE, assistant(metadata={str(n): "" for n in range(17)}))
    text = (
        "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, "
        "but got an object with 17 properties instead."
    )
    assert error == Error(400, text, param="metadata", code="object_above_max_properties")


@pytest.mark.parametrize(
    ("fields", "path", "text", "code"),
    [
        (
            {"temperature": 3.0},
            "temperature",
            "decimal above maximum value. Expected a value <= 2, but got 3.0",
            "decimal_above_max_value",
        ),
        (
            {"top_p": -0.5},
            "top_p",
            "decimal below minimum value. Expected a value >= 0, but got -0.5",
            "decimal_below_min_value",
        ),
        (
            {"tools": [{"type": "file_search", "file_search": {"max_num_results": 51}}]},
            "tools[0].file_search.max_num_results",
            "integer above maximum value. Expected a value <= 50, but got 51",
            "integer_above_max_value",
        ),
        (
            {"tools": [{"type": "file_search", "file_search": {"max_num_results": 0}}]},
            "tools[0].file_search.max_num_results",
            "integer below minimum value. Expected a value >= 1, but got 0",
            "integer_below_min_value",
        ),
    ],
)
async def test_a_number_out_of_range_is_told_the_bound(
    v2: Client, fields: JSON, path: str, text: str, code: str
) -> None:
    """ERR-29: integers and decimals, above and below."""
    error = await v2.refused(*CREATE, assistant(**fields))
    assert error == Error(400, f"Invalid '{path}': {text} instead.", param=path, code=code)


async def test_v1_is_refused_in_the_same_words_as_v2(v1: Client, v2: Client) -> None:
    """ERR-80: one dialect for both eras; the validators of 2023 are history."""
    body = assistant(temperature=3.0)
    assert await v1.refused(*CREATE, body) == await v2.refused(*CREATE, body)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("POST", "/foo/bar"), ("DELETE", "/threads/a/b/c")]
)
async def test_an_unknown_url_is_told_back(either: Client, method: str, path: str) -> None:
    """ERR-32: 404 with method and path."""
    assert await either.refused(method, path) == Error(404, f"Invalid URL ({method} /v1{path})")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/assistants"),
        ("DELETE", "/assistants"),
        ("PATCH", "/threads/thread_a"),
        ("POST", "/models"),
        ("DELETE", "/threads/thread_a/runs/run_a"),
    ],
)
async def test_a_wrong_method_is_told_back(either: Client, method: str, path: str) -> None:
    """ERR-33: 405 with the hint; param and code null."""
    assert await either.refused(method, path) == Error(
        405,
        f"Not allowed to {method} on /v1{path}. "
        "(HINT: Perhaps you meant to use a different HTTP method?)",
    )


@pytest.mark.parametrize(
    ("path", "noun", "object_id"),
    [
        ("/assistants/asst_none", "assistant", "asst_none"),
        ("/threads/thread_none", "thread", "thread_none"),
        ("/threads/{thread}/messages/msg_none", "message", "msg_none"),
        ("/threads/{thread}/runs/run_none", "run", "run_none"),
        ("/threads/{thread}/runs/{run}/steps/step_none", "run step", "step_none"),
        ("/threads/{thread}/runs/run_none/steps", "run", "run_none"),
        ("/threads/thread_none/runs/{run}", "thread", "thread_none"),
        ("/threads/thread_none/messages", "thread", "thread_none"),
    ],
)
async def test_an_unknown_id_is_told_with_its_kind(
    either: Client, path: str, noun: str, object_id: str
) -> None:
    """ERR-40: 404, and the missing parent comes first."""
    run = await either.turn("hello")
    full = path.format(thread=run["thread_id"], run=run["id"])
    assert await either.refused("GET", full) == Error(
        404, f"No {noun} found with id '{object_id}'."
    )


@pytest.mark.parametrize(
    ("path", "noun"),
    [
        ("/assistants/{assistant}/files/file-none", "assistant file"),
        ("/threads/{thread}/messages/{message}/files/file-none", "message file"),
    ],
)
async def test_an_unknown_file_of_an_object_is_told_with_its_kind(
    v1: Client, path: str, noun: str
) -> None:
    """ERR-40, MSG-10: No assistant file, no message file."""
    assistant_, thread = await v1.assistant(), await v1.thread("hello")
    message = (await v1.listed(f"/threads/{thread['id']}/messages"))[0]
    full = path.format(assistant=assistant_["id"], thread=thread["id"], message=message["id"])
    assert await v1.refused("GET", full) == Error(404, f"No {noun} found with id 'file-none'.")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/files/{}"), ("DELETE", "/files/{}"), ("GET", "/files/{}/content")],
)
async def test_an_unknown_file_is_told_with_param_id(
    either: Client, method: str, path: str
) -> None:
    """ERR-42: No such File object, param id."""
    for file_id in ("file-none", "nonsense"):
        error = await either.refused(method, path.format(file_id))
        assert error == Error(404, f"No such File object: {file_id}", param="id")


@pytest.mark.parametrize(
    ("era", "path", "body"),
    [
        ("v1", "/assistants", assistant(file_ids=["file-no", "file-none"])),
        (
            "v2",
            "/assistants",
            assistant(
                tools=[{"type": "code_interpreter"}],
                tool_resources={"code_interpreter": {"file_ids": ["file-no", "file-none"]}},
            ),
        ),
        (
            "v2",
            "/threads",
            {"tool_resources": {"code_interpreter": {"file_ids": ["file-no", "file-none"]}}},
        ),
        (
            "v1",
            "/threads",
            {"messages": [{"role": "user", "content": "x", "file_ids": ["file-no", "file-none"]}]},
        ),
    ],
)
async def test_unknown_files_are_listed(house: House, era: Any, path: str, body: JSON) -> None:
    """ERR-43: 404, wherever the files are named."""
    error = await house.client(era).refused("POST", path, body)
    assert error == Error(404, "Files [file-no, file-none] were not found")


async def test_a_model_that_nobody_serves_is_told(either: Client) -> None:
    """ERR-58: 400, param model, code model_not_found, and what to do about it here."""
    error = await either.refused(*CREATE, {"model": "gpt-9"})
    assert (error.status, error.param, error.code) == (400, "model", "model_not_found")
    assert error.message.startswith("The requested model 'gpt-9' does not exist.")


@pytest.mark.parametrize("form", ["json_object", "json_schema"])
async def test_json_answers_need_functions_only(v2: Client, form: str) -> None:
    """ERR-60, ASST-13: hosted tools do not go with json_object or json_schema."""
    schema = {"json_schema": {"name": "s", "schema": {}}} if form == "json_schema" else {}
    fields = {"response_format": {"type": form, **schema}}
    error = await v2.refused(*CREATE, assistant(tools=[{"type": "file_search"}], **fields))
    assert error == Error(
        400,
        "Invalid tools: all tools must be of type `function` when `response_format` is of type "
        f"`{form}`.",
    )
    assert (await v2.assistant(tools=[function()], **fields))["response_format"]["type"] == form


async def test_one_file_too_many_for_a_v1_assistant(v1: Client) -> None:
    """ERR-63: the 21st file is refused, and the 20 stay."""
    ids = [(await v1.upload(b"x", f"{n}.txt"))["id"] for n in range(21)]
    made = await v1.assistant(file_ids=ids[:20])
    path = f"/assistants/{made['id']}/files"
    assert await v1.refused("POST", path, {"file_id": ids[20]}) == Error(
        400, "Assistant support at most 20 files, remove some files before adding new ones."
    )
    assert (await v1.get(f"/assistants/{made['id']}"))["file_ids"] == ids[:20]


async def test_an_error_of_ours_says_so_and_hides_the_cause(house: House, v1: Client) -> None:
    """ERR-72: 500 and server_error, in the envelope, with the request id; no word of the cause."""
    made = await v1.assistant()
    with closing(sqlite3.connect(house.ports.settings.database_path)) as connection, connection:
        connection.execute("UPDATE assistants SET body = x'00'")
    answer = await v1.send("GET", f"/assistants/{made['id']}")
    error = answer.error
    assert (error.status, error.type, error.code) == (500, "server_error", None)
    assert error.message.startswith("The server had an error processing your request.")
    assert answer.headers["x-request-id"] in error.message
    assert "JSON" not in error.message


@pytest.mark.parametrize("table", ["assistants", "api_keys"])
async def test_a_database_that_cannot_be_read_is_a_503(house: House, table: str) -> None:
    """SDK clients try again; no word of SQL."""
    with closing(sqlite3.connect(house.ports.settings.database_path)) as connection:
        connection.execute(f"DROP TABLE {table}")
    error = (await house.client().send("GET", "/assistants")).error
    assert (error.status, error.type, error.code) == (503, "server_error", None)
    assert error.message == "The database cannot be read. Try again; the log has the cause."
