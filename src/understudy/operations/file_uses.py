"""Which files an object names, and the object without one of them (FILE-07)."""

from msgspec.structs import replace

from understudy.wire.objects.assistants import Assistant
from understudy.wire.objects.messages import ImageFileContent, Message
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.tools import CodeInterpreterResources, ToolResources


def message_files(message: Message) -> tuple[str, ...]:
    """Return the files that a message shows or brings."""
    images = (p.image_file.file_id for p in message.content if isinstance(p, ImageFileContent))
    return (*images, *(attachment.file_id for attachment in message.attachments))


def without_resource(resources: ToolResources, file_id: str) -> ToolResources:
    """Return the resources without the file."""
    if file_id not in resources.file_ids:
        return resources
    left = [one for one in resources.file_ids if one != file_id]
    return replace(resources, code_interpreter=CodeInterpreterResources(left))


def assistant_without(assistant: Assistant, file_id: str) -> Assistant:
    """Return the assistant without the file."""
    return replace(assistant, tool_resources=without_resource(assistant.tool_resources, file_id))


def thread_without(thread: Thread, file_id: str) -> Thread:
    """Return the thread without the file."""
    return replace(thread, tool_resources=without_resource(thread.tool_resources, file_id))


def message_without(message: Message, file_id: str) -> Message:
    """Return the message without the attachment; a picture in its content stays named."""
    left = [one for one in message.attachments if one.file_id != file_id]
    return replace(message, attachments=left)
