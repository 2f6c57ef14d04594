"""Every run comes to an end, and to one that has a cause; every client is served."""

from collections.abc import Iterator, Sequence
from typing import Any

from .account import Account, Ask, Violation, job_of
from .contract import BUSY_STATUSES, END_TIMES, LIFE_SECONDS, STOPPED, TERMINAL

_TOO_LATE = "Cannot cancel run with status"  # ERR-53


def whole(account: Account) -> Iterator[Violation]:
    """Yield what is missing of the history itself."""
    numbers = [line["n"] for line in account.lines]
    if numbers != list(range(len(numbers))):
        yield Violation("whole", "lines are missing")
    if not account.lines or account.lines[-1]["what"] != "ended":
        yield Violation("whole", "the history has no end")


def served(account: Account) -> Iterator[Violation]:
    """Yield jobs that were given up or not finished, and refusals that nobody deserved."""
    for line in account.of("gave_up"):
        yield Violation("served", f"job {line['job']}: {line['cause']}", line["n"])
    ended = {line["job"] for what in ("job_over", "gave_up") for line in account.of(what)}
    for line in account.of("job"):
        if line["job"] not in ended:
            yield Violation("served", f"job {line['job']} has no end", line["n"])
    for ask in account.asks.values():
        if _is_refused(ask):
            assert ask.answer is not None
            yield Violation("served", f"{ask.path}: {ask.body}", ask.answer["n"])


def _is_refused(ask: Ask) -> bool:
    """A server that is down or busy says 429 or 5xx; everything else is a verdict."""
    status = ask.answer.get("status", 200) if ask.answer else 200
    if not 400 <= status < min(BUSY_STATUSES):
        return False
    return not (ask.path.endswith("/cancel") and _TOO_LATE in str(ask.body))


def ended(account: Account) -> Iterator[Violation]:
    """Yield runs that are neither over nor waiting for somebody."""
    for line in account.of("final"):
        for place, run in enumerate(line["runs"]):
            if run["status"] in TERMINAL or _waits(account, line["runs"][:place], run):
                continue
            yield Violation("ended", f"{run['id']} is stuck in {run['status']}", line["n"])


def _waits(account: Account, before: Sequence[Any], run: Any) -> bool:
    """A run waits for its client's outputs, or for one before it in its thread that does so."""
    if run["status"] == "queued":
        return any(other["status"] == "requires_action" for other in before)
    return run["status"] == "requires_action" and not _submitted(account, run["id"])


def _submitted(account: Account, run_id: str) -> bool:
    path = f"/{run_id}/submit_tool_outputs"
    return any(ask.path.endswith(path) and ask.is_granted for ask in account.asks.values())


def times(account: Account) -> Iterator[Violation]:
    """Yield ended runs whose fields do not say so (RUN-15 to RUN-1A)."""
    for run in account.runs.values():
        time = END_TIMES.get(run["status"])
        if time and run[time] is None:
            yield Violation("times", f"{run['id']} is {run['status']} and has no {time}")
        if run["status"] in TERMINAL and (run["expires_at"] or run["required_action"]):
            yield Violation("times", f"{run['id']} is over and still asks or expires")
        if (run["last_error"] is None) == (run["status"] == "failed"):
            yield Violation("times", f"{run['id']} is {run['status']}: {run['last_error']}")


def causes(account: Account) -> Iterator[Violation]:
    """Yield runs that came to a bad end which nothing in the history explains."""
    explained = {
        "completed": _is_answered,
        "cancelled": _is_cancelled,
        "failed": _has_failing_model,
        "expired": _is_old,
        "requires_action": _is_called,
        "queued": lambda *_: True,
    }
    for run in account.runs.values():
        if run["status"] not in explained:
            if run["status"] in STOPPED:
                yield Violation("causes", f"{run['id']} is {run['status']}, which nobody asked for")
        elif not explained[run["status"]](account, run):
            yield Violation(
                "causes", f"{run['id']} ({job_of(run)}) is {run['status']} for no reason"
            )


def _is_answered(account: Account, run: Any) -> bool:
    return any(call.how == "whole" for call in account.calls_of.get(job_of(run), ()))


def _is_called(account: Account, run: Any) -> bool:
    return any(call.calls for call in account.calls_of.get(job_of(run), ()))


def _is_cancelled(account: Account, run: Any) -> bool:
    """By a cancel of its own, or by another run that interrupts it."""
    for ask in account.asks.values():
        if ask.path.endswith(f"/{run['id']}/cancel"):
            return True
        interrupts = ask.line.get("headers", {}).get("Understudy-Busy-Thread") == "interrupt"
        if interrupts and ask.path.endswith(f"/{run['thread_id']}/runs"):
            return True
    return False


def _has_failing_model(account: Account, run: Any) -> bool:
    """A model that is only busy is no reason: it is asked again."""
    calls = account.calls_of.get(job_of(run), ())
    return any(
        call.how == "broken" or (call.how == "refused" and call.status not in BUSY_STATUSES)
        for call in calls
    )


def _is_old(account: Account, run: Any) -> bool:
    deadline = run["created_at"] + _life_seconds(account, job_of(run))
    seen = [one.at for one in account.sightings[run["id"]] if one.body["status"] == "expired"]
    return bool(seen) and min(seen) >= deadline


def _life_seconds(account: Account, job: str) -> int:
    for ask in account.asks.values():
        life = ask.line.get("headers", {}).get("Understudy-Expires-After")
        if life and ask.line["job"] == job:
            return int(life)
    return LIFE_SECONDS
