"""What is stored and v2 does not show: quotes, queries, and passages unless asked for."""

from typing import Any

import msgspec
import pytest

from understudy.runs.deltas import annotated_delta, text_delta
from understudy.wire import v2
from understudy.wire.encoding import encode
from understudy.wire.objects.messages import (
    Content,
    FileCitation,
    FileCitationAnnotation,
    FilePath,
    FilePathAnnotation,
    ImageFile,
    ImageFileContent,
    Message,
    RefusalContent,
    Text,
    TextContent,
)
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import (
    CreatedMessage,
    FileSearchCall,
    FileSearchToolCall,
    FunctionCall,
    FunctionToolCall,
    MessageCreationDetails,
    RunStep,
    SearchResult,
    SearchResultText,
    StepDetails,
    ToolCallsDetails,
)

QUOTING = FileCitationAnnotation(
    text="【4:0†source】",
    start_index=0,
    end_index=12,
    file_citation=FileCitation("file-1", "it's so"),
)
PATH = FilePathAnnotation(
    text="sandbox:/mnt/data/a", start_index=0, end_index=19, file_path=FilePath("file-2")
)
FUNCTION = FunctionToolCall(id="call_2", function=FunctionCall(name="f", arguments="{}"))


def message(*content: Content) -> Message:
    return Message(
        id="msg_1", created_at=1, thread_id="thread_1", role="assistant", content=[*content]
    )


def step(details: StepDetails) -> RunStep:
    return RunStep(
        id="step_1",
        created_at=1,
        run_id="run_1",
        assistant_id="asst_1",
        thread_id="thread_1",
        type="tool_calls",
        step_details=details,
    )


def search() -> FileSearchToolCall:
    found = SearchResult(
        file_id="file-1", file_name="a.txt", score=0.5, content=[SearchResultText(text="so")]
    )
    return FileSearchToolCall(
        id="call_1", file_search=FileSearchCall(results=[found], query="what", place=4)
    )


def seen(body: bytes) -> Any:
    return msgspec.json.decode(body)


def test_ann_01_a_message_shows_no_quote() -> None:
    stored = encode(message(TextContent(Text("x", [QUOTING, PATH])), RefusalContent("no")))
    shown = seen(v2.message_body(stored))
    citation, path = shown["content"][0]["text"]["annotations"]
    assert citation["file_citation"] == {"file_id": "file-1"}
    assert path == msgspec.to_builtins(PATH)
    whole = seen(stored)
    del whole["content"][0]["text"]["annotations"][0]["file_citation"]["quote"]
    assert shown == whole


LOOKALIKES = [
    message(TextContent(Text('{"file_id":"file-1","quote":"x"}'))),
    message(TextContent(Text("x", [PATH])), ImageFileContent(ImageFile("file-1"))),
    msgspec.structs.replace(message(), metadata={"quote": '","quote":"'}),
]


@pytest.mark.parametrize("stored", LOOKALIKES)
def test_a_message_without_quotes_is_shown_as_it_is_stored(stored: Message) -> None:
    body = encode(stored)
    assert v2.message_body(body) is body
    assert v2.message(stored) == stored


def test_a_message_that_is_looked_into_for_nothing_stays_the_same() -> None:
    """Two pairs of metadata may look like a quote."""
    body = encode(msgspec.structs.replace(message(), metadata={"a": "b", "quote": "x"}))
    assert v2.message_body(body) == body


def test_step_08_a_search_shows_its_passages_only_if_asked() -> None:
    stored = encode(step(ToolCallsDetails(tool_calls=[search(), FUNCTION])))
    result = {"file_id": "file-1", "file_name": "a.txt", "score": 0.5, "attributes": {}}
    for with_content in (False, True):
        shown = seen(v2.step_body(stored, with_content=with_content))
        called, function = shown["step_details"]["tool_calls"]
        content = {"content": [{"type": "text", "text": "so"}]} if with_content else {}
        assert called["file_search"] == {
            "ranking_options": {"ranker": "default_2024_08_21", "score_threshold": 0.0},
            "results": [{**result, **content}],
        }
        assert function == msgspec.to_builtins(FUNCTION)


@pytest.mark.parametrize(
    "details",
    [
        ToolCallsDetails(tool_calls=[FUNCTION]),
        ToolCallsDetails(
            tool_calls=[
                FunctionToolCall(
                    id="call_1",
                    function=FunctionCall(name="f", arguments='{"type":"file_search"}'),
                )
            ]
        ),
        MessageCreationDetails(message_creation=CreatedMessage("msg_1")),
    ],
)
def test_a_step_without_searches_is_shown_as_it_is_stored(details: StepDetails) -> None:
    body = encode(step(details))
    assert v2.step_body(body, with_content=False) is body
    assert v2.step(step(details), with_content=False) == step(details)


def test_str_11_a_delta_has_an_empty_quote() -> None:
    shown = v2.message_delta(annotated_delta("msg_1", 0, 3, QUOTING))
    (part,) = msgspec.to_builtins(shown)["delta"]["content"]
    (annotation,) = part["text"]["annotations"]
    assert annotation["file_citation"] == {"file_id": "file-1", "quote": ""}
    assert annotation["index"] == 3


def test_str_10_plain_deltas_and_links_are_shown_as_they_are() -> None:
    for delta in (
        text_delta("msg_1", 0, "a", first=True),
        text_delta("msg_1", 0, "b", first=False),
    ):
        assert v2.message_delta(delta) is delta
    link = annotated_delta("msg_1", 0, 0, PATH)
    assert v2.message_delta(link) == link


def test_events_are_shown_as_lists_show_their_objects() -> None:
    """STR-03."""
    answer = message(TextContent(Text("x", [QUOTING])))
    searched = step(ToolCallsDetails(tool_calls=[search()]))
    assert encode(v2.event_data(answer, with_content=False)) == v2.message_body(encode(answer))
    for with_content in (False, True):
        shown = encode(v2.event_data(searched, with_content=with_content))
        assert shown == v2.step_body(encode(searched), with_content=with_content)
    delta = annotated_delta("msg_1", 0, 0, QUOTING)
    assert v2.event_data(delta, with_content=False) == v2.message_delta(delta)
    run = Run(id="run_1", created_at=1, assistant_id="asst_1", thread_id="thread_1", model="m")
    assert v2.event_data(run, with_content=False) is run


def test_the_stored_objects_are_left_as_they_are() -> None:
    call = search()
    v2.step(step(ToolCallsDetails(tool_calls=[call])), with_content=False)
    assert call == search()
