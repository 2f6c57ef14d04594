"""Runs only move as the table of statuses allows, and what is over does not change."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from .account import Account, Reading, Sighting, Violation, is_of_run
from .contract import AFTER, HOLDS_THREAD, MESSAGE_ENDS, REACHABLE, STEP_ENDS, TERMINAL

_FINAL = {
    "thread.run": (TERMINAL, ("status", "completed_at", "failed_at", "cancelled_at", "usage")),
    "thread.run.step": (STEP_ENDS, ("status", "type", "completed_at", "step_details", "usage")),
    "thread.message": (MESSAGE_ENDS, ("status", "role", "run_id", "content")),
}


def legal_steps(account: Account) -> Iterator[Violation]:
    """Yield direct steps in a stream that the table does not have."""
    for reading in account.readings:
        yield from _steps_of(reading)


def _steps_of(reading: Reading) -> Iterator[Violation]:
    status = None
    for event in reading.told():
        if not is_of_run(event) or event["name"] == "thread.run.created":
            continue
        told = event["data"]["status"]
        allowed = AFTER[status] if status else {"queued"}
        if told not in allowed:
            yield Violation("legal steps", f"{reading.label}: {status} -> {told}", event["n"])
        status = told


def no_way_back(account: Account) -> Iterator[Violation]:
    """Yield runs that somebody saw in a status from which they cannot have come to the next.

    Two looks are only compared when one was over before the other began.
    """
    for run_id in account.runs:
        looks = sorted(_looks(account, run_id), key=lambda look: look.seen)
        for look in looks:
            before = [other for other in looks if other.seen < look.sent]
            if before and look.body["status"] not in REACHABLE[before[-1].body["status"]]:
                what = f"{run_id}: {before[-1].body['status']} -> {look.body['status']}"
                yield Violation("no way back", what, look.seen)


def _looks(account: Account, run_id: str) -> Iterator[Sighting]:
    """Yield what was true when it was asked: a stream and a repeated answer tell of the past."""
    for look in account.sightings[run_id]:
        line = account.lines[look.seen]
        if line["what"] == "answered" and account.asks[line["ask"]].line["method"] == "GET":
            yield look


def nothing_changes_afterwards(account: Account) -> Iterator[Violation]:
    """Yield objects that were over, and were seen to be something else later or elsewhere."""
    for object_id, looks in account.sightings.items():
        endings, fields = _FINAL.get(looks[0].body["object"], (frozenset[str](), ()))
        seen: dict[str, Any] = {}
        for look in looks:
            if look.body.get("status") not in endings or _is_users(look.body):
                continue
            for field in fields:
                if seen.setdefault(field, look.body[field]) != look.body[field]:
                    what = f"{object_id}.{field}: {seen[field]} -> {look.body[field]}"
                    yield Violation("nothing changes afterwards", what, look.seen)


def _is_users(body: Any) -> bool:
    return bool(body.get("role") == "user")


def one_active_run(account: Account) -> Iterator[Violation]:
    """Yield lists of a thread's runs in which two hold the thread at once (RUN-22)."""
    for line in account.of("answered"):
        body = line["body"]
        if not isinstance(body, dict) or body.get("object") != "list":
            continue
        holders = defaultdict(list)
        for one in body["data"]:
            if one["object"] == "thread.run" and one["status"] in HOLDS_THREAD:
                holders[one["thread_id"]].append(one["id"])
        for thread, ids in holders.items():
            if len(ids) > 1:
                yield Violation("one active run", f"{thread} has {ids}", line["n"])


def in_turn(account: Account) -> Iterator[Violation]:
    """Yield runs that began before the one before them in their thread had ended."""
    for line in account.of("final"):
        free_at = 0
        for run in line["runs"]:
            begun = _first_start(account, run)
            if begun is not None and begun < free_at:
                yield Violation("in turn", f"{run['id']} began too early", line["n"])
            times = (run["completed_at"], run["failed_at"], run["cancelled_at"])
            if begun is not None:
                free_at = max(free_at, *(time or 0 for time in times))


def _first_start(account: Account, run: Any) -> int | None:
    starts = [look.body["started_at"] for look in account.sightings[run["id"]]]
    return min((start for start in starts if start is not None), default=None)
