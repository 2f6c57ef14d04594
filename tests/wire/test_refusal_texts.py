"""Each refusal of a bad parameter in the words, with the param and the code, of the hosted API."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from understudy.errors import InvalidRequest
from understudy.wire.era import Era
from understudy.wire.params import assistants, messages, runs, threads, vector_store_files
from understudy.wire.params.path_ids import check_id


def _refusal(parse: Callable[[bytes, Era], object], body: Any, era: Era = "v2") -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(json.dumps(body).encode(), era)
    return caught.value


def _shown(error: InvalidRequest) -> tuple[str, str | None, str | None]:
    return error.message, error.param, error.code


def _run(body: bytes, era: Era) -> runs.NewRun:
    return runs.parse_create(body, era, "thread_1")


def test_err_20_names_a_missing_parameter() -> None:
    assert _shown(_refusal(_run, {})) == (
        "Missing required parameter: 'assistant_id'.",
        "assistant_id",
        "missing_required_parameter",
    )


def test_err_20_names_a_missing_parameter_deep_inside_by_its_path() -> None:
    body = {"role": "user", "content": "x", "attachments": [{"file_id": "file-1"}]}
    error = _refusal(messages.parse_create, body)
    assert error.message == "Missing required parameter: 'attachments[0].tools'."
    assert error.param == "attachments[0].tools"


def test_err_20_names_a_missing_tag() -> None:
    error = _refusal(assistants.parse_create, {"model": "m", "tools": [{}]})
    assert error.message == "Missing required parameter: 'tools[0].type'."


def test_err_20_wants_the_number_of_last_messages() -> None:
    """RUN-31."""
    body = {"assistant_id": "asst_1", "truncation_strategy": {"type": "last_messages"}}
    assert _refusal(_run, body).param == "truncation_strategy.last_messages"


def test_err_21_names_an_unknown_parameter() -> None:
    body = {"model": "m", "file_ids": ["file-1"]}
    assert _shown(_refusal(assistants.parse_create, body)) == (
        "Unknown parameter: 'file_ids'.",
        "file_ids",
        "unknown_parameter",
    )


def test_err_21_names_an_unknown_parameter_of_a_message_in_a_thread() -> None:
    body = {"messages": [{"role": "user", "content": "x", "file_ids": []}]}
    error = _refusal(threads.parse_create, body)
    assert error.message == "Unknown parameter: 'messages[0].file_ids'."


def test_err_21_guesses_a_near_parameter() -> None:
    error = _refusal(assistants.parse_create, {"model": "m", "instruction": "x"})
    assert error.message == "Unknown parameter: 'instruction'. Did you mean 'instructions'?"


def test_err_21_refuses_more_than_the_type_of_an_attachment_tool() -> None:
    """MSG-06."""
    tool = {"type": "file_search", "file_search": {}}
    attachment = {"file_id": "file-1", "tools": [tool]}
    body = {"role": "user", "content": "x", "attachments": [attachment]}
    assert _refusal(messages.parse_create, body).param == "attachments[0].tools[0].file_search"


def test_err_22_names_the_expected_and_the_given_type() -> None:
    error = _refusal(messages.parse_modify, {"metadata": {"modified": True}})
    assert _shown(error) == (
        "Invalid type for 'metadata.modified': expected a string, but got a boolean instead.",
        "metadata.modified",
        "invalid_type",
    )


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (1, "an integer"),
        (1.5, "a decimal"),
        (False, "a boolean"),
        ({}, "an object"),
        ([], "an array"),
        (None, "null"),
    ],
)
def test_err_22_names_each_type_with_its_article(value: object, got: str) -> None:
    error = _refusal(assistants.parse_create, {"model": value})
    assert error.message == f"Invalid type for 'model': expected a string, but got {got} instead."


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("temperature", "a decimal"),
        ("max_prompt_tokens", "an integer"),
        ("stream", "a boolean"),
        ("tools", "an array"),
        ("metadata", "an object"),
        ("instructions", "a string"),
        ("tool_choice", "one of a string or an object"),
    ],
)
def test_err_22_names_what_each_parameter_takes(key: str, expected: str) -> None:
    wrong: object = [1] if key != "tools" else "x"
    got = "an array" if key != "tools" else "a string"
    error = _refusal(_run, {"assistant_id": "asst_1", key: wrong})
    assert error.message == f"Invalid type for '{key}': expected {expected}, but got {got} instead."


def test_err_22_describes_a_body_that_is_no_object() -> None:
    assert _shown(_refusal(threads.parse_create, [1])) == (
        "Invalid type: expected an object, but got an array instead.",
        None,
        "invalid_type",
    )


def test_err_23_lists_the_tools_of_v2_for_retrieval() -> None:
    """ASST-12: the older name of a tool is a wrong value in v2."""
    error = _refusal(assistants.parse_create, {"model": "m", "tools": [{"type": "retrieval"}]})
    assert _shown(error) == (
        (
            "Invalid value: 'retrieval'. Supported values are: 'code_interpreter', 'function', and"
            " 'file_search'."
        ),
        "tools[0].type",
        "invalid_value",
    )


def test_err_23_lists_the_tools_of_v1_for_file_search() -> None:
    """ASST-12: the newer name of a tool is a wrong value in v1."""
    body = {"model": "m", "tools": [{"type": "file_search"}]}
    message = _refusal(assistants.parse_create, body, "v1").message
    assert message.endswith("are: 'code_interpreter', 'function', and 'retrieval'.")


def test_err_23_joins_two_values_without_a_comma() -> None:
    error = _refusal(messages.parse_create, {"role": "system", "content": "x"})
    assert error.message == "Invalid value: 'system'. Supported values are: 'user' and 'assistant'."


def test_err_23_lists_values_in_the_declared_order() -> None:
    error = _refusal(_run, {"assistant_id": "asst_1", "tool_choice": "any"})
    assert error.message.endswith("Supported values are: 'none', 'auto', and 'required'.")


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("assistant_id", "asst"),
        ("thread_id", "thread"),
        ("message_id", "msg"),
        ("run_id", "run"),
        ("step_id", "step"),
        ("file_id", "file"),
        ("vector_store_id", "vs"),
    ],
)
def test_err_24_names_the_prefix_of_each_id(name: str, prefix: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_id(name, "undefined", "v2")
    expected = f"Invalid '{name}': 'undefined'. Expected an ID that begins with '{prefix}'."
    assert _shown(caught.value) == (expected, name, "invalid_value")


def test_err_24_holds_for_the_assistant_of_a_run() -> None:
    assert _refusal(_run, {"assistant_id": "undefined"}).param == "assistant_id"


def test_err_25_names_an_id_with_other_characters() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_id("run_id", "run_a b", "v2")
    assert _shown(caught.value) == (
        (
            "Invalid 'run_id': 'run_a b'. Expected an ID that contains letters, numbers,"
            " underscores, or dashes, but this value contained additional characters."
        ),
        "run_id",
        "invalid_value",
    )


def test_id_05_lets_any_id_pass_in_v1_and_short_ones_in_v2() -> None:
    check_id("thread_id", "asst_abc", "v1")
    check_id("step_id", "step_123", "v2")


def test_err_26_counts_the_characters_of_a_string_that_is_too_long() -> None:
    error = _refusal(assistants.parse_create, {"model": "m", "name": "x" * 300})
    assert _shown(error) == (
        (
            "Invalid 'name': string too long. Expected a string with maximum length 256, but got a"
            " string with length 300 instead."
        ),
        "name",
        "string_above_max_length",
    )


def test_err_26_names_a_string_that_is_too_short() -> None:
    error = _refusal(messages.parse_create, {"role": "user", "content": ""}, "v1")
    assert _shown(error) == (
        (
            "Invalid 'content': string too short. Expected a string with minimum length 1, but got"
            " a string with length 0 instead."
        ),
        "content",
        "string_below_min_length",
    )


def test_err_27_counts_the_entries_of_an_array_that_is_too_long() -> None:
    """ASST-03, D-02: an assistant and a run take 128 tools."""
    tools = [{"type": "code_interpreter"}] * 129
    for error in (
        _refusal(assistants.parse_create, {"model": "m", "tools": tools}),
        _refusal(_run, {"assistant_id": "asst_1", "tools": tools}),
    ):
        assert _shown(error) == (
            (
                "Invalid 'tools': array too long. Expected an array with maximum length 128, but"
                " got an array with length 129 instead."
            ),
            "tools",
            "array_above_max_length",
        )


def test_err_28_counts_the_keys_of_an_object_that_has_too_many() -> None:
    metadata = {f"k{index}": "v" for index in range(17)}
    assert _shown(_refusal(threads.parse_modify, {"metadata": metadata})) == (
        (
            "Invalid 'metadata': too many properties. Expected an object with at most 16"
            " properties, but got an object with 17 properties instead."
        ),
        "metadata",
        "object_above_max_properties",
    )


@pytest.mark.parametrize(
    ("key", "value", "message", "code"),
    [
        (
            "max_prompt_tokens",
            0,
            "integer below minimum value. Expected a value >= 1, but got 0 instead.",
            "integer_below_min_value",
        ),
        (
            "max_completion_tokens",
            2**40,
            (
                "integer above maximum value. Expected a value <= 2147483647, but got 1099511627776"
                " instead."
            ),
            "integer_above_max_value",
        ),
        (
            "temperature",
            2.5,
            "decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
            "decimal_above_max_value",
        ),
        (
            "top_p",
            -0.1,
            "decimal below minimum value. Expected a value >= 0, but got -0.1 instead.",
            "decimal_below_min_value",
        ),
    ],
)
def test_err_29_names_the_bound(key: str, value: float, message: str, code: str) -> None:
    error = _refusal(_run, {"assistant_id": "asst_1", key: value})
    assert _shown(error) == (f"Invalid '{key}': {message}", key, code)


def test_err_05_reports_known_keys_in_order_before_unknown_ones() -> None:
    body = {"surprise": 1, "content": 3, "role": 2}
    assert _refusal(messages.parse_create, body).param == "role"
    assert _refusal(messages.parse_create, {"surprise": 1, "role": "user"}).param == "content"
    whole = {"surprise": 1, "role": "user", "content": "x"}
    assert _refusal(messages.parse_create, whole).param == "surprise"


def test_a_refusal_does_not_repeat_an_enormous_value() -> None:
    error = _refusal(messages.parse_create, {"role": "x" * 100_000, "content": "x"})
    assert len(error.message) < 400


@pytest.mark.parametrize(
    ("number", "message", "code"),
    [
        (
            "1e999",
            "decimal above maximum value. Expected a value <= {}, but got inf instead.",
            "decimal_above_max_value",
        ),
        (
            "-1e999",
            "decimal below minimum value. Expected a value >= -{}, but got -inf instead.",
            "decimal_below_min_value",
        ),
    ],
)
def test_err_29_names_the_place_of_a_number_that_no_float_can_hold(
    number: str, message: str, code: str
) -> None:
    body = f'{{"file_id": "file-1", "attributes": {{"a": {number}}}}}'
    with pytest.raises(InvalidRequest) as caught:
        vector_store_files.parse_add(body.encode())
    path = "attributes.a"
    text = message.format(sys.float_info.max)
    assert _shown(caught.value) == (f"Invalid '{path}': {text}", path, code)


def test_a_body_that_is_no_json_is_that_first() -> None:
    """ERR-13: whatever its numbers are."""
    with pytest.raises(InvalidRequest, match="could not parse the JSON body"):
        vector_store_files.parse_add(b'{"attributes": {"a": 1e999},}')
