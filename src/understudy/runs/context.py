"""Turns a thread and the steps of a run into what the model reads (Chat Completions messages)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, json

from understudy.runs.cells import account
from understudy.runs.citations import passages
from understudy.runs.hosted import HostedType, hosted_names
from understudy.wire.objects.messages import (
    ImageFileContent,
    ImageUrlContent,
    Message,
    RefusalContent,
    TextContent,
)
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import (
    FileSearchToolCall,
    FunctionToolCall,
    MessageCreationDetails,
    RunStep,
    ToolCall,
    ToolCallsDetails,
)

ChatMessage = dict[str, Any]

BYTES_PER_TOKEN = 4
TOKENS_AROUND = 4
# About what vision models count for a picture of ordinary size, whatever its bytes are.
TOKENS_PER_IMAGE = 1_000


def image_file_ids(messages: Iterable[Message]) -> set[str]:
    """Return the files whose pictures the model has to see."""
    return {
        part.image_file.file_id
        for message in messages
        for part in message.content
        if isinstance(part, ImageFileContent) and message.role == "user"
    }


def assemble(
    run: Run,
    messages: Sequence[Message],
    steps: Sequence[RunStep],
    images: Mapping[str, str],
    *,
    prompt_tokens_max: int | None,
) -> list[ChatMessage]:
    """Return instructions, thread and this run's own steps, in the order of the conversation.

    ``messages`` is the thread, oldest first; ``images`` maps file ids to URLs the model can read.
    The thread is truncated as the run's strategy says and until it fits ``prompt_tokens_max``
    (RUN-30, RUN-31).
    """
    system = [{"role": "system", "content": run.instructions}] if run.instructions else []
    earlier = [_chat_message(m, images) for m in messages if m.run_id != run.id and m.content]
    written = {m.id: _chat_message(m, images) for m in messages if m.run_id == run.id and m.content}
    own = _own_turns(steps, written, hosted_names(run))
    last = run.truncation_strategy.last_messages
    if last is not None:
        earlier = earlier[-last:]
    if prompt_tokens_max is not None:
        earlier = _fitted(earlier, prompt_tokens_max - _tokens(system) - _tokens(own))
    return [*system, *earlier, *own]


def _chat_message(message: Message, images: Mapping[str, str]) -> ChatMessage:
    if message.role == "assistant":
        return {"role": "assistant", "content": _plain_text(message)}
    if all(isinstance(part, TextContent) for part in message.content):
        return {"role": "user", "content": _plain_text(message)}
    return {"role": "user", "content": list(_parts(message, images))}


def _plain_text(message: Message) -> str:
    texts = (
        part.text.value if isinstance(part, TextContent) else part.refusal
        for part in message.content
        if isinstance(part, TextContent | RefusalContent)
    )
    return "\n".join(texts)


def _parts(message: Message, images: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    for part in message.content:
        if isinstance(part, TextContent):
            yield {"type": "text", "text": part.text.value}
        elif isinstance(part, ImageUrlContent):
            url, detail = part.image_url.url, part.image_url.detail
            yield {"type": "image_url", "image_url": {"url": url, "detail": detail}}
        elif isinstance(part, ImageFileContent) and part.image_file.file_id in images:
            url, detail = images[part.image_file.file_id], part.image_file.detail
            yield {"type": "image_url", "image_url": {"url": url, "detail": detail}}


def _own_turns(
    steps: Sequence[RunStep], written: Mapping[str, ChatMessage], names: Mapping[HostedType, str]
) -> list[ChatMessage]:
    """Return what this run has said and called so far, with the outputs of its calls."""
    turns: list[ChatMessage] = []
    spoken: ChatMessage | None = None
    for step in steps:
        details = step.step_details
        if isinstance(details, MessageCreationDetails):
            turns += [spoken] if spoken else []
            message = written.get(details.message_creation.message_id)
            spoken = message if step.status == "completed" else None
            continue
        # Text right before calls is of the same turn: it goes with them, or, when they are still
        # open, is to be said again with them.
        if step.status == "completed":
            turns += _calls_and_outputs(details, spoken["content"] if spoken else None, names)
        spoken = None
    return [*turns, spoken] if spoken else turns


class _Called(Struct, frozen=True):
    """A call and its output as the model reads them."""

    id: str
    name: str
    arguments: str
    output: str


def _calls_and_outputs(
    details: ToolCallsDetails, spoken: str | None, names: Mapping[HostedType, str]
) -> list[ChatMessage]:
    calls = [_called(call, names) for call in details.tool_calls]
    asked = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in calls
    ]
    outputs = [{"role": "tool", "tool_call_id": call.id, "content": call.output} for call in calls]
    return [{"role": "assistant", "content": spoken, "tool_calls": asked}, *outputs]


def _called(call: ToolCall, names: Mapping[HostedType, str]) -> _Called:
    if isinstance(call, FunctionToolCall):
        function = call.function
        return _Called(call.id, function.name, function.arguments, function.output or "")
    if isinstance(call, FileSearchToolCall):
        search = call.file_search
        arguments = json.encode({"query": search.query or ""}).decode()
        return _Called(call.id, names["file_search"], arguments, passages(search))
    cell = call.code_interpreter
    arguments = json.encode({"code": cell.input}).decode()
    return _Called(call.id, names["code_interpreter"], arguments, account(cell))


def _fitted(messages: list[ChatMessage], tokens_max: int) -> list[ChatMessage]:
    """Drop messages from the middle until the rest fits; the first and the last one stay."""
    sizes = [_tokens([message]) for message in messages]
    excess = sum(sizes) - tokens_max
    drop_until = 1
    while excess > 0 and drop_until < len(messages) - 1:
        excess -= sizes[drop_until]
        drop_until += 1
    if excess > 0 and len(messages) > 1:
        return messages[-1:]
    return messages[:1] + messages[drop_until:]


def _tokens(messages: Sequence[ChatMessage]) -> int:
    """Estimate tokens at four bytes each; no tokenizer fits every model (RUN-30: best effort)."""
    return sum(_content_tokens(message.get("content")) + TOKENS_AROUND for message in messages)


def _content_tokens(content: str | list[dict[str, Any]] | None) -> int:
    if isinstance(content, list):
        return sum(
            _content_tokens(part["text"]) if part["type"] == "text" else TOKENS_PER_IMAGE
            for part in content
        )
    return len(content.encode()) // BYTES_PER_TOKEN if content else 0
