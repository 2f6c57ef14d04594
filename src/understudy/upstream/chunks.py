"""The fields that we read of a chat completion and of its chunks.

Everything is optional, and unknown fields are skipped without being built: servers differ in what
they send, and decoding is the greater part of our cost per chunk.
"""

from typing import Any

import msgspec


class FunctionPiece(msgspec.Struct, gc=False):
    """Name and arguments of a call; some servers send the arguments as an object."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class ToolCallPiece(msgspec.Struct, gc=False):
    """A piece of a tool call, or a whole one."""

    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None


class ContentPart(msgspec.Struct, gc=False):
    """A part of content sent as a list, as Mistral's reasoning models do."""

    text: str | None = None


class Delta(msgspec.Struct, gc=False):
    """What one chunk adds, or the whole message of an answer that is not streamed."""

    content: str | list[ContentPart] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallPiece] | None = None
    function_call: FunctionPiece | None = None


class Choice(msgspec.Struct, gc=False):
    """The one choice that we ask for."""

    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class PromptDetails(msgspec.Struct, gc=False):
    """How the prompt's tokens were counted."""

    cached_tokens: int | None = None


class CompletionDetails(msgspec.Struct, gc=False):
    """How the completion's tokens were counted."""

    reasoning_tokens: int | None = None


class UsagePiece(msgspec.Struct, gc=False):
    """Tokens, as the server counted them so far."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class Chunk(msgspec.Struct, gc=False):
    """One ``data:`` payload, or a whole answer.

    An error comes as ``{"error": ...}``, or as ``{"object": "error", "message": ...}`` from older
    vLLM servers; ``message`` stands in no chunk that is well.
    """

    choices: list[Choice] | None = None
    usage: UsagePiece | None = None
    error: Any = None
    message: Any = None
    code: Any = None


decode_chunk = msgspec.json.Decoder(Chunk).decode
