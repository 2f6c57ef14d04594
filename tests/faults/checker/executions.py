"""What was done and recorded is not done again, and nobody writes after losing a lease."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from .account import Account, Call, Violation, job_of, text_of
from .contract import STEP_ENDS, TERMINAL
from .streams import place
from .waking import reflexes


def outputs_count_once(account: Account) -> Iterator[Violation]:
    """Yield runs that took two sets of outputs, or show others than they were given (RUN-44)."""
    accepted: dict[str, set[str]] = defaultdict(set)
    given: dict[str, str] = {}
    for ask in account.asks.values():
        if ask.path.endswith("/submit_tool_outputs") and ask.is_granted:
            run_id = ask.path.split("/")[-2]
            accepted[run_id].add(ask.line["key"])
            for output in ask.line["body"]["tool_outputs"]:
                given[output["tool_call_id"]] = output["output"]
    for run_id, keys in accepted.items():
        if len(keys) > 1:
            yield Violation("outputs count once", f"{run_id} took outputs {len(keys)} times")
    yield from _shown(account, given)


def _shown(account: Account, given: dict[str, str]) -> Iterator[Violation]:
    for line in account.of("final"):
        for step in (step for steps in line["steps"].values() for step in steps):
            for call in step["step_details"].get("tool_calls", ()):
                if call["type"] != "function" or step["status"] != "completed":
                    continue
                shown = call["function"]["output"]
                if shown != given.get(call["id"]):
                    what = f"{call['id']} shows {shown!r} for {given.get(call['id'])!r}"
                    yield Violation("outputs count once", what, line["n"])


def nothing_is_done_again(account: Account) -> Iterator[Violation]:
    """Yield executions of a hosted tool behind the line that shows its step as completed."""
    recorded, excused = _recorded(account), reflexes(account)
    for line in account.of("executed"):
        done = recorded.get(line["job"])
        if done is not None and done < line["n"] and line["n"] not in excused:
            what = f"{line['tool']} of {line['job']} was on record since line {done}"
            yield Violation("nothing is done again", what, line["n"])


def _recorded(account: Account) -> dict[str, int]:
    """Return by job when a step with hosted tools was first seen completed."""
    jobs = {run_id: job_of(run) for run_id, run in account.runs.items()}
    recorded: dict[str, int] = {}
    for looks in account.sightings.values():
        for look in looks:
            if _is_done_work(look.body) and look.body["run_id"] in jobs:
                job = jobs[look.body["run_id"]]
                recorded[job] = min(look.seen, recorded.get(job, look.seen))
    return recorded


def _is_done_work(body: Any) -> bool:
    if body["object"] != "thread.run.step" or body["status"] not in STEP_ENDS:
        return False
    return any(call["type"] != "function" for call in body["step_details"].get("tool_calls", ()))


def turns_are_not_repeated(account: Account) -> Iterator[Violation]:
    """Yield questions for a turn when a later one had been asked already.

    The later question shows that the earlier turn was on record.
    """
    latest: Counter[str] = Counter()
    excused = reflexes(account)
    for call in account.calls:
        if call.turn < latest[call.job] and call.line["n"] not in excused:
            what = f"turn {call.turn} of {call.job} was asked after turn {latest[call.job]}"
            yield Violation("turns are not repeated", what, call.line["n"])
        latest[call.job] = max(latest[call.job], call.turn)


def nobody_works_afterwards(account: Account) -> Iterator[Violation]:
    """Yield questions to the model for a run that somebody had seen to be over."""
    over: dict[str, int] = {}
    for run_id, run in account.runs.items():
        seen = (look.seen for look in account.sightings[run_id] if look.body["status"] in TERMINAL)
        over[job_of(run)] = min(seen, default=len(account.lines))
    excused = reflexes(account)
    for call in account.calls:
        n = call.line["n"]
        if n > over.get(call.job, len(account.lines)) and n not in excused:
            what = f"the model was asked for {call.job}, which was over"
            yield Violation("nobody works afterwards", what, n)


def the_last_one_writes(account: Account) -> Iterator[Violation]:
    """Yield runs that were completed with the words of somebody who had been replaced.

    Who asks the model later has claimed the run later, so what stands in the message must be what
    the last one was told. It shows where the model says something else each time.
    """
    excused = reflexes(account)
    for line in account.of("final"):
        messages = {one["run_id"]: one for one in line["messages"] if one["run_id"]}
        for run in line["runs"]:
            calls = [call for call in account.calls_of.get(job_of(run), ()) if call.text]
            if run["status"] != "completed" or not calls or run["id"] not in messages:
                continue
            written = text_of(messages[run["id"]])
            if written not in _last_words(calls, excused):
                what = f"{run['id']} was told {calls[-1].text!r} at last and wrote {written!r}"
                yield Violation("the last one writes", what, line["n"])


def _last_words(calls: Sequence[Call], excused: frozenset[int]) -> Iterator[str]:
    """Yield what the last one was told, and those before it if it may have been replaced."""
    for call in reversed(calls):
        yield call.text
        if call.line["n"] not in excused:
            return


def attempts_rise(account: Account) -> Iterator[Violation]:
    """Yield stories in which an earlier attempt goes on after a later one has begun."""
    for reading in account.readings:
        latest = 0
        for event in reading.told():
            attempt, _ = place(event)
            if attempt < latest:
                what = f"{reading.label}: {event['id']} after attempt {latest}"
                yield Violation("attempts rise", what, event["n"])
            latest = max(latest, attempt)
