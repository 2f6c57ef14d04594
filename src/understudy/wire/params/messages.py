"""Messages as clients send them (MSG-04 to MSG-06)."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from understudy.wire import validation
from understudy.wire.era import Era
from understudy.wire.objects.messages import (
    Attachment,
    AttachmentTool,
    Content,
    ImageDetail,
    ImageFile,
    ImageFileContent,
    ImageUrl,
    ImageUrlContent,
    Role,
    Text,
    TextContent,
)
from understudy.wire.params.metadata import (
    MetadataChange,
    MetadataV1,
    MetadataV2,
    given,
    parse_change,
)

NonEmptyText = Annotated[str, Meta(min_length=1, max_length=256_000)]


class NewMessage(Struct, frozen=True, kw_only=True):
    """A message to be added to a thread; ``file_ids`` are those of v1."""

    role: Role
    content: list[Content]
    attachments: list[Attachment] = []
    file_ids: list[str] = []
    metadata: dict[str, str] = {}


class MessageV1(Struct, kw_only=True, forbid_unknown_fields=True):
    """A message in v1: text and files (MSG-04)."""

    role: Role
    content: NonEmptyText
    file_ids: Annotated[list[str], Meta(max_length=10)] = []
    metadata: MetadataV1 | None = None

    def canonical(self, path: str = "") -> NewMessage:
        """Return the message as the rest of the program knows it."""
        return NewMessage(
            role=self.role,
            content=[_text(self.content)],
            file_ids=self.file_ids,
            metadata=given(self.metadata, f"{path}metadata"),
        )


class TextPart(Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """A text part, which is echoed in another form (MSG-05)."""

    text: NonEmptyText

    def canonical(self) -> Content:
        """Return what the rest of the program knows this as."""
        return _text(self.text)


class ImageFileParam(Struct, forbid_unknown_fields=True):
    """An uploaded image."""

    file_id: str
    detail: ImageDetail | None = None


class ImageFilePart(Struct, tag_field="type", tag="image_file", forbid_unknown_fields=True):
    """An image part that names a file."""

    image_file: ImageFileParam

    def canonical(self) -> Content:
        """Return what the rest of the program knows this as."""
        sent = self.image_file
        return ImageFileContent(ImageFile(sent.file_id, sent.detail or "auto"))


class ImageUrlParam(Struct, forbid_unknown_fields=True):
    """An image on the web, or a data URL."""

    url: str
    detail: ImageDetail | None = None


class ImageUrlPart(Struct, tag_field="type", tag="image_url", forbid_unknown_fields=True):
    """An image part that names a URL."""

    image_url: ImageUrlParam

    def canonical(self) -> Content:
        """Return what the rest of the program knows this as."""
        sent = self.image_url
        return ImageUrlContent(ImageUrl(sent.url, sent.detail or "auto"))


class AttachmentToolParam(Struct, forbid_unknown_fields=True):
    """A tool that may use an attached file; only its type is taken (MSG-06)."""

    type: Literal["code_interpreter", "file_search"]


class AttachmentParam(Struct, kw_only=True, forbid_unknown_fields=True):
    """A file that comes with a message; the service wanted ``tools`` (MSG-06)."""

    file_id: str
    tools: list[AttachmentToolParam]

    def canonical(self) -> Attachment:
        """Return what the rest of the program knows this as."""
        return Attachment(self.file_id, [AttachmentTool(tool.type) for tool in self.tools])


class MessageV2(Struct, kw_only=True, forbid_unknown_fields=True):
    """A message in v2: text or parts, and attachments."""

    role: Role
    content: (
        NonEmptyText | Annotated[list[ImageFilePart | ImageUrlPart | TextPart], Meta(min_length=1)]
    )
    attachments: list[AttachmentParam] | None = None
    metadata: MetadataV2 | None = None

    def canonical(self, path: str = "") -> NewMessage:
        """Return the message as the rest of the program knows it."""
        sent = self.content
        return NewMessage(
            role=self.role,
            content=(
                [_text(sent)] if isinstance(sent, str) else [part.canonical() for part in sent]
            ),
            attachments=[each.canonical() for each in self.attachments or ()],
            metadata=given(self.metadata, f"{path}metadata"),
        )


def _text(value: str) -> TextContent:
    return TextContent(Text(value))


def parse_create(body: bytes, era: Era) -> NewMessage:
    """Read a request to create a message."""
    if era == "v1":
        return validation.decode(body, MessageV1).canonical()
    return validation.decode(body, MessageV2).canonical()


def parse_modify(body: bytes, era: Era) -> MetadataChange:
    """Read a request to modify a message, of which only metadata can change (MSG-09)."""
    return parse_change(body, era)


def canonical_messages(sent: Sequence[MessageV1 | MessageV2] | None, path: str) -> list[NewMessage]:
    """Return the messages that came inside another request."""
    return [each.canonical(f"{path}[{index}].") for index, each in enumerate(sent or ())]
