"""Pieces of messages and steps in v1."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from understudy.wire.deltas import (
    CodeInterpreterToolCallDelta,
    ContentDelta,
    FileSearchToolCallDelta,
    FunctionToolCallDelta,
    ImageFileContentDelta,
    MessageDelta,
    RefusalContentDelta,
    StepDelta,
    TextContentDelta,
    TextDeltaValue,
    ToolCallDelta,
)
from understudy.wire.v1.annotations import quoted
from understudy.wire.v1.messages import ImageFileV1


class ImageFileContentDeltaV1(Struct, tag_field="type", tag="image_file", kw_only=True):
    """An image part, whole and without a level of detail."""

    index: int
    image_file: ImageFileV1


ContentDeltaV1 = TextContentDelta | RefusalContentDelta | ImageFileContentDeltaV1


class MessageDeltaBodyV1(Struct):
    """The content that is added."""

    content: list[ContentDeltaV1]


class MessageDeltaV1(Struct, kw_only=True):
    """A piece of a message in v1."""

    id: str
    object: Literal["thread.message.delta"] = "thread.message.delta"
    delta: MessageDeltaBodyV1


class RetrievalToolCallDelta(Struct, tag_field="type", tag="retrieval", kw_only=True):
    """A search that begins, at its place in the step (STR-08)."""

    index: int
    id: str | UnsetType = UNSET
    retrieval: dict[str, str] = field(default_factory=dict)


ToolCallDeltaV1 = FunctionToolCallDelta | CodeInterpreterToolCallDelta | RetrievalToolCallDelta


class ToolCallsDeltaDetailsV1(Struct, kw_only=True):
    """The calls that grow."""

    type: Literal["tool_calls"] = "tool_calls"
    tool_calls: list[ToolCallDeltaV1]


class StepDeltaBodyV1(Struct):
    """What is added to a step."""

    step_details: ToolCallsDeltaDetailsV1


class StepDeltaV1(Struct, kw_only=True):
    """A piece of a run step in v1."""

    id: str
    object: Literal["thread.run.step.delta"] = "thread.run.step.delta"
    delta: StepDeltaBodyV1


def message_delta(newer: MessageDelta) -> MessageDeltaV1:
    """Return the piece of a message as v1 shows it."""
    content = [_content(each) for each in newer.delta.content]
    return MessageDeltaV1(id=newer.id, delta=MessageDeltaBodyV1(content))


def _content(newer: ContentDelta) -> ContentDeltaV1:
    if isinstance(newer, TextContentDelta):
        return _text(newer)
    if isinstance(newer, ImageFileContentDelta):
        image = ImageFileV1(newer.image_file.file_id)
        return ImageFileContentDeltaV1(index=newer.index, image_file=image)
    return newer


def _text(newer: TextContentDelta) -> TextContentDelta:
    annotations = newer.text.annotations
    if not annotations:  # UNSET in most deltas, empty in the first one (STR-10)
        return newer
    text = TextDeltaValue(value=newer.text.value, annotations=quoted(annotations))
    return TextContentDelta(index=newer.index, text=text)


def step_delta(newer: StepDelta) -> StepDeltaV1:
    """Return the piece of a step as v1 shows it; old SDKs crash on file_search (SDK-07)."""
    calls = [_call(each) for each in newer.delta.step_details.tool_calls]
    return StepDeltaV1(
        id=newer.id, delta=StepDeltaBodyV1(ToolCallsDeltaDetailsV1(tool_calls=calls))
    )


def _call(newer: ToolCallDelta) -> ToolCallDeltaV1:
    if isinstance(newer, FileSearchToolCallDelta):
        return RetrievalToolCallDelta(index=newer.index, id=newer.id)
    return newer
