"""Runs as clients of both eras send them."""

import json
from typing import Any

import pytest

from understudy.errors import InvalidRequest
from understudy.wire.era import Era
from understudy.wire.objects.messages import Text, TextContent
from understudy.wire.objects.tools import (
    CodeInterpreterResources,
    FileSearchResources,
    FileSearchTool,
    NamedFunction,
    NamedToolChoice,
    ToolResources,
    TruncationStrategy,
)
from understudy.wire.params import runs
from understudy.wire.params.messages import NewMessage
from understudy.wire.params.runs import NewRun, NewThreadAndRun, ToolOutput

OPTIONS = [
    "model",
    "instructions",
    "additional_instructions",
    "additional_messages",
    "tools",
    "metadata",
    "temperature",
    "top_p",
    "stream",
    "max_prompt_tokens",
    "max_completion_tokens",
    "truncation_strategy",
    "tool_choice",
    "response_format",
]
NEWER_OPTIONS = ["parallel_tool_calls", "reasoning_effort"]


def _created(era: Era = "v2", **params: Any) -> NewRun:
    body = json.dumps({"assistant_id": "asst_1", **params}).encode()
    return runs.parse_create(body, era, "thread_1")


def _with_thread(era: Era = "v2", **params: Any) -> NewThreadAndRun:
    body = json.dumps({"assistant_id": "asst_1", **params}).encode()
    return runs.parse_create_thread_and_run(body, era)


def test_run_20_only_the_assistant_is_required() -> None:
    assert _created("v1") == _created("v2") == NewRun(assistant_id="asst_1")


def test_run_29_null_stands_for_not_given() -> None:
    assert _created("v1", **dict.fromkeys(OPTIONS)) == _created("v1")
    assert _created("v2", **dict.fromkeys(OPTIONS + NEWER_OPTIONS)) == _created("v2")


def test_run_20_newer_options_are_unknown_in_v1() -> None:
    for option in NEWER_OPTIONS:
        with pytest.raises(InvalidRequest, match=f"Unknown parameter: '{option}'"):
            _created("v1", **{option: None})


def test_run_20_all_options_reach_the_run() -> None:
    made = _created(
        model="m",
        instructions="a",
        additional_instructions="b",
        additional_messages=[{"role": "user", "content": "hi"}],
        tools=[{"type": "file_search"}],
        metadata={"k": "v"},
        temperature=0,
        top_p=1,
        stream=True,
        max_prompt_tokens=256,
        max_completion_tokens=16,
        truncation_strategy={"type": "last_messages", "last_messages": 3},
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format="auto",
        parallel_tool_calls=False,
        reasoning_effort="low",
    )
    assert made == NewRun(
        assistant_id="asst_1",
        model="m",
        instructions="a",
        additional_instructions="b",
        additional_messages=[NewMessage(role="user", content=[TextContent(Text("hi"))])],
        tools=[FileSearchTool()],
        metadata={"k": "v"},
        temperature=0.0,
        top_p=1.0,
        stream=True,
        max_prompt_tokens=256,
        max_completion_tokens=16,
        truncation_strategy=TruncationStrategy("last_messages", 3),
        tool_choice=NamedToolChoice("function", NamedFunction("f")),
        response_format="auto",
        parallel_tool_calls=False,
        reasoning_effort="low",
    )


def test_run_25_no_additional_messages_are_fine() -> None:
    assert _created(additional_messages=[]).additional_messages == []


def test_run_27_a_budget_below_the_documented_256_is_taken() -> None:
    assert _created("v1", max_completion_tokens=16).max_completion_tokens == 16


def test_err_21_does_not_guess_at_the_thread_id_that_only_old_documents_know() -> None:
    with pytest.raises(InvalidRequest) as caught:
        _created(thread={})
    assert caught.value.message == "Unknown parameter: 'thread'."


def test_run_31_auto_needs_no_number() -> None:
    strategy = {"type": "auto", "last_messages": None}
    assert _created(truncation_strategy=strategy).truncation_strategy == TruncationStrategy()


def test_run_33_retrieval_of_v1_is_file_search() -> None:
    older = _created("v1", tool_choice={"type": "retrieval"})
    newer = _created("v2", tool_choice={"type": "file_search"})
    assert older.tool_choice == newer.tool_choice == NamedToolChoice("file_search")


def test_run_33_required_came_with_v2() -> None:
    assert _created(tool_choice="required").tool_choice == "required"
    with pytest.raises(InvalidRequest, match="Supported values are: 'none' and 'auto'"):
        _created("v1", tool_choice="required")


def test_run_33_a_function_is_chosen_by_its_name() -> None:
    with pytest.raises(
        InvalidRequest, match=r"Missing required parameter: 'tool_choice\.function'"
    ):
        _created(tool_choice={"type": "function"})


@pytest.mark.parametrize("era", ["v1", "v2"])
def test_d_01_the_thread_may_be_named_again_in_the_body(era: Era) -> None:
    assert _created(era, thread_id="thread_1") == NewRun(assistant_id="asst_1")
    with pytest.raises(InvalidRequest, match=r"Unknown parameter: 'thread_id'\."):
        _created(era, thread_id="thread_2")


def test_run_21_a_thread_and_a_run_in_one_request() -> None:
    made = _with_thread("v1", thread={"messages": [{"role": "user", "content": "hi"}]})
    assert made.run == NewRun(assistant_id="asst_1")
    assert made.thread.messages == [NewMessage(role="user", content=[TextContent(Text("hi"))])]


def test_run_21_the_thread_may_be_left_out() -> None:
    assert _with_thread() == _with_thread(thread={}) == _with_thread(thread=None)


@pytest.mark.parametrize("option", ["additional_messages", "additional_instructions", "thread_id"])
def test_run_21_has_no_additional_options(option: str) -> None:
    body = json.dumps({"assistant_id": "asst_1", option: None}).encode()
    with pytest.raises(InvalidRequest, match=f"Unknown parameter: '{option}'"):
        runs.parse_create_thread_and_run(body, "v2")


def test_run_21_resources_of_the_request_win_over_those_of_the_thread() -> None:
    made = _with_thread(
        thread={
            "tool_resources": {
                "code_interpreter": {"file_ids": ["file-1"]},
                "file_search": {"vector_stores": [{"file_ids": ["file-2"]}]},
            }
        },
        tool_resources={"file_search": {"vector_store_ids": ["vs_1"]}},
    )
    assert made.thread.new_vector_stores == []
    assert made.thread.tool_resources == ToolResources(
        code_interpreter=CodeInterpreterResources(["file-1"]),
        file_search=FileSearchResources(["vs_1"]),
    )


def test_run_21_paths_of_the_thread_begin_with_its_key() -> None:
    with pytest.raises(InvalidRequest) as caught:
        _with_thread(thread={"messages": [{"content": "x"}]})
    assert caught.value.param == "thread.messages[0].role"


def test_run_41_a_missing_output_is_empty() -> None:
    sent = [{"tool_call_id": "call_1", "output": "1"}, {"tool_call_id": "call_2"}, {}]
    body = json.dumps({"tool_outputs": sent, "stream": True}).encode()
    submitted = runs.parse_submit(body, "v2")
    assert submitted.stream
    assert submitted.tool_outputs == [
        ToolOutput(tool_call_id="call_1", output="1"),
        ToolOutput(tool_call_id="call_2", output=""),
        ToolOutput(tool_call_id=None, output=""),
    ]


def test_run_41_an_output_is_a_string() -> None:
    body = b'{"tool_outputs":[{"tool_call_id":"call_1","output":{"a":1}}]}'
    with pytest.raises(InvalidRequest) as caught:
        runs.parse_submit(body, "v1")
    assert caught.value.param == "tool_outputs[0].output"


def test_run_40_only_metadata_can_be_modified() -> None:
    assert runs.parse_modify(b'{"metadata":{"a":"b"}}', "v2").metadata == {"a": "b"}
