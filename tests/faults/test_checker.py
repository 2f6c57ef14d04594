"""The checker finds what is wrong: a good history is spoiled in one place for each rule."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .checker.account import Account
from .checker.cells import BROKEN_OFF
from .checker.judgement import RULES, violations
from .tale import good

Lines = list[dict[str, Any]]
Spoil = Callable[[Lines], object]


def test_a_good_history_is_good() -> None:
    assert violations(Account(good())) == []


# --- finding a place in the history -------------------------------------------------------------


def lines_of(lines: Lines, what: str, **fields: Any) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line["what"] == what and all(line.get(key) == value for key, value in fields.items()):
            yield line


def one_of(lines: Lines, what: str, **fields: Any) -> dict[str, Any]:
    return next(lines_of(lines, what, **fields))


def event(lines: Lines, job: str, name: str) -> dict[str, Any]:
    return one_of(lines, "event", reader=f"{job}:x", name=name)


def final(lines: Lines) -> dict[str, Any]:
    return one_of(lines, "final")


def run_of(lines: Lines, job: str) -> dict[str, Any]:
    runs: Lines = final(lines)["runs"]
    return next(run for run in runs if run["id"] == f"run_{job}")


def message_of(lines: Lines, message_id: str) -> dict[str, Any]:
    messages: Lines = final(lines)["messages"]
    return next(message for message in messages if message["id"] == message_id)


def insert_behind(lines: Lines, line: dict[str, Any], **fields: Any) -> None:
    """Put a changed copy of a line right behind it."""
    lines.insert(lines.index(line) + 1, {**copy.deepcopy(line), **fields})


def move_behind(lines: Lines, line: dict[str, Any], other: dict[str, Any]) -> None:
    lines.remove(line)
    lines.insert(lines.index(other) + 1, line)


def without(lines: Lines, line: dict[str, Any]) -> None:
    lines.remove(line)


def number_anew(lines: Lines) -> None:
    for number, line in enumerate(lines):
        line["n"] = number


# --- what can go wrong --------------------------------------------------------------------------


def the_end_is_lost(lines: Lines) -> None:
    without(lines, lines[-1])


def a_line_is_lost(lines: Lines) -> None:
    without(lines, one_of(lines, "function"))


def a_client_gives_up(lines: Lines) -> None:
    over = one_of(lines, "job_over", job="a")
    over |= {"what": "gave_up", "cause": "no answer"}


def a_good_request_is_refused(lines: Lines) -> None:
    answer = next(one for one in lines_of(lines, "answered") if one["body"].get("id") == "run_a")
    answer |= {"status": 404, "body": {"error": {"message": "No run found"}}}


def a_run_is_stuck(lines: Lines) -> None:
    run_of(lines, "c")["status"] = "in_progress"


def a_run_waits_for_what_it_was_given(lines: Lines) -> None:
    run_of(lines, "b")["status"] = "requires_action"


def a_run_waits_behind_nobody(lines: Lines) -> None:
    run_of(lines, "d")["status"] = "queued"


def an_ended_run_still_expires(lines: Lines) -> None:
    run_of(lines, "a")["expires_at"] = 1_600


def a_run_fails_though_its_model_did_not(lines: Lines) -> None:
    run_of(lines, "c").update(status="failed", last_error={"code": "server_error"}, failed_at=1)


def a_run_is_cancelled_by_nobody(lines: Lines) -> None:
    asks = [one for one in lines_of(lines, "asked") if one["path"].endswith("/cancel")]
    asks[0]["path"] = "/v1/nothing"


def a_run_expires_too_early(lines: Lines) -> None:
    run_of(lines, "c")["status"] = "expired"


def a_run_is_incomplete_without_a_budget(lines: Lines) -> None:
    run_of(lines, "c")["status"] = "incomplete"


def a_key_makes_two_runs(lines: Lines) -> None:
    first, second = [
        one
        for one in lines_of(lines, "asked", method="POST")
        if one["path"].endswith("/runs") and one["job"] in {"a", "c"}
    ]
    second["key"] = first["key"]


def a_confirmed_run_is_lost(lines: Lines) -> None:
    final(lines)["runs"].remove(run_of(lines, "a"))


def a_confirmed_run_is_there_twice(lines: Lines) -> None:
    final(lines)["runs"].append(run_of(lines, "d"))


def an_unconfirmed_request_was_done_twice(lines: Lines) -> None:
    again = {**run_of(lines, "d"), "id": "run_e"}
    final(lines)["runs"].append(again)
    final(lines)["steps"]["run_e"] = []


def a_question_stands_there_twice(lines: Lines) -> None:
    final(lines)["messages"].append({**message_of(lines, "msg_a_user"), "id": "msg_x"})


def a_question_is_lost(lines: Lines) -> None:
    final(lines)["messages"].remove(message_of(lines, "msg_a_user"))


def a_reader_is_told_of_another_run(lines: Lines) -> None:
    event(lines, "a", "thread.run.completed")["data"]["id"] = "run_b"


def a_run_skips_a_status(lines: Lines) -> None:
    without(lines, event(lines, "b", "thread.run.in_progress"))


def a_run_goes_back(lines: Lines) -> None:
    looks = [one for one in lines_of(lines, "answered") if one["body"].get("id") == "run_a"]
    looks[0]["body"]["status"] = "completed"
    looks[1]["body"]["status"] = "in_progress"


def a_completed_message_changes(lines: Lines) -> None:
    message_of(lines, "msg_a")["content"][0]["text"]["value"] = "one two"


def a_completed_step_changes(lines: Lines) -> None:
    steps = final(lines)["steps"]["run_c"]
    steps[0]["step_details"]["tool_calls"][0]["file_search"]["results"] = [{"score": 1.0}]


def two_runs_hold_a_thread(lines: Lines) -> None:
    look = next(one for one in lines_of(lines, "answered") if one["body"]["object"] == "list")
    (run,) = look["body"]["data"]
    look["body"]["data"].append({**run, "id": "run_b"})


def a_run_begins_before_its_turn(lines: Lines) -> None:
    event(lines, "b", "thread.run.in_progress")["data"]["started_at"] = 1_001


def an_event_comes_twice(lines: Lines) -> None:
    insert_behind(lines, event(lines, "a", "thread.message.created"))


def a_fenced_worker_is_heard(lines: Lines) -> None:
    event(lines, "a", "thread.message.completed")["id"] = "1-30"


def an_event_is_left_out(lines: Lines) -> None:
    without(lines, event(lines, "a", "thread.message.in_progress"))


def a_word_is_left_out(lines: Lines) -> None:
    without(lines, event(lines, "d", "thread.message.delta"))


def a_word_comes_twice(lines: Lines) -> None:
    delta = event(lines, "d", "thread.message.delta")
    delta["data"]["delta"]["content"][0]["text"]["value"] = "never never "


def a_stream_is_not_resumed(lines: Lines) -> None:
    told = [one for one in lines if one.get("reader") == "a:x"]
    opened = [one for one in told if one["what"] == "opened"][-1]
    for line in told[told.index(opened) :]:
        lines.remove(line)


def a_stream_ends_too_early(lines: Lines) -> None:
    without(lines, event(lines, "c", "thread.run.completed"))


def the_story_is_told_otherwise_later(lines: Lines) -> None:
    one_of(lines, "event", reader="final:run_a", name="thread.message.created")["id"] = "2-99"


def a_delta_comes_before_its_message(lines: Lines) -> None:
    created = event(lines, "a", "thread.message.created")
    move_behind(lines, created, event(lines, "a", "thread.message.delta"))


def an_index_is_skipped(lines: Lines) -> None:
    delta = event(lines, "b", "thread.run.step.delta")
    delta["data"]["delta"]["step_details"]["tool_calls"][0]["index"] = 1


def a_run_ends_with_an_open_step(lines: Lines) -> None:
    for line in list(lines_of(lines, "event", reader="a:x", name="thread.run.step.completed")):
        lines.remove(line)


def something_happens_after_the_end(lines: Lines) -> None:
    late = event(lines, "a", "thread.run.step.completed")
    move_behind(lines, late, event(lines, "a", "thread.run.completed"))


def an_event_has_no_meaning(lines: Lines) -> None:
    event(lines, "a", "thread.message.created")["name"] = "thread.message.born"


def a_run_writes_two_messages(lines: Lines) -> None:
    final(lines)["messages"].append({**message_of(lines, "msg_a"), "id": "msg_x"})


def a_message_is_lost(lines: Lines) -> None:
    final(lines)["messages"].remove(message_of(lines, "msg_a"))


def a_step_is_doubled(lines: Lines) -> None:
    steps = final(lines)["steps"]["run_c"]
    steps.insert(0, {**steps[0], "id": "step_x"})


def a_message_says_what_nobody_said(lines: Lines) -> None:
    for line in lines_of(lines, "model_asked", job="a"):
        line["answer"]["text"] = "four"


def a_cut_message_says_what_nobody_said(lines: Lines) -> None:
    message_of(lines, "msg_d")["content"][0]["text"]["value"] = "never ever"


def an_answer_stands_in_the_wrong_place(lines: Lines) -> None:
    messages = final(lines)["messages"]
    messages.append(messages.pop(messages.index(message_of(lines, "msg_a"))))


def the_deltas_are_another_text(lines: Lines) -> None:
    delta = event(lines, "a", "thread.message.delta")
    delta["data"]["delta"]["content"][0]["text"]["value"] = "wun "


def the_arguments_are_other_ones(lines: Lines) -> None:
    action = event(lines, "b", "thread.run.requires_action")["data"]["required_action"]
    action["submit_tool_outputs"]["tool_calls"][0]["function"]["arguments"] = "[]"


def the_model_hears_a_message_twice(lines: Lines) -> None:
    context = one_of(lines, "model_asked", job="d")["context"]
    context.append(context[0])


def the_model_hears_what_is_not_there(lines: Lines) -> None:
    one_of(lines, "model_asked", job="d")["context"][0]["text"] = "a ghost"


def outputs_are_taken_twice(lines: Lines) -> None:
    path = "/v1/threads/thread_1/runs/run_b/submit_tool_outputs"
    ask = one_of(lines, "asked", path=path)
    insert_behind(lines, ask, what="answered", ask=999, status=200, body=run_of(lines, "b"))
    insert_behind(lines, ask, ask=999, key="another")


def other_outputs_are_shown(lines: Lines) -> None:
    steps = final(lines)["steps"]["run_b"]
    steps[0]["step_details"]["tool_calls"][0]["function"]["output"] = "43"


def a_recorded_search_is_done_again(lines: Lines) -> None:
    executed = one_of(lines, "executed")
    insert_behind(lines, event(lines, "c", "thread.run.step.completed"), **executed)


def a_recorded_cell_is_run_again(lines: Lines) -> None:
    executed = one_of(lines, "executed", tool="code_interpreter")
    insert_behind(lines, event(lines, "e", "thread.run.step.completed"), **executed)


def cell_at_the_end(lines: Lines) -> dict[str, Any]:
    calls = final(lines)["steps"]["run_e"][0]["step_details"]["tool_calls"]
    (output,) = calls[0]["code_interpreter"]["outputs"]
    found: dict[str, Any] = output
    return found


def a_cell_prints_twice(lines: Lines) -> None:
    cell_at_the_end(lines)["logs"] *= 2


def a_line_of_a_cell_is_lost(lines: Lines) -> None:
    cell_at_the_end(lines)["logs"] = "e 1\n"


def a_cell_breaks_off_for_no_reason(lines: Lines) -> None:
    cell_at_the_end(lines)["logs"] = f"e 0\n{BROKEN_OFF}\n"


def the_code_is_another_one(lines: Lines) -> None:
    first, second = (
        one
        for one in lines_of(lines, "event", reader="e:x", name="thread.run.step.delta")
        if "input" in one["data"]["delta"]["step_details"]["tool_calls"][0]["code_interpreter"]
    )
    del first
    second["data"]["delta"]["step_details"]["tool_calls"][0]["code_interpreter"]["input"] = "1"


def a_printed_line_is_told_otherwise(lines: Lines) -> None:
    told = list(lines_of(lines, "event", reader="e:x", name="thread.run.step.delta"))[-1]
    calls = told["data"]["delta"]["step_details"]["tool_calls"]
    calls[0]["code_interpreter"]["outputs"][0]["logs"] = "e 2\n"


def a_recorded_turn_is_taken_again(lines: Lines) -> None:
    first, second = lines_of(lines, "model_asked", job="c")
    insert_behind(lines, second, **{**first, "call": 998})


def the_model_is_asked_for_a_dead_run(lines: Lines) -> None:
    asked = one_of(lines, "model_asked", job="d")
    insert_behind(lines, one_of(lines, "job_over", job="d"), **{**asked, "call": 998})


def a_fenced_worker_writes(lines: Lines) -> None:
    first, second = lines_of(lines, "model_asked", job="a")
    first["answer"]["text"], second["answer"]["text"] = "one two three", "eins zwei"
    for told in lines_of(lines, "model_told", call=first["call"]):
        told["how"] = "whole"


def a_file_is_not_ingested(lines: Lines) -> None:
    one_of(lines, "final_store")["files"][0]["status"] = "in_progress"


def a_file_is_counted_twice(lines: Lines) -> None:
    one_of(lines, "final_store")["body"]["file_counts"]["total"] = 2


def a_passage_is_doubled(lines: Lines) -> None:
    chunks = one_of(lines, "final_store")["chunks"]
    chunks.insert(0, {**chunks[0]})


def a_passage_is_missing(lines: Lines) -> None:
    del one_of(lines, "final_store")["chunks"][1]


def a_passage_is_of_another_text(lines: Lines) -> None:
    one_of(lines, "final_store")["chunks"][1]["text"] = "The valve does."


# Several ways to break some rules.
SPOILED: dict[str, tuple[Spoil, ...]] = {
    "whole": (the_end_is_lost, a_line_is_lost),
    "served": (a_client_gives_up, a_good_request_is_refused),
    "ended": (a_run_is_stuck, a_run_waits_for_what_it_was_given, a_run_waits_behind_nobody),
    "times": (an_ended_run_still_expires,),
    "causes": (
        a_run_fails_though_its_model_did_not,
        a_run_is_cancelled_by_nobody,
        a_run_expires_too_early,
        a_run_is_incomplete_without_a_budget,
    ),
    "made once": (a_key_makes_two_runs, a_confirmed_run_is_lost, a_confirmed_run_is_there_twice),
    "one of each job": (an_unconfirmed_request_was_done_twice, a_question_stands_there_twice),
    "runs have questions": (a_question_is_lost,),
    "one run per reader": (a_reader_is_told_of_another_run,),
    "legal steps": (a_run_skips_a_status,),
    "no way back": (a_run_goes_back,),
    "nothing changes afterwards": (a_completed_message_changes, a_completed_step_changes),
    "one active run": (two_runs_hold_a_thread,),
    "in turn": (a_run_begins_before_its_turn,),
    "ids rise": (an_event_comes_twice, a_fenced_worker_is_heard),
    "nothing is left out": (an_event_is_left_out, a_word_is_left_out, a_word_comes_twice),
    "told to the end": (a_stream_is_not_resumed, a_stream_ends_too_early),
    "retold alike": (the_story_is_told_otherwise_later,),
    "grammar": (
        a_delta_comes_before_its_message,
        an_index_is_skipped,
        a_run_ends_with_an_open_step,
        something_happens_after_the_end,
        an_event_has_no_meaning,
    ),
    "one step per message": (a_run_writes_two_messages, a_message_is_lost),
    "steps are turns": (a_step_is_doubled, a_message_says_what_nobody_said),
    "cut short in order": (a_cut_message_says_what_nobody_said,),
    "answers follow questions": (an_answer_stands_in_the_wrong_place,),
    "deltas add up": (the_deltas_are_another_text, the_arguments_are_other_ones),
    "context is the thread": (the_model_hears_a_message_twice, the_model_hears_what_is_not_there),
    "outputs count once": (outputs_are_taken_twice, other_outputs_are_shown),
    "cells print once": (
        a_cell_prints_twice,
        a_line_of_a_cell_is_lost,
        a_cell_breaks_off_for_no_reason,
    ),
    "cells add up": (the_code_is_another_one, a_printed_line_is_told_otherwise),
    "nothing is done again": (a_recorded_search_is_done_again, a_recorded_cell_is_run_again),
    "turns are not repeated": (a_recorded_turn_is_taken_again,),
    "nobody works afterwards": (the_model_is_asked_for_a_dead_run,),
    "the last one writes": (a_fenced_worker_writes,),
    "attempts rise": (a_fenced_worker_is_heard,),
    "ingested once": (a_file_is_not_ingested, a_file_is_counted_twice),
    "passages in order": (
        a_passage_is_doubled,
        a_passage_is_missing,
        a_passage_is_of_another_text,
    ),
}
CASES = [(rule, spoil) for rule, spoils in SPOILED.items() for spoil in spoils]


@pytest.mark.parametrize(("rule", "spoil"), CASES, ids=[spoil.__name__ for _, spoil in CASES])
def test_a_spoiled_history_is_found_out(rule: str, spoil: Spoil) -> None:
    lines = good()
    spoil(lines)
    if rule != "whole":
        number_anew(lines)
    assert rule in {found.rule for found in violations(Account(lines))}


def test_every_rule_is_broken_by_some_test() -> None:
    assert set(SPOILED) == {rule.__name__.replace("_", " ") for rule in RULES}


REFLEXES = (
    a_recorded_search_is_done_again,
    a_recorded_cell_is_run_again,
    a_recorded_turn_is_taken_again,
    the_model_is_asked_for_a_dead_run,
)


@pytest.mark.parametrize("spoil", REFLEXES, ids=[spoil.__name__ for spoil in REFLEXES])
@pytest.mark.parametrize(
    ("kind", "seconds_ago", "is_excused"),
    [("freeze", 0.5, True), ("freeze", 1.5, False), ("jam", 0.5, False)],
)
def test_whoever_was_frozen_in_a_movement_may_end_it(
    spoil: Spoil, kind: str, seconds_ago: float, *, is_excused: bool
) -> None:
    """The same repetition is excused right behind the end of the freeze, and only there."""
    lines = good()
    before = copy.deepcopy(lines)
    spoil(lines)
    repeated = next(line for line in lines if line not in before)
    lines.remove(repeated)
    last = lines.pop()
    over = last["at"] + 10
    begun = {"what": "fault", "fault": 900, "kind": kind, "target": repeated["by"]}
    lines.append({**begun, "at": over - 3})
    lines.append({"what": "fault_over", "fault": 900, "at": over})
    lines.append({**repeated, "at": over + seconds_ago})
    lines.append({**last, "at": over + 10})
    number_anew(lines)
    assert (violations(Account(lines)) == []) is is_excused


@pytest.mark.parametrize("is_good", [True, False])
def test_the_command_prints_the_verdict(tmp_path: Path, *, is_good: bool) -> None:
    lines = good()
    if not is_good:
        a_run_is_stuck(lines)
    history = tmp_path / "history.jsonl"
    history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    command = [sys.executable, "-m", "tests.faults.checker", str(history)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == (0 if is_good else 1), done.stderr
    assert ("run_c is stuck in in_progress" in done.stdout) is not is_good


def test_the_checker_knows_nothing_of_the_product() -> None:
    command = "import sys, tests.faults.checker.judgement as _; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=30
    )
    assert not [name for name in done.stdout.split() if name.startswith("understudy")]
