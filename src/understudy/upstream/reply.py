"""Bytes of one answer in, events out: everything of the dialect that needs no network."""

import msgspec

from understudy.errors import UpstreamError
from understudy.upstream.base import (
    Finished,
    FinishReason,
    ModelEvent,
    RefusalDelta,
    TextDelta,
    Usage,
)
from understudy.upstream.chunks import (
    Chunk,
    ContentPart,
    Delta,
    ToolCallPiece,
    UsagePiece,
    decode_chunk,
)
from understudy.upstream.complaints import from_error
from understudy.upstream.sse import LINE_BYTES_MAX, DataLines
from understudy.upstream.tool_calls import ToolCalls

_REASONS: dict[str, FinishReason] = {"length": "length", "content_filter": "content_filter"}


class Reply:
    """Reads one answer, a stream of chunks or a whole completion.

    ``feed`` and ``end`` return the events that arrived. When the answer cannot go on, ``failure``
    says why; the events that came before it are returned all the same. ``over`` tells that nothing
    more is to be read.
    """

    def __init__(self) -> None:
        self.over = False
        self.failure: UpstreamError | None = None
        self._lines = DataLines()
        self._whole: list[bytes] | None = None
        self._begun = False
        self._events: list[ModelEvent] = []
        self._texts: list[str] = []
        self._calls = ToolCalls()
        self._usage: UsagePiece | None = None
        self._reason: str | None = None

    def feed(self, data: bytes) -> list[ModelEvent]:
        """Return the events that this piece of the body completes."""
        if not self._begun:
            self._begin(data)
        try:
            if self._whole is not None:
                self._keep(self._whole, data)
            else:
                self._take_all(self._lines.feed(data))
        except UpstreamError as failure:
            self._fail(failure)
        return self._flush()

    def end(self) -> list[ModelEvent]:
        """Return the last events, now that the body has ended."""
        try:
            self._take_all([b"".join(self._whole)] if self._whole else self._lines.end())
            if not self.over:
                self._finish_early()
        except UpstreamError as failure:
            self._fail(failure)
        return self._flush()

    def broken(self, failure: UpstreamError) -> list[ModelEvent]:
        """Return the last events, now that the connection has failed.

        An answer that has said how it finished is complete: only its usage may be lost.
        """
        try:
            if self._reason is None:
                raise failure
            self._finish()
        except UpstreamError as error:
            self._fail(error)
        return self._flush()

    def _begin(self, data: bytes) -> None:
        # A stream never begins with a brace; a server that ignores "stream" sends a JSON object.
        start = data.lstrip()
        self._begun = bool(start)
        if start.startswith(b"{"):
            self._whole = []

    def _keep(self, whole: list[bytes], data: bytes) -> None:
        whole.append(data)
        if sum(map(len, whole)) > LINE_BYTES_MAX:
            raise UpstreamError(f"sent an answer longer than {LINE_BYTES_MAX} bytes")

    def _take_all(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            if self.over:
                return
            try:
                chunk = decode_chunk(payload)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._take_odd(payload.strip(), error)
            else:
                self._take(chunk)

    def _take_odd(self, payload: bytes, error: Exception) -> None:
        if payload == b"[DONE]":
            self._finish()
        elif payload:
            shown = payload[:80].decode("utf-8", "replace")
            raise UpstreamError(f"sent a malformed chunk ({error}): {shown}") from error

    def _take(self, chunk: Chunk) -> None:
        if chunk.choices:
            choice = chunk.choices[0]
            delta = choice.delta or choice.message
            if delta is not None:
                self._take_delta(delta)
            if choice.finish_reason or choice.message is not None:
                self._reason = choice.finish_reason or "stop"
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.error or chunk.message:
            raise _complaint(chunk)

    def _take_delta(self, delta: Delta) -> None:
        if delta.content:
            self._texts.append(_text(delta.content))
        if delta.refusal:
            self._put(RefusalDelta(delta.refusal))
        if delta.tool_calls:
            for piece in delta.tool_calls:
                self._put(*self._calls.hear(piece))
        if delta.function_call is not None:
            self._put(*self._calls.hear(ToolCallPiece(function=delta.function_call)))

    def _put(self, *events: ModelEvent) -> None:
        """Add events behind the text that came before them."""
        if self._texts:
            text = "".join(self._texts)
            self._texts.clear()
            if text:
                self._events.append(TextDelta(text))
        self._events.extend(events)

    def _flush(self) -> list[ModelEvent]:
        self._put()
        events, self._events = self._events, []
        return events

    def _finish_early(self) -> None:
        if self._reason is None:
            raise UpstreamError("ended the stream early")
        self._finish()

    def _finish(self) -> None:
        if self._reason == "error":
            raise UpstreamError("finished with an error that it does not name")
        self._put(*self._calls.end())
        if self._usage is not None:
            self._put(_usage(self._usage))
        self._put(Finished(self._finish_reason()))
        self.over = True

    def _finish_reason(self) -> FinishReason:
        # Servers disagree about "stop" with calls, and about names of their own such as "eos".
        ordinary: FinishReason = "tool_calls" if self._calls else "stop"
        return _REASONS.get(self._reason or "", ordinary)

    def _fail(self, failure: UpstreamError) -> None:
        self.failure = failure
        self.over = True


def _text(content: str | list[ContentPart]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.text or "" for part in content)


def _usage(piece: UsagePiece) -> Usage:
    prompt, completion = piece.prompt_tokens_details, piece.completion_tokens_details
    return Usage(
        prompt_tokens=piece.prompt_tokens or 0,
        completion_tokens=piece.completion_tokens or 0,
        cached_tokens=(prompt and prompt.cached_tokens) or 0,
        reasoning_tokens=(completion and completion.reasoning_tokens) or 0,
    )


def _complaint(chunk: Chunk) -> UpstreamError:
    error = chunk.error or {"message": chunk.message, "code": chunk.code}
    complaint = from_error(error)
    return UpstreamError(
        f"broke off with an error: {complaint.message}", rate_limited=complaint.rate_limited
    )
