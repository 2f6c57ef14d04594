"""The port to language models.

The engine hands an Upstream one ModelRequest and reads ModelEvents in batches: one batch is what
arrived together, so that a slow reader takes bigger bites instead of falling behind.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal, Protocol

import msgspec

FinishReason = Literal["stop", "tool_calls", "length", "content_filter"]


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a language model, in the vocabulary of Chat Completions.

    ``messages`` and ``tools`` are JSON-ready dicts in the Chat Completions shape; whatever is None
    is left out of the request.
    """

    model: str
    messages: Sequence[dict[str, Any]]
    tools: Sequence[dict[str, Any]] = ()
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_completion_tokens: int | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None


class TextDelta(msgspec.Struct, frozen=True, tag=True):
    """A piece of the answer's text; never empty."""

    text: str


class RefusalDelta(msgspec.Struct, frozen=True, tag=True):
    """A piece of the text with which the model declines; never empty."""

    text: str


class ToolCallDelta(msgspec.Struct, frozen=True, tag=True):
    """A piece of a tool call.

    ``index`` counts calls of this turn from 0, without gaps, in the order of their first delta.
    ``id`` and ``name`` stand in the first delta of a call and only there; an adapter whose server
    sends no id makes one (``ids.new_id("call")``).
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class Usage(msgspec.Struct, frozen=True, tag=True):
    """Tokens of the whole call, as the server counted them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The last event of every call that ended well. Usage, if any, came before it."""

    reason: FinishReason


ModelEvent = TextDelta | RefusalDelta | ToolCallDelta | Usage | Finished


class ModelInfo(msgspec.Struct, frozen=True):
    """One model that an upstream offers."""

    id: str
    owned_by: str


class Upstream(Protocol):
    """One place that answers ModelRequests."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ModelEvent]]:
        """Call the model and yield its events, in non-empty batches, ending with Finished.

        Raises UpstreamBusy for 429 or 503 before the first byte, and UpstreamError for every
        other refusal, a broken or malformed stream, a timeout, or a connection that fails.
        Closing the iterator aborts the call at once.
        """
        ...

    async def models(self) -> Sequence[ModelInfo]:
        """Return the models on offer. Raises UpstreamError when the endpoint cannot be reached."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Models(Protocol):
    """All upstreams behind their aliases: what the engine and the API see."""

    def knows(self, model: str) -> bool:
        """Return whether a request for this model name has somewhere to go."""
        ...

    def context_window_tokens(self, model: str) -> int | None:
        """Return the configured context window of the model, if it is known."""
        ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ModelEvent]]:
        """As Upstream.stream, after the model name has been mapped to an upstream."""
        ...

    async def models(self) -> Sequence[ModelInfo]:
        """Return every model and alias; an upstream that is down is left out."""
        ...

    async def close(self) -> None:
        """Close every upstream."""
        ...


class Embedder(Protocol):
    """One model that turns texts into vectors."""

    @property
    def model(self) -> str:
        """Return the name of all that its vectors can be compared with."""
        ...

    async def embed(self, texts: Sequence[str]) -> Sequence[bytes]:
        """Return the vector of each text, in order: a unit vector of little-endian float32.

        All have one length. Raises UpstreamBusy when the model stays busy, and UpstreamError for
        every other refusal, a malformed answer, a timeout, or a connection that fails.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Reranker(Protocol):
    """One model that reads a question and a text together and says how well they fit."""

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """Return the score of each text, in order, in 0..1. Raises as Embedder.embed."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
