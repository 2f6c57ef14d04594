"""The message object and its content parts."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

Role = Literal["user", "assistant"]
MessageStatus = Literal["in_progress", "incomplete", "completed"]
IncompleteReason = Literal[
    "content_filter", "max_tokens", "run_cancelled", "run_expired", "run_failed"
]
ImageDetail = Literal["auto", "low", "high"]


class FileCitation(Struct, frozen=True):
    """The file that a passage comes from.

    ``quote`` is stored; v1 requires it, and v2 does not show it (ANN-01).
    """

    file_id: str
    quote: str | UnsetType = UNSET


class FileCitationAnnotation(Struct, tag_field="type", tag="file_citation", kw_only=True):
    """A marker in the text that stands for a cited file; indices count code points (ANN-02)."""

    text: str
    start_index: int
    end_index: int
    file_citation: FileCitation


class FilePath(Struct, frozen=True):
    """A file that the code interpreter made."""

    file_id: str


class FilePathAnnotation(Struct, tag_field="type", tag="file_path", kw_only=True):
    """A link in the text that stands for a produced file; indices count code points (ANN-04)."""

    text: str
    start_index: int
    end_index: int
    file_path: FilePath


Annotation = FileCitationAnnotation | FilePathAnnotation


class Text(Struct):
    """Text and what is marked in it."""

    value: str
    annotations: list[Annotation] = []


class TextContent(Struct, tag_field="type", tag="text"):
    """A text part."""

    text: Text


class ImageFile(Struct, frozen=True):
    """An uploaded image."""

    file_id: str
    detail: ImageDetail = "auto"


class ImageFileContent(Struct, tag_field="type", tag="image_file"):
    """An image part that names a file."""

    image_file: ImageFile


class ImageUrl(Struct, frozen=True):
    """An image on the web, or a data URL."""

    url: str
    detail: ImageDetail = "auto"


class ImageUrlContent(Struct, tag_field="type", tag="image_url"):
    """An image part that names a URL."""

    image_url: ImageUrl


class RefusalContent(Struct, tag_field="type", tag="refusal"):
    """Text with which the model declined to answer."""

    refusal: str


Content = TextContent | ImageFileContent | ImageUrlContent | RefusalContent


class AttachmentTool(Struct, frozen=True):
    """A tool that may use an attached file."""

    type: Literal["code_interpreter", "file_search"]


class Attachment(Struct, frozen=True):
    """A file that came with a message (MSG-06)."""

    file_id: str
    tools: list[AttachmentTool] = []


class IncompleteDetails(Struct, frozen=True):
    """Why a message stops short."""

    reason: IncompleteReason


class Message(Struct, kw_only=True):
    """A message in the v2 view, with the fields that REST left out and streams had (MSG-02)."""

    id: str
    object: Literal["thread.message"] = "thread.message"
    created_at: int
    assistant_id: str | None = None
    thread_id: str
    run_id: str | None = None
    status: MessageStatus = "completed"
    incomplete_details: IncompleteDetails | None = None
    incomplete_at: int | None = None
    completed_at: int | None = None
    role: Role
    content: list[Content] = []
    attachments: list[Attachment] = []
    metadata: dict[str, str] = {}
