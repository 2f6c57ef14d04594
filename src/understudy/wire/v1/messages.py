"""The message object and the message's files in v1."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from understudy.wire.objects.messages import (
    Content,
    ImageFileContent,
    ImageUrlContent,
    IncompleteDetails,
    Message,
    MessageStatus,
    RefusalContent,
    Role,
    Text,
    TextContent,
)
from understudy.wire.v1.annotations import quoted


class ImageFileV1(Struct, frozen=True):
    """An image, without a level of detail."""

    file_id: str


class ImageFileContentV1(Struct, tag_field="type", tag="image_file"):
    """An image part."""

    image_file: ImageFileV1


# Image URLs and refusals are newer than v1; showing them loses less than hiding them (V1V2-06).
ContentV1 = TextContent | ImageFileContentV1 | ImageUrlContent | RefusalContent


class MessageV1(Struct, kw_only=True):
    """A message in v1, with the fields that REST left out and streams had (MSG-01, MSG-02)."""

    id: str
    object: Literal["thread.message"] = "thread.message"
    created_at: int
    assistant_id: str | None
    thread_id: str
    run_id: str | None
    status: MessageStatus
    incomplete_details: IncompleteDetails | None
    incomplete_at: int | None
    completed_at: int | None
    role: Role
    content: list[ContentV1]
    file_ids: list[str]
    metadata: dict[str, str]


class MessageFile(Struct, kw_only=True):
    """A file of a message, under the file's own id (MSG-10, ID-04)."""

    id: str
    object: Literal["thread.message.file"] = "thread.message.file"
    created_at: int
    message_id: str


def message(newer: Message, file_ids: Sequence[str]) -> MessageV1:
    """Return the message as v1 shows it, with the files that v1 gave it."""
    return MessageV1(
        id=newer.id,
        created_at=newer.created_at,
        assistant_id=newer.assistant_id,
        thread_id=newer.thread_id,
        run_id=newer.run_id,
        status=newer.status,
        incomplete_details=newer.incomplete_details,
        incomplete_at=newer.incomplete_at,
        completed_at=newer.completed_at,
        role=newer.role,
        content=[_content(part) for part in newer.content],
        file_ids=list(file_ids),
        metadata=newer.metadata,
    )


def _content(newer: Content) -> ContentV1:
    if isinstance(newer, TextContent):
        return TextContent(Text(newer.text.value, quoted(newer.text.annotations)))
    if isinstance(newer, ImageFileContent):
        return ImageFileContentV1(ImageFileV1(newer.image_file.file_id))
    return newer


def message_file(file_id: str, created_at: int, message_id: str) -> MessageFile:
    """Return the object that stands for a file's being attached to a message."""
    return MessageFile(id=file_id, created_at=created_at, message_id=message_id)
