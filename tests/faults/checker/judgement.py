"""All rules over one history, and the words for what they find."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import cells, contents, creation, endings, executions, statuses, stores, streams
from .account import Account, Call, Violation, load
from .contract import BUSY_STATUSES

Rule = Callable[[Account], Iterator[Violation]]

RULES: Sequence[Rule] = (
    endings.whole,
    endings.served,
    endings.ended,
    endings.times,
    endings.causes,
    creation.made_once,
    creation.one_of_each_job,
    creation.runs_have_questions,
    creation.one_run_per_reader,
    statuses.legal_steps,
    statuses.no_way_back,
    statuses.nothing_changes_afterwards,
    statuses.one_active_run,
    statuses.in_turn,
    streams.ids_rise,
    streams.nothing_is_left_out,
    streams.told_to_the_end,
    streams.retold_alike,
    streams.grammar,
    contents.one_step_per_message,
    contents.steps_are_turns,
    contents.cut_short_in_order,
    contents.answers_follow_questions,
    contents.deltas_add_up,
    contents.context_is_the_thread,
    cells.cells_print_once,
    cells.cells_add_up,
    executions.outputs_count_once,
    executions.nothing_is_done_again,
    executions.turns_are_not_repeated,
    executions.nobody_works_afterwards,
    executions.the_last_one_writes,
    executions.attempts_rise,
    stores.ingested_once,
    stores.passages_in_order,
)
SHOWN_MAX = 10


def violations(account: Account) -> Sequence[Violation]:
    """Return all that must not have happened."""
    return [violation for rule in RULES for violation in rule(account)]


def tally(account: Account) -> dict[str, Counter[str]]:
    """Return what there was to look at, so that nobody takes an empty history for a good one.

    ``heard_too_late`` counts the runs whose worker lost them before it had the whole answer: it
    would have written, had it not been fenced off.
    """
    calls = [of_job for of_job in account.calls_of.values() if of_job]
    retried = Counter(line["key"] for line in account.of("asked") if line["key"])
    return {
        "runs": Counter(run["status"] for run in account.runs.values()),
        "jobs": Counter(line["kind"] for line in account.of("job")),
        "executed": Counter(line["tool"] for line in account.of("executed")),
        "faults": Counter(line["kind"] for line in account.of("fault")),
        "streams": Counter(how for reading in account.readings for how in reading.endings),
        "seen": Counter(
            events=sum(1 for _ in account.of("event")),
            resumed=sum(1 for line in account.of("opened") if line["after"]),
            repeated_requests=sum(1 for times in retried.values() if times > 1),
            taken_over=sum(1 for of_job in calls if _was_taken_over(of_job)),
            heard_too_late=sum(1 for of_job in calls if _was_heard_too_late(of_job)),
        ),
    }


def _was_taken_over(calls: Sequence[Call]) -> bool:
    turns = Counter(call.turn for call in calls if call.status not in BUSY_STATUSES)
    return any(times > 1 for times in turns.values())


def _was_heard_too_late(calls: Sequence[Call]) -> bool:
    """Whoever had asked first heard the whole answer, when another worker had the run already."""
    heard = {(call.turn, call.line["by"]) for call in calls if call.how == "whole"}
    return any(call.turn == turn and call.line["by"] != by for call in calls for turn, by in heard)


def verdict(path: Path) -> tuple[str, bool]:
    """Return what to say of this history, and whether it is good."""
    account = load(path)
    found = violations(account)
    lines = [f"{name}: {_counted(counts)}" for name, counts in tally(account).items()]
    by_rule = Counter(violation.rule for violation in found)
    for rule, times in by_rule.items():
        lines.append(f"{times} x {rule}")
        shown = [violation for violation in found if violation.rule == rule][:SHOWN_MAX]
        lines += [f"    {violation}" for violation in shown]
    lines.append(f"{len(RULES)} rules, {len(found)} violations")
    return "\n".join(lines), not found


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
