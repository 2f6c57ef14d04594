"""The newer view: what is stored, without what only v1 shows or only the model reads.

Almost everything is stored as v2 shows it, and its bytes are not looked into. Three things are not:
a citation's quote, which v1 requires and v2 has dropped (ANN-01), what a search has found, which is
shown only if asked for (STEP-08), and which files a cell has made (STEP-07). The bytes tell by a
search for their keys whether an object may have one of them; text of clients cannot hold these
keys, since its quotation marks are escaped.
"""

from msgspec import UNSET
from msgspec.structs import replace

from understudy.wire.deltas import (
    AnnotationDelta,
    ContentDelta,
    FileCitationAnnotationDelta,
    MessageDelta,
    MessageDeltaBody,
    TextContentDelta,
)
from understudy.wire.encoding import decode_message, decode_step, encode
from understudy.wire.events import EventData
from understudy.wire.objects.messages import (
    Annotation,
    Content,
    FileCitation,
    FileCitationAnnotation,
    Message,
    TextContent,
)
from understudy.wire.objects.steps import (
    CodeInterpreterToolCall,
    FileSearchToolCall,
    RunStep,
    SearchResult,
    ToolCall,
    ToolCallsDetails,
)

_QUOTE = b',"quote":'
_SEARCH = b'{"type":"file_search"'
_MADE = b',"files":['


def message_body(stored: bytes) -> bytes:
    """Return the message as v2 shows it."""
    return encode(message(decode_message(stored))) if _QUOTE in stored else stored


def step_body(stored: bytes, *, with_content: bool) -> bytes:
    """Return the step as v2 shows it, the passages of its searches only ``with_content``."""
    if _SEARCH not in stored and _MADE not in stored:
        return stored
    return encode(step(decode_step(stored), with_content=with_content))


def event_data(stored: EventData, *, with_content: bool) -> EventData:
    """Return what an event is about as v2 shows it."""
    if isinstance(stored, MessageDelta):
        return message_delta(stored)
    if isinstance(stored, Message):
        return message(stored)
    if isinstance(stored, RunStep):
        return step(stored, with_content=with_content)
    return stored


def message(stored: Message) -> Message:
    """Return the message without quotes (ANN-01)."""
    if not any(isinstance(part, TextContent) and part.text.annotations for part in stored.content):
        return stored
    return replace(stored, content=[_content(part) for part in stored.content])


def _content(stored: Content) -> Content:
    if not isinstance(stored, TextContent):
        return stored
    annotations = [_annotation(each) for each in stored.text.annotations]
    return TextContent(replace(stored.text, annotations=annotations))


def _annotation(stored: Annotation) -> Annotation:
    if not isinstance(stored, FileCitationAnnotation):
        return stored
    return replace(stored, file_citation=FileCitation(stored.file_citation.file_id))


def message_delta(stored: MessageDelta) -> MessageDelta:
    """Return the piece of a message with the quotes of its citations empty (STR-11)."""
    for part in stored.delta.content:
        if isinstance(part, TextContentDelta) and part.text.annotations:
            content = [_content_delta(each) for each in stored.delta.content]
            return replace(stored, delta=MessageDeltaBody(content))
    return stored


def _content_delta(stored: ContentDelta) -> ContentDelta:
    if not isinstance(stored, TextContentDelta) or not stored.text.annotations:
        return stored
    annotations = [_annotation_delta(each) for each in stored.text.annotations]
    return replace(stored, text=replace(stored.text, annotations=annotations))


def _annotation_delta(stored: AnnotationDelta) -> AnnotationDelta:
    if not isinstance(stored, FileCitationAnnotationDelta):
        return stored
    return replace(stored, file_citation=FileCitation(stored.file_citation.file_id, quote=""))


def step(stored: RunStep, *, with_content: bool) -> RunStep:
    """Return the step without what only the model reads, and perhaps without passages."""
    details = stored.step_details
    if not isinstance(details, ToolCallsDetails):
        return stored
    calls = [_call(each, with_content=with_content) for each in details.tool_calls]
    return replace(stored, step_details=ToolCallsDetails(tool_calls=calls))


def _call(stored: ToolCall, *, with_content: bool) -> ToolCall:
    if isinstance(stored, CodeInterpreterToolCall):
        return replace(stored, code_interpreter=replace(stored.code_interpreter, files=UNSET))
    if not isinstance(stored, FileSearchToolCall):
        return stored
    results = stored.file_search.results
    shown = results if with_content else [_without_content(each) for each in results]
    search = replace(stored.file_search, results=shown, query=UNSET, place=UNSET)
    return replace(stored, file_search=search)


def _without_content(stored: SearchResult) -> SearchResult:
    return replace(stored, content=UNSET)
