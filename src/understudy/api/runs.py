"""Runs over HTTP, whole or as a stream of events."""

from typing import cast

import msgspec

from understudy.api.ask import Ask, Reply, Stream
from understudy.api.paging import asked_part
from understudy.api.polling import poll_after
from understudy.api.sse import cancels_on_disconnect, event_stream, last_event_id
from understudy.api.views import show, show_page
from understudy.errors import InvalidRequest
from understudy.operations import run_creation, run_waiting, runs
from understudy.operations.accepted import Accepted
from understudy.operations.run_creation import BusyThread, RunOptions
from understudy.wire.encoding import decode_run
from understudy.wire.events import BEGINNING
from understudy.wire.params import runs as params
from understudy.wire.params.pages import SEARCH_CONTENT, parse_include
from understudy.wire.violations import unsupported

_DIGITS_MAX = 12
BUSY_THREAD = ("reject", "enqueue", "interrupt")


async def create(ask: Ask) -> Reply | Stream:
    """Create a run."""
    thread_id = ask.id("thread_id")
    with_content = SEARCH_CONTENT in parse_include(ask.query)
    new = params.parse_create(ask.body, ask.era, thread_id)
    accepted = await run_creation.create(ask.ports, ask.caller, thread_id, new, _options(ask))
    return _answer(ask, accepted, with_content=with_content)


async def create_with_thread(ask: Ask) -> Reply | Stream:
    """Create a thread and a run on it."""
    new = params.parse_create_thread_and_run(ask.body, ask.era)
    return _answer(
        ask, await run_creation.create_with_thread(ask.ports, ask.caller, new, _options(ask))
    )


async def retrieve(ask: Ask) -> Reply:
    """Retrieve a run; with ``wait``, when it stops or the seconds are over (an extension)."""
    thread_id, run_id = ask.id("thread_id"), ask.id("run_id")
    seconds = _wait_seconds(ask)
    if seconds:
        row = await run_waiting.wait_for(ask.ports, ask.caller, thread_id, run_id, seconds)
    else:
        row = await runs.get(ask.ports, ask.caller, thread_id, run_id)
    created_at = msgspec.json.decode(row.body, type=_Age).created_at
    return show("run", row, ask.era, (poll_after(ask, created_at),))


async def list_(ask: Ask) -> Reply:
    """List the runs of a thread."""
    thread_id = ask.id("thread_id")
    rows = await runs.list_page(ask.ports, ask.caller, thread_id, asked_part(ask))
    return show_page("run", rows, ask.era)


async def modify(ask: Ask) -> Reply:
    """Modify the metadata of a run."""
    thread_id, run_id = ask.id("thread_id"), ask.id("run_id")
    changes = params.parse_modify(ask.body, ask.era)
    row = await runs.modify(ask.ports, ask.caller, thread_id, run_id, changes)
    return show("run", row, ask.era)


async def submit_tool_outputs(ask: Ask) -> Reply | Stream:
    """Submit the outputs that a run waits for."""
    thread_id, run_id = ask.id("thread_id"), ask.id("run_id")
    outputs = params.parse_submit(ask.body, ask.era)
    cancels_on_disconnect(ask)
    accepted = await runs.submit_tool_outputs(ask.ports, ask.caller, thread_id, run_id, outputs)
    return _answer(ask, accepted)


async def cancel(ask: Ask) -> Reply:
    """Cancel a run."""
    thread_id, run_id = ask.id("thread_id"), ask.id("run_id")
    return show("run", await runs.cancel(ask.ports, ask.caller, thread_id, run_id), ask.era)


async def events(ask: Ask) -> Stream:
    """Replay the events of a run and follow them until it is over (an extension)."""
    thread_id, run_id = ask.id("thread_id"), ask.id("run_id")
    after = last_event_id(ask.headers.get("last-event-id"), BEGINNING)
    with_content = SEARCH_CONTENT in parse_include(ask.query)
    cancels_on_disconnect(ask)
    row = await runs.get(ask.ports, ask.caller, thread_id, run_id)
    subscription = await ask.ports.dispatch.subscribe(run_id)
    return event_stream(
        ask, thread_id, row, subscription, after, until_over=True, with_content=with_content
    )


class _Age(msgspec.Struct):
    created_at: int


def _answer(ask: Ask, accepted: Accepted, *, with_content: bool = False) -> Reply | Stream:
    if accepted.subscription is None:
        return show("run", accepted.row, ask.era)
    run = decode_run(accepted.row.body)
    return event_stream(
        ask,
        run.thread_id,
        accepted.row,
        accepted.subscription,
        accepted.after,
        listening_since_after=True,
        with_content=with_content,
    )


def _options(ask: Ask) -> RunOptions:
    cancels_on_disconnect(ask)
    busy = ask.headers.get("understudy-busy-thread", "reject")
    if busy not in BUSY_THREAD:
        raise unsupported("Understudy-Busy-Thread", busy, BUSY_THREAD)
    return RunOptions(
        on_busy_thread=cast("BusyThread", busy),
        expires_after_seconds=_whole_seconds(ask, "understudy-expires-after"),
    )


def _whole_seconds(ask: Ask, header: str) -> int | None:
    text = ask.headers.get(header)
    return None if text is None else _seconds(header.title(), text)


def _wait_seconds(ask: Ask) -> float:
    text = ask.first("wait")
    return min(_seconds("wait", text), ask.ports.settings.wait_seconds_max) if text else 0.0


def _seconds(name: str, text: str) -> int:
    """Return a whole number of seconds; more digits than these are no number of seconds."""
    if not text.isdecimal() or len(text) > _DIGITS_MAX:
        raise InvalidRequest(
            f"Invalid '{name}': '{text[:50]}'. Expected a whole number of seconds.",
            param=name,
            code="invalid_value",
        )
    return int(text)
