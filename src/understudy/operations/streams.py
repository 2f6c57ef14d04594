"""Follows the events of a run: what the rows tell, then what comes, each event once."""

from collections.abc import AsyncGenerator, Sequence

from understudy.dispatch.base import Subscription
from understudy.operations.ports import Caller, Ports
from understudy.runs.status import TERMINAL as TERMINAL_STATUSES
from understudy.runs.transcript import Story, retell, unseen
from understudy.storage.records import RunHistory, Scope
from understudy.wire.events import STOPPING, TERMINAL, EventId, RunEvent


async def follow(
    ports: Ports,
    caller: Caller,
    thread_id: str,
    run_id: str,
    *,
    subscription: Subscription,
    after: EventId,
    listening_since_after: bool,
    until_over: bool,
    patience_seconds: float,
) -> AsyncGenerator[Sequence[RunEvent]]:
    """Yield what happens in the run behind ``after``; nothing is told twice.

    With ``listening_since_after`` the subscription is known to have missed nothing, and the rows
    need not be read first. Ends after a stopping event, or with ``until_over`` only when the run
    is over or gone. An empty batch means that nothing has happened for ``patience_seconds``; the
    rows are read then, so that even a lost message only delays an event.
    """
    ends = TERMINAL if until_over else STOPPING
    scope = Scope(project_id=caller.project_id, thread_id=thread_id)
    opened_after = subscription.opened_after
    has_all = opened_after is not None and opened_after <= after
    ask_rows = not (listening_since_after or has_all)
    idle, over = False, False
    try:
        while True:
            if ask_rows:
                history = await ports.storage.run_history(scope, run_id)
                if history is None:
                    return
                events: Sequence[RunEvent] = [*retell(_story(history), after)]
                # Of the same snapshot as the events: a later look could find an untold end.
                over = history.record.state.run.status in TERMINAL_STATUSES
            else:
                events = await subscription.next(patience_seconds)
            fresh, ended = _fresh(events, after, ends)
            if fresh:
                after = fresh[-1].id
            if fresh or (idle and ask_rows):
                yield fresh
            if ended or over:
                return
            idle = not events
            ask_rows = idle and not ask_rows
    finally:
        subscription.close()


def _fresh(
    events: Sequence[RunEvent], after: EventId, ends: frozenset[str]
) -> tuple[list[RunEvent], bool]:
    """Return what has not been told yet, up to the end of the stream, and whether that is there."""
    fresh: list[RunEvent] = []
    for event in events:
        rest = unseen(event, after)
        if rest is not None:
            fresh.append(rest)
            if rest.name in ends:
                return fresh, True
            after = rest.id
    return fresh, False


def _story(history: RunHistory) -> Story:
    return Story(
        run=history.record.state.run,
        thread=history.thread,
        deadline=history.record.state.deadline,
        journal=history.journal,
        steps=history.steps,
        messages=history.messages,
    )
