"""Whatever bytes arrive, the answer is a struct or an InvalidRequest."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.errors import InvalidRequest
from understudy.wire.era import Era
from understudy.wire.params import assistants, messages, runs, threads

Parse = Callable[[bytes, Era], object]


def _run(body: bytes, era: Era) -> object:
    return runs.parse_create(body, era, "thread_1")


PARSERS: list[Parse] = [
    assistants.parse_create,
    assistants.parse_modify,
    threads.parse_create,
    threads.parse_modify,
    messages.parse_create,
    messages.parse_modify,
    _run,
    runs.parse_create_thread_and_run,
    runs.parse_submit,
]
ERAS: list[Era] = ["v1", "v2"]
KEYS = [
    "model",
    "role",
    "content",
    "type",
    "tools",
    "function",
    "name",
    "parameters",
    "metadata",
    "tool_resources",
    "file_search",
    "vector_stores",
    "attachments",
    "file_ids",
    "assistant_id",
    "thread",
    "messages",
    "tool_choice",
    "response_format",
    "json_schema",
    "truncation_strategy",
    "temperature",
    "tool_outputs",
    "thread_id",
]
WORDS = ["user", "text", "function", "file_search", "retrieval", "auto", "asst_1", "last_messages"]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(WORDS)
)
documents = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=6)
    ),
    max_leaves=25,
)
objects = st.dictionaries(st.sampled_from(KEYS), documents, max_size=8)


def _survives(parse: Parse, body: bytes, era: Era) -> None:
    with suppress(InvalidRequest):
        parse(body, era)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PARSERS), st.sampled_from(ERAS), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(parse: Parse, era: Era, body: bytes) -> None:
    _survives(parse, body, era)


@settings(max_examples=1_000, deadline=None)
@given(st.sampled_from(PARSERS), st.sampled_from(ERAS), documents | objects)
def test_any_json_is_read_or_refused(parse: Parse, era: Era, document: Any) -> None:
    _survives(parse, json.dumps(document).encode(), era)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "body",
    [
        b'"\\ud800"',
        b'{"model":"\\ud800"}',
        b'{"model":"\xff"}',
        b'{"temperature":NaN}',
        b'{"temperature":1e999}',
        b'{"temperature":' + b"9" * 5_000 + b"}",
        b'{"metadata":{"a":' + b"9" * 600 + b"}}",
        b"[" * 100_000,
        b'{"tools":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"m"',
        b"\xef\xbb\xbf{}x",
        b"null",
        b"0",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_strange_bodies_are_refused(parse: Parse, era: Era, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse(body, era)


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"a":1,}', b"[" * 100_000, b'{"role":1 x}'])
def test_err_13_says_that_the_body_is_not_json(body: bytes) -> None:
    """Bad syntax is told before a bad value that stands in front of it."""
    with pytest.raises(InvalidRequest) as caught:
        messages.parse_create(body, "v2")
    assert caught.value.message.startswith("We could not parse the JSON body of your request.")
    assert caught.value.message.endswith("through our help center at help.openai.com.)")
    assert (caught.value.param, caught.value.code) == (None, None)


def test_gen_03_takes_an_empty_body_as_an_empty_object() -> None:
    assert threads.parse_create(b"", "v2") == threads.parse_create(b"{}", "v2")


def test_a_schema_too_deep_to_be_read_again_is_refused() -> None:
    parameters = "{}"
    for _ in range(150):
        parameters = f'{{"p":{parameters}}}'
    tool = f'{{"type":"function","function":{{"name":"f","parameters":{parameters}}}}}'
    with pytest.raises(InvalidRequest) as caught:
        assistants.parse_create(f'{{"model":"m","tools":[{tool}]}}'.encode(), "v2")
    assert caught.value.param == "tools[0].function.parameters"
