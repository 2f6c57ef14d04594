"""The objects of v2 as a client of v1 sees them (contract section 14)."""

from typing import Any

import msgspec

from understudy.wire import v1
from understudy.wire.deltas import (
    FileCitationAnnotationDelta,
    FileSearchToolCallDelta,
    ImageFileContentDelta,
    MessageDelta,
    MessageDeltaBody,
    StepDelta,
    StepDeltaBody,
    TextContentDelta,
    TextDeltaValue,
    ToolCallsDeltaDetails,
)
from understudy.wire.objects.assistants import Assistant
from understudy.wire.objects.messages import (
    FileCitation,
    FileCitationAnnotation,
    FilePath,
    FilePathAnnotation,
    ImageFile,
    ImageFileContent,
    ImageUrl,
    ImageUrlContent,
    Message,
    RefusalContent,
    Text,
    TextContent,
)
from understudy.wire.objects.runs import Run, RunIncompleteDetails
from understudy.wire.objects.steps import (
    CodeInterpreterCall,
    CodeInterpreterToolCall,
    CreatedMessage,
    FileSearchCall,
    FileSearchToolCall,
    FunctionCall,
    FunctionToolCall,
    LogsOutput,
    MessageCreationDetails,
    RunStep,
    SearchResult,
    StepDetails,
    ToolCallsDetails,
)
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.tools import (
    CodeInterpreterTool,
    FileSearchTool,
    FunctionDefinition,
    FunctionTool,
    NamedToolChoice,
    Tool,
)
from understudy.wire.objects.usage import Usage

CITATION = FileCitationAnnotation(
    text="【4:0†source】", start_index=0, end_index=12, file_citation=FileCitation("file-1")
)
CITING = FileCitationAnnotationDelta(
    index=0,
    text="【4:0†source】",
    start_index=0,
    end_index=12,
    file_citation=FileCitation("file-1"),
)


def _seen(shown: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(shown))


def _run(**changes: Any) -> Run:
    return Run(
        id="run_1", created_at=1, assistant_id="asst_1", thread_id="thread_1", model="m", **changes
    )


def _step(details: StepDetails, **changes: Any) -> RunStep:
    return RunStep(
        id="step_1",
        created_at=1,
        run_id="run_1",
        assistant_id="asst_1",
        thread_id="thread_1",
        type="tool_calls",
        step_details=details,
        **changes,
    )


def test_asst_01_an_assistant_has_the_keys_of_v1_in_order() -> None:
    tools: list[Tool] = [
        CodeInterpreterTool(),
        FileSearchTool(),
        FunctionTool(FunctionDefinition(name="f", description="d", strict=True)),
    ]
    seen = _seen(v1.assistant(Assistant(id="asst_1", created_at=1, model="m", tools=tools), ["f"]))
    assert " ".join(seen) == (
        "id object created_at name description model instructions tools top_p temperature"
        " file_ids metadata response_format"
    )
    assert seen["file_ids"] == ["f"]
    parameters = {"type": "object", "properties": {}}
    assert seen["tools"] == [
        {"type": "code_interpreter"},
        {"type": "retrieval"},
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": parameters},
        },
    ]


def test_thr_01_a_thread_has_no_tool_resources() -> None:
    assert " ".join(_seen(v1.thread(Thread(id="thread_1", created_at=1)))) == (
        "id object created_at metadata"
    )


def test_msg_01_a_message_has_the_keys_of_both_channels_in_order() -> None:
    newer = Message(id="msg_1", created_at=1, thread_id="thread_1", role="user")
    seen = _seen(v1.message(newer, ["file-1"]))
    assert " ".join(seen) == (
        "id object created_at assistant_id thread_id run_id status incomplete_details"
        " incomplete_at completed_at role content file_ids metadata"
    )
    assert seen["file_ids"] == ["file-1"]


def test_ann_01_a_citation_has_a_quote() -> None:
    quoting = msgspec.structs.replace(CITATION, file_citation=FileCitation("file-2", "said so"))
    path = FilePathAnnotation(
        text="sandbox:/mnt/data/a", start_index=0, end_index=1, file_path=FilePath("file-3")
    )
    content = [TextContent(Text("x", [CITATION, quoting, path]))]
    newer = Message(
        id="msg_1", created_at=1, thread_id="thread_1", role="assistant", content=list(content)
    )
    annotations = _seen(v1.message(newer, []))["content"][0]["text"]["annotations"]
    assert [each.get("file_citation", {}).get("quote") for each in annotations] == [
        "",
        "said so",
        None,
    ]
    assert annotations[0]["text"] == "【4:0†source】"


def test_ann_01_the_stored_message_is_left_without_a_quote() -> None:
    newer = Message(
        id="msg_1",
        created_at=1,
        thread_id="thread_1",
        role="assistant",
        content=[TextContent(Text("x", [CITATION]))],
    )
    v1.message(newer, [])
    assert CITATION.file_citation.quote is msgspec.UNSET


def test_v1v2_06_parts_that_v1_did_not_know_pass_through() -> None:
    newer = Message(
        id="msg_1",
        created_at=1,
        thread_id="thread_1",
        role="user",
        content=[
            ImageFileContent(ImageFile("file-1", "low")),
            ImageUrlContent(ImageUrl("https://example.org/x.png")),
            RefusalContent("no"),
        ],
    )
    assert _seen(v1.message(newer, []))["content"] == [
        {"type": "image_file", "image_file": {"file_id": "file-1"}},
        {
            "type": "image_url",
            "image_url": {"url": "https://example.org/x.png", "detail": "auto"},
        },
        {"type": "refusal", "refusal": "no"},
    ]


def test_run_01_a_run_has_the_keys_of_v1_in_order() -> None:
    seen = _seen(v1.run(_run(), ["file-1"]))
    assert " ".join(seen) == (
        "id object created_at assistant_id thread_id status started_at expires_at cancelled_at"
        " failed_at completed_at required_action last_error model instructions tools file_ids"
        " metadata temperature top_p max_completion_tokens max_prompt_tokens truncation_strategy"
        " incomplete_details usage response_format tool_choice"
    )
    assert seen["file_ids"] == ["file-1"]
    assert seen["truncation_strategy"] == {"type": "auto", "last_messages": None}


def test_run_1e_an_incomplete_run_is_completed_in_v1() -> None:
    newer = _run(
        status="incomplete",
        completed_at=2,
        incomplete_details=RunIncompleteDetails("max_completion_tokens"),
    )
    seen = _seen(v1.run(newer, []))
    assert (seen["status"], seen["completed_at"]) == ("completed", 2)
    assert seen["incomplete_details"] == {"reason": "max_completion_tokens"}


def test_run_1e_the_event_of_an_incomplete_run_is_completed_in_v1() -> None:
    assert v1.event_name("thread.run.incomplete") == "thread.run.completed"
    assert v1.event_name("thread.run.failed") == "thread.run.failed"
    assert v1.event_name("thread.message.incomplete") == "thread.message.incomplete"


def test_run_05_usage_is_three_counts() -> None:
    usage = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    shown = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert _seen(v1.run(_run(usage=usage), []))["usage"] == shown
    assert _seen(v1.step(_step(ToolCallsDetails(), usage=usage)))["usage"] == shown


def test_run_33_the_choice_of_file_search_is_retrieval() -> None:
    older = _seen(v1.run(_run(tool_choice=NamedToolChoice("file_search")), []))
    assert older["tool_choice"] == {"type": "retrieval"}
    assert _seen(v1.run(_run(tool_choice="required"), []))["tool_choice"] == "required"


def test_step_01_a_step_has_the_keys_of_the_wire_and_of_the_schema() -> None:
    details = MessageCreationDetails(message_creation=CreatedMessage("msg_1"))
    seen = _seen(v1.step(_step(details)))
    assert " ".join(seen) == (
        "id object created_at run_id assistant_id thread_id type status cancelled_at completed_at"
        " expires_at expired_at failed_at last_error step_details metadata usage"
    )
    assert seen["step_details"] == {
        "type": "message_creation",
        "message_creation": {"message_id": "msg_1"},
    }


def test_step_08_a_search_is_an_empty_retrieval() -> None:
    found = SearchResult(file_id="file-1", file_name="a.txt", score=0.5)
    details = ToolCallsDetails(
        tool_calls=[
            FileSearchToolCall(id="call_1", file_search=FileSearchCall(results=[found])),
            CodeInterpreterToolCall(
                id="call_2",
                code_interpreter=CodeInterpreterCall(input="1", outputs=[LogsOutput("1")]),
            ),
            FunctionToolCall(id="call_3", function=FunctionCall(name="f", arguments="{}")),
        ]
    )
    assert _seen(v1.step(_step(details)))["step_details"]["tool_calls"] == [
        {"id": "call_1", "type": "retrieval", "retrieval": {}},
        {
            "id": "call_2",
            "type": "code_interpreter",
            "code_interpreter": {"input": "1", "outputs": [{"type": "logs", "logs": "1"}]},
        },
        {
            "id": "call_3",
            "type": "function",
            "function": {"name": "f", "arguments": "{}", "output": None},
        },
    ]


def test_str_08_a_search_delta_is_an_empty_retrieval() -> None:
    calls = ToolCallsDeltaDetails(tool_calls=[FileSearchToolCallDelta(index=0, id="call_1")])
    seen = _seen(v1.step_delta(StepDelta(id="step_1", delta=StepDeltaBody(calls))))
    assert seen["object"] == "thread.run.step.delta"
    assert seen["delta"]["step_details"]["tool_calls"] == [
        {"index": 0, "id": "call_1", "type": "retrieval", "retrieval": {}}
    ]


def test_str_10_a_message_delta_loses_no_annotation() -> None:
    body = MessageDeltaBody(
        [
            TextContentDelta(index=0, text=TextDeltaValue(value="a", annotations=[])),
            TextContentDelta(index=0, text=TextDeltaValue(value="b")),
            TextContentDelta(index=0, text=TextDeltaValue(value="c", annotations=[CITING])),
            ImageFileContentDelta(index=1, image_file=ImageFile("file-1")),
        ]
    )
    seen = _seen(v1.message_delta(MessageDelta(id="msg_1", delta=body)))["delta"]["content"]
    assert seen[0]["text"] == {"value": "a", "annotations": []}
    assert seen[1]["text"] == {"value": "b"}
    assert seen[2]["text"]["annotations"][0]["file_citation"] == {"file_id": "file-1", "quote": ""}
    assert seen[3] == {"index": 1, "type": "image_file", "image_file": {"file_id": "file-1"}}


def test_asst_10_and_msg_10_files_stand_under_their_own_ids() -> None:
    assert _seen(v1.assistant_file("file-1", 5, "asst_1")) == {
        "id": "file-1",
        "object": "assistant.file",
        "created_at": 5,
        "assistant_id": "asst_1",
    }
    assert _seen(v1.message_file("file-1", 5, "msg_1")) == {
        "id": "file-1",
        "object": "thread.message.file",
        "created_at": 5,
        "message_id": "msg_1",
    }
