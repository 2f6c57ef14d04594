"""The demo: deterministic, obedient to every field, and honest."""

import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from understudy.upstream.base import Finished, TextDelta, ToolCallDelta
from understudy.upstream.demo import Demo
from understudy.upstream.schema_instance import minimal_instance

from .conversations import (
    SEARCH,
    TIME,
    WEATHER,
    Heard,
    after_tools,
    ask,
    events_of,
    hear,
    user,
)

FORCED = {"type": "function", "function": {"name": "get_weather"}}


async def demo(text: str, **fields: Any) -> Heard:
    """Return the demo's answer."""
    return await hear(Demo(), ask(text, **fields))


async def test_it_says_what_it_is_and_how_to_attach_a_model() -> None:
    """Nobody may take it for a language model."""
    text = (await demo("Why is the sky blue?")).text
    assert "not a language model" in text
    assert "“Why is the sky blue?”" in text
    assert "UNDERSTUDY_UPSTREAM_URL" in text


async def test_it_streams_word_by_word() -> None:
    """One word is one delta, and the deltas join to the text."""
    events = await events_of(Demo(), ask("a  b\n\nc"))
    words = [event.text for event in events if isinstance(event, TextDelta)]
    assert all(len(word.split()) == 1 for word in words)
    assert "“a  b\n\nc”" in "".join(words)


async def test_it_says_that_it_received_images_and_functions() -> None:
    """What it received is said in full, with a line that calls a function."""
    image = {"type": "image_url", "image_url": {"url": "https://x/"}}
    content = [{"type": "text", "text": "look"}, image]
    answer = await demo("", messages=[{"role": "user", "content": content}], tools=[WEATHER])
    assert "1 image" in answer.text
    assert '/call get_weather {"city": "", "unit": "C"}' in answer.text


async def test_arguments_come_in_pieces() -> None:
    """A call is streamed as models do: name first, arguments in two deltas or more."""
    events = await events_of(Demo(), ask('/call get_weather {"city":"Oslo"}', tools=[WEATHER]))
    pieces = [e for e in events if isinstance(e, ToolCallDelta) and e.arguments]
    assert len(pieces) >= 2
    assert events[-1] == Finished("tool_calls")


async def test_parallel_calls_may_be_forbidden() -> None:
    """parallel_tool_calls: false leaves the first call."""
    text = "/call get_weather {}\n  /call get_time {}"
    tools = [WEATHER, TIME]
    assert len((await demo(text, tools=tools)).calls) == 2
    assert len((await demo(text, tools=tools, parallel_tool_calls=False)).calls) == 1


@pytest.mark.parametrize(
    ("text", "fields", "words"),
    [
        ("/call get_weather {}", {}, "was not offered get_weather"),
        ("/call nothing {}", {"tools": [WEATHER]}, "was not offered nothing"),
        ("/call get_weather {oops", {"tools": [WEATHER]}, "have to be a JSON object"),
        ("/call get_weather {}", {"tools": [WEATHER], "tool_choice": "none"}, "It received"),
    ],
)
async def test_calls_that_cannot_be_made_are_explained(
    text: str, fields: dict[str, Any], words: str
) -> None:
    """A function that is not offered, bad JSON, and tool_choice none get an answer in words."""
    answer = await demo(text, **fields)
    assert not answer.calls
    assert words in answer.text


async def test_a_forced_function_is_called_with_what_its_schema_requires() -> None:
    """RUN-33: tool_choice names a function, and it is called."""
    answer = await demo("hi", tools=[TIME, WEATHER], tool_choice=FORCED)
    ((_, name, arguments),) = answer.calls
    assert name == "get_weather"
    assert json.loads(arguments) == {"city": "", "unit": "C"}


async def test_a_forced_function_takes_the_arguments_of_its_line() -> None:
    """A /call line gives the arguments of the forced function; other lines wait."""
    text = '/call get_time {}\n/call get_weather {"city":"Bergen"}'
    answer = await demo(text, tools=[TIME, WEATHER], tool_choice=FORCED)
    assert [call[1:] for call in answer.calls] == [["get_weather", '{"city":"Bergen"}']]


async def test_required_means_some_call() -> None:
    """RUN-33: tool_choice required calls the first function when no line says which."""
    answer = await demo("hi", tools=[TIME, WEATHER], tool_choice="required")
    assert [call[1:] for call in answer.calls] == [["get_time", "{}"]]


async def test_a_question_is_looked_up_in_the_files() -> None:
    """Where file_search is offered, it is called with the last message of the user."""
    messages = [user("Hi."), {"role": "assistant", "content": "Hi."}, user("When does it “open”?")]
    answer = await demo("", messages=messages, tools=[WEATHER, SEARCH])
    ((_, name, arguments),) = answer.calls
    assert name == "file_search"
    assert json.loads(arguments) == {"query": "When does it “open”?"}
    assert answer.finish == "tool_calls"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("When?", {"tool_choice": "none"}),
        (" ", {}),
        ("/call nothing {}", {}),
        ("When?", {"response_format": {"type": "json_object"}}),
        ("When?", {"tools": [{"type": "function", "function": {"name": "file_search"}}]}),
    ],
)
async def test_what_is_no_question_to_the_files_is_not_looked_up(
    text: str, fields: dict[str, Any]
) -> None:
    """Nor is it when the request forbids it, or asks a function that takes no query."""
    answer = await demo(text, **{"tools": [SEARCH], **fields})
    assert not answer.calls
    assert answer.text


async def test_a_call_line_goes_before_the_files() -> None:
    """What the user wants called is called, and then nothing is looked up."""
    answer = await demo("/call get_weather {}", tools=[SEARCH, WEATHER])
    assert [call[1] for call in answer.calls] == ["get_weather"]
    asked = after_tools("/call get_weather {}", "18 degrees")
    told = await hear(Demo(), msgspec.structs.replace(asked, tools=[SEARCH, WEATHER]))
    assert "get_weather returned 18 degrees" in told.text


async def test_a_forced_search_has_a_query() -> None:
    """RUN-33: tool_choice names file_search, and it is called with the message."""
    choice = {"type": "function", "function": {"name": "file_search"}}
    answer = await demo("When?", tools=[WEATHER, SEARCH], tool_choice=choice)
    assert [call[1:] for call in answer.calls] == [["file_search", '{"query": "When?"}']]


FOUND = """\
To cite, write a marker, for example 【4:0†source】.

【4:0†source】 house.pdf
Dogs may come in. We open at six
every day.

【4:1†source】 garden.pdf
The garden is green."""


async def test_it_answers_from_passages_and_cites_them() -> None:
    """ANN-03: words of the file, with the marker right behind, and honesty before them."""
    answer = await hear(Demo(), after_tools("When do you open?", FOUND, name="file_search"))
    assert "built-in demo, not a language model" in answer.text
    assert "“We open at six every day.”【4:0†source】" in answer.text
    assert "【4:1†source】" not in answer.text
    assert answer.finish == "stop"


async def test_a_marker_is_one_delta() -> None:
    """Words are deltas, and a marker has no space in it."""
    events = await events_of(Demo(), after_tools("Is it green?", FOUND, name="file_search"))
    words = [event.text for event in events if isinstance(event, TextDelta)]
    assert any(word.endswith("green.”【4:1†source】") for word in words)


async def test_it_says_that_nothing_was_found() -> None:
    """No passages, no quotes, no markers."""
    answer = await hear(Demo(), after_tools("When?", "Nothing was found.", name="file_search"))
    assert "found nothing in the files" in answer.text
    assert "【" not in answer.text


async def test_passages_and_other_outputs_are_both_told() -> None:
    """A model may be given the outputs of several tools at once."""
    calls = [
        {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for name in ("get_weather", "file_search")
    ]
    messages = [
        user("When do you open?"),
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "get_weather", "content": "sun"},
        {"role": "tool", "tool_call_id": "file_search", "content": FOUND},
    ]
    text = (await demo("", messages=messages, tools=[WEATHER, SEARCH])).text
    assert "get_weather returned sun" in text
    assert "【4:0†source】" in text
    assert "file_search returned" not in text


async def test_json_object() -> None:
    """response_format json_object gets an object."""
    answer = await demo("hi", response_format={"type": "json_object"})
    assert json.loads(answer.text)["received"] == "hi"


SCHEMAS: list[Any] = [
    {"type": "object"},
    {
        "type": "object",
        "properties": {
            "kind": {"const": "x"},
            "unit": {"enum": ["C", "F"]},
            "count": {"type": "integer", "minimum": 3},
            "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "debt": {"type": "number", "maximum": -2.5},
            "even": {"type": "integer", "exclusiveMinimum": 2, "multipleOf": 2},
            "name": {"type": "string", "minLength": 2},
            "day": {"type": "string", "format": "date"},
            "on": {"type": "boolean", "default": True},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "none": {"type": ["null", "string"]},
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "node": {"$ref": "#/$defs/node"},
            "both": {
                "allOf": [
                    {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                    {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
                ]
            },
            "pair": {"prefixItems": [{"type": "integer"}], "minItems": 2, "items": {}},
            "optional": {"type": "string"},
        },
        "required": [
            "kind", "unit", "count", "share", "debt", "even", "name", "day", "on", "tags", "none",
            "maybe", "node", "both", "pair",
        ],
        "additionalProperties": False,
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "integer"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["value", "next", "children"],
            }
        },
    },
    {"type": "array", "items": {"type": "integer"}, "minItems": 1},
    {"enum": ["only"]},
    {},
]  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_json_schema(schema: dict[str, Any]) -> None:
    """response_format json_schema gets a value that the schema accepts."""
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    answer = await demo("hi", response_format=wanted)
    value = json.loads(answer.text)
    assert jsonschema_rs.is_valid(schema, value), value
    if "properties" in schema:
        assert "optional" not in value


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/none"},
        {"$ref": "elsewhere.json"},
        {"type": "object", "required": ["x"], "properties": {"x": {"$ref": "#"}}},
        {"allOf": [{"$ref": "#"}]},
        {"type": "object", "required": ["a", "b"],
         "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}},
        {"type": "array", "minItems": 10**9, "items": {}},
        {"type": "string", "minLength": 10**12},
        True,
    ],
)  # fmt: skip
def test_schemas_without_a_finite_value_end_too(schema: Any) -> None:
    """No schema keeps the demo from answering."""
    json.dumps(minimal_instance(schema))


async def test_call_ids_differ_between_calls_and_turns() -> None:
    """Ids are made from the conversation, so that a later turn has others."""
    text = "/call get_time\n/call get_time"
    first = await demo(text, tools=[TIME])
    second = await demo("", tools=[TIME], messages=[user("before"), user(text)])
    assert len({call[0] for call in [*first.calls, *second.calls]}) == 4
