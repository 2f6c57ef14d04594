"""The objects of v2 with the keys that were recorded, in the recorded order (GEN-05, GEN-06)."""

from typing import Any

import msgspec

from understudy.wire.objects.assistants import Assistant
from understudy.wire.objects.files import File
from understudy.wire.objects.messages import Message, Text, TextContent
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import RunStep, ToolCallsDetails
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.tools import FileSearchTool, FunctionDefinition, FunctionTool
from understudy.wire.objects.usage import Usage


def _seen(shown: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(shown))


def test_asst_02_assistant() -> None:
    seen = _seen(Assistant(id="asst_1", created_at=1, model="m"))
    assert " ".join(seen) == (
        "id object created_at name description model instructions tools top_p temperature"
        " reasoning_effort tool_resources metadata response_format"
    )
    assert seen["reasoning_effort"] is None
    assert seen["tool_resources"] == {}


def test_gen_04_floats_are_printed_as_floats() -> None:
    encoded = msgspec.json.encode(Assistant(id="asst_1", created_at=1, model="m"))
    assert b'"top_p":1.0,"temperature":1.0' in encoded


def test_asst_05_function_tool() -> None:
    assert _seen(FunctionTool(FunctionDefinition(name="f", description="d"))) == {
        "type": "function",
        "function": {
            "name": "f",
            "description": "d",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
    }


def test_asst_06_file_search_tool() -> None:
    ranking = {"ranker": "default_2024_08_21", "score_threshold": 0.0, "hybrid_search": None}
    assert _seen(FileSearchTool()) == {
        "type": "file_search",
        "file_search": {"ranking_options": ranking},
    }


def test_thr_01_thread() -> None:
    assert " ".join(_seen(Thread(id="thread_1", created_at=1))) == (
        "id object created_at metadata tool_resources"
    )


def test_msg_02_message() -> None:
    content: list[Any] = [TextContent(Text("hi"))]
    seen = _seen(
        Message(id="msg_1", created_at=1, thread_id="thread_1", role="user", content=content)
    )
    assert " ".join(seen) == (
        "id object created_at assistant_id thread_id run_id status incomplete_details"
        " incomplete_at completed_at role content attachments metadata"
    )
    assert seen["content"] == [{"type": "text", "text": {"value": "hi", "annotations": []}}]
    assert seen["attachments"] == []


def test_run_02_run() -> None:
    seen = _seen(
        Run(id="run_1", created_at=1, assistant_id="asst_1", thread_id="thread_1", model="m")
    )
    assert " ".join(seen) == (
        "id object created_at assistant_id thread_id status started_at expires_at cancelled_at"
        " failed_at completed_at required_action last_error model instructions tools"
        " tool_resources metadata temperature top_p reasoning_effort max_completion_tokens"
        " max_prompt_tokens truncation_strategy incomplete_details usage response_format"
        " tool_choice parallel_tool_calls"
    )
    assert seen["tool_resources"] == {}
    assert seen["parallel_tool_calls"] is True


def test_run_05_usage() -> None:
    assert _seen(Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)) == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_token_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_step_01_run_step() -> None:
    seen = _seen(
        RunStep(
            id="step_1",
            created_at=1,
            run_id="run_1",
            assistant_id="asst_1",
            thread_id="thread_1",
            type="tool_calls",
            step_details=ToolCallsDetails(),
        )
    )
    assert " ".join(seen) == (
        "id object created_at run_id assistant_id thread_id type status cancelled_at completed_at"
        " expires_at expired_at failed_at last_error step_details metadata usage"
    )
    assert seen["step_details"] == {"type": "tool_calls", "tool_calls": []}


def test_file_01_file() -> None:
    assert " ".join(
        _seen(File(id="file-1", purpose="assistants", filename="a", bytes=1, created_at=1))
    ) == ("object id purpose filename bytes created_at expires_at status status_details")
