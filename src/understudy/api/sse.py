"""Server-sent events: frames, keep-alive, and the end of a stream (STR-01 to STR-16)."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec
import structlog

from understudy.api.ask import Ask, Stream
from understudy.api.errors import broken_envelope
from understudy.dispatch.base import Subscription
from understudy.errors import InvalidRequest, Refusal
from understudy.operations import runs
from understudy.operations.streams import follow
from understudy.storage.records import Row
from understudy.wire import v1, v2
from understudy.wire.deltas import MessageDelta, StepDelta
from understudy.wire.encoding import encode
from understudy.wire.era import Era
from understudy.wire.events import EventId, RunEvent
from understudy.wire.objects.messages import Message
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import RunStep
from understudy.wire.violations import unsupported

log = structlog.get_logger("understudy.api")

CONTENT_TYPE = b"text/event-stream; charset=utf-8"
ON_DISCONNECT = ("keep", "cancel")
DONE = b"event: done\ndata: [DONE]\n\n"
# One line, not a frame: Python's clients take a blank line behind an id line for an empty event.
PING = b": ping\n"


def frame(
    event: RunEvent, era: Era, file_ids: Sequence[str], *, with_content: bool = False
) -> bytes:
    """Return the event as a frame; the id line lets a client come back to this place.

    ``file_ids`` are those that v1 shows on the run (RUN-04), ``with_content`` shows the passages
    that searches have found (STEP-08).
    """
    if era == "v1":
        name, data = v1.event_name(event.name), _data_v1(event, file_ids)
    else:
        name, data = event.name, v2.event_data(event.data, with_content=with_content)
    return b"event: %b\nid: %d-%d\ndata: %b\n\n" % (
        name.encode(),
        event.attempt,
        event.position,
        encode(data),
    )


def _data_v1(event: RunEvent, file_ids: Sequence[str]) -> msgspec.Struct:
    data = event.data
    if isinstance(data, MessageDelta):
        return v1.message_delta(data)
    if isinstance(data, StepDelta):
        return v1.step_delta(data)
    if isinstance(data, Run):
        return v1.run(data, file_ids)
    if isinstance(data, RunStep):
        return v1.step(data)
    if isinstance(data, Message):
        return v1.message(data, ())
    return v1.thread(data)


def event_stream(
    ask: Ask,
    thread_id: str,
    row: Row,
    subscription: Subscription,
    after: EventId,
    *,
    listening_since_after: bool = False,
    until_over: bool = False,
    with_content: bool = False,
) -> Stream:
    """Answer with the events of a run behind ``after``."""
    events = follow(
        ask.ports,
        ask.caller,
        thread_id,
        row.id,
        subscription=subscription,
        after=after,
        listening_since_after=listening_since_after,
        until_over=until_over,
        patience_seconds=ask.ports.settings.patience_seconds,
    )
    if until_over:
        # Clients of our own endpoint come back with Last-Event-ID; hosted streams cannot.
        events = _until_stopping(events, ask.ports.stopping)
    frames = _frames(ask, events, row, with_content=with_content)
    if cancels_on_disconnect(ask):
        frames = _cancelling(ask, frames, thread_id, row.id)
    return Stream(pieces=frames, content_type=CONTENT_TYPE, headers=_STREAM_HEADERS)


_STREAM_HEADERS = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))


def cancels_on_disconnect(ask: Ask) -> bool:
    """Return whether the run shall end with the stream. Raises InvalidRequest for other words."""
    wanted = ask.headers.get("understudy-on-disconnect", "keep")
    if wanted not in ON_DISCONNECT:
        raise unsupported("Understudy-On-Disconnect", wanted, ON_DISCONNECT)
    return wanted == "cancel"


def last_event_id(text: str | None, default: EventId) -> EventId:
    """Read the Last-Event-ID header. Raises InvalidRequest for what is not one of ours."""
    if not text:
        return default
    try:
        return EventId.parse(text)
    except ValueError as error:
        raise InvalidRequest(
            f"Invalid 'Last-Event-ID': '{text[:50]}'. Expected an id of this stream, like '1-17'.",
            param="Last-Event-ID",
            code="invalid_value",
        ) from error


async def _frames(
    ask: Ask, events: AsyncGenerator[Sequence[RunEvent]], row: Row, *, with_content: bool
) -> AsyncGenerator[bytes]:
    """Yield what is ready as one piece; an error of the stream itself is its last event."""
    framed = partial(frame, era=ask.era, file_ids=row.file_ids, with_content=with_content)
    try:
        async with aclosing(events):
            async for batch in events:
                if batch:
                    yield b"".join(map(framed, batch))
                elif await _has_gone(ask):
                    return
                else:
                    yield PING
    except _Stopping:
        return  # without the frame that says that all is told
    except Refusal as refusal:
        yield _error(refusal.message, refusal.type, refusal.param, refusal.code)
    except Exception:
        log.exception("stream_failed", run_id=row.id, request_id=ask.request_id)
        told = broken_envelope(ask.request_id)["error"]
        yield b"event: error\ndata: %b\n\n" % encode({"error": told, **told})  # type: ignore[dict-item]
    yield DONE


def _error(message: str, type_: str, param: str | None, code: str | None) -> bytes:
    """STR-15: nested as the wire had it and flat as the schema says; clients differ."""
    error = {"message": message, "type": type_, "param": param, "code": code}
    return b"event: error\ndata: %b\n\n" % encode({"error": error, **error})


async def _until_stopping(
    events: AsyncGenerator[Sequence[RunEvent]], stopping: asyncio.Event
) -> AsyncGenerator[Sequence[RunEvent]]:
    """Yield the events; raises _Stopping when the server has to go before they are at an end."""
    told = asyncio.ensure_future(stopping.wait())
    try:
        async with aclosing(events):
            while (batch := await _next_unless(told, events)) is not None:
                yield batch
    finally:
        told.cancel()


async def _next_unless(
    told: asyncio.Future[Any], events: AsyncGenerator[Sequence[RunEvent]]
) -> Sequence[RunEvent] | None:
    """Return the next batch, or None at the end. Raises _Stopping when that is told before."""
    batch = asyncio.ensure_future(anext(events, None))
    try:
        await asyncio.wait({told, batch}, return_when=asyncio.FIRST_COMPLETED)
        if not batch.done():
            raise _Stopping
        return batch.result()
    finally:
        if not batch.done():
            # A generator cannot be closed while somebody waits for its next batch.
            batch.cancel()
            await asyncio.gather(batch, return_exceptions=True)


class _Stopping(Exception):
    """The server is being stopped; the stream goes on at another one, or after its restart."""


async def _has_gone(ask: Ask) -> bool:
    """Return whether the client has hung up, without waiting for it to."""
    gone = asyncio.ensure_future(ask.disconnected())
    await asyncio.sleep(0)
    if gone.done():
        return True
    gone.cancel()
    return False


async def _cancelling(
    ask: Ask, frames: AsyncGenerator[bytes], thread_id: str, run_id: str
) -> AsyncGenerator[bytes]:
    """Cancel the run as soon as the client hangs up (Understudy-On-Disconnect: cancel)."""
    watch = asyncio.create_task(_cancel_when_gone(ask, thread_id, run_id))
    try:
        async with aclosing(frames):
            async for piece in frames:
                yield piece
    finally:
        watch.cancel()


async def _cancel_when_gone(ask: Ask, thread_id: str, run_id: str) -> None:
    await ask.disconnected()
    try:
        await runs.cancel(ask.ports, ask.caller, thread_id, run_id)
    except Refusal as refusal:
        log.debug("nothing_to_cancel", run_id=run_id, cause=refusal.message)
