"""Answers an Idempotency-Key again (an extension; the hosted API ignored the header)."""

import msgspec

from understudy.api.ask import Ask, Reply, Stream
from understudy.api.sse import cancels_on_disconnect, event_stream
from understudy.api.views import show
from understudy.errors import InvalidRequest
from understudy.storage.changes import Answer
from understudy.storage.records import Row
from understudy.wire.encoding import decode_run
from understudy.wire.events import EventId
from understudy.wire.params.pages import SEARCH_CONTENT, parse_include


class _Streamed(msgspec.Struct):
    stream: bool | None = None


async def replayed(ask: Ask) -> Reply | Stream | None:
    """Return the first answer to this key, or None when there is none yet.

    Raises InvalidRequest when the key stood for another request.
    """
    caller = ask.caller
    answer = await ask.ports.storage.answered(caller.project_id, caller.idempotency_key or "")
    if answer is None:
        return None
    if answer.fingerprint != caller.fingerprint:
        raise InvalidRequest(
            "This Idempotency-Key was used for another request. Use a new key for a new request.",
            param="Idempotency-Key",
            code="idempotency_key_reused",
        )
    if answer.kind == "run" and answer.after and _wants_stream(ask.body):
        return await _stream(ask, answer)
    row = Row("", answer.body, answer.file_ids)
    return show(answer.kind, row, caller.era)


def _wants_stream(body: bytes) -> bool:
    return bool(body) and msgspec.json.decode(body, type=_Streamed).stream is True


async def _stream(ask: Ask, answer: Answer) -> Stream:
    cancels_on_disconnect(ask)
    run = decode_run(answer.body)
    row = Row(run.id, answer.body, answer.file_ids)
    with_content = SEARCH_CONTENT in parse_include(ask.query)
    subscription = await ask.ports.dispatch.subscribe(run.id)
    after = EventId.parse(answer.after)
    return event_stream(ask, run.thread_id, row, subscription, after, with_content=with_content)
