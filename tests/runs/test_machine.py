"""Runs as conversations: what happens goes in, changes and events come out."""

from typing import Any

import pytest
from msgspec.structs import asdict

from understudy.runs.happenings import (
    Answered,
    BudgetSpent,
    Cancelled,
    CancelRequested,
    Claimed,
    Expired,
    Failed,
    FunctionsCalled,
    Happening,
    HostedToolsRan,
    LastWords,
    MessageAbandoned,
)
from understudy.runs.state import RunChange
from understudy.wire.objects.messages import IncompleteDetails, Message
from understudy.wire.objects.runs import LastError, Run, RunIncompleteDetails
from understudy.wire.objects.steps import FunctionToolCall, RunStep, ToolCallsDetails
from understudy.wire.objects.usage import CompletionTokensDetails, PromptTokenDetails, Usage

from .playing import (
    BEGAN_AT,
    DEADLINE,
    SPENT,
    Play,
    function_call,
    names,
    new_run,
    said,
    search_call,
    told_text,
)

SORRY = LastError("server_error", "Sorry, something went wrong.")
WEATHER = function_call("call_1", "get_weather", '{"city": "Oslo"}')
TIME = function_call("call_2", "get_time")


def changed(before: Run, after: Run) -> dict[str, Any]:
    """Return the fields of the run that are different now."""
    old, new = asdict(before), asdict(after)
    return {field: new[field] for field in new if new[field] != old[field]}


def moved(play: Play, happening: Happening) -> tuple[dict[str, Any], RunChange]:
    """Return which fields of the run change when this happens, and the whole change."""
    before = play.state.run
    change = play.happen(happening)
    return changed(before, change.run), change


def only_step(change: RunChange) -> RunStep:
    (step,) = change.steps
    return step


def only_message(change: RunChange) -> Message:
    (message,) = change.messages
    return message


def outputs_of(step: RunStep) -> list[str | None]:
    assert isinstance(step.step_details, ToolCallsDetails)
    calls = step.step_details.tool_calls
    return [call.function.output for call in calls if isinstance(call, FunctionToolCall)]


def test_a_run_begins_queued_with_two_events() -> None:
    """RUN-10, STR-04."""
    play = Play()
    run = play.state.run
    assert (run.status, run.expires_at) == ("queued", BEGAN_AT + 600)
    assert (run.started_at, run.usage, run.required_action) == (None, None, None)
    assert names(play.events) == ["run.created", "run.queued"]
    assert [str(event.id) for event in play.events] == ["0-2", "0-3"]


def test_a_claim_starts_the_run_and_its_next_attempt() -> None:
    """RUN-11."""
    play = Play()
    fields, change = moved(play, Claimed(lease_until=BEGAN_AT + 16.0))
    assert fields == {"status": "in_progress", "started_at": BEGAN_AT + 1}
    assert names(change.events) == ["run.in_progress"]
    assert (change.expected_status, change.expected_attempt, change.attempt) == ("queued", 0, 1)
    assert change.lease_until == BEGAN_AT + 16.0


def test_called_functions_ask_the_client_and_let_go_of_the_run() -> None:
    """RUN-12, STR-05: the deadline stays, usage is not shown yet, no step.completed."""
    play = Play().until_calls()
    happening = FunctionsCalled(calls=(WEATHER, TIME), usage=SPENT)
    fields, change = moved(play, happening)
    assert set(fields) == {"status", "required_action"}
    required = fields["required_action"].submit_tool_outputs.tool_calls
    assert [(one.id, one.type, one.function.name) for one in required] == [
        ("call_1", "function", "get_weather"),
        ("call_2", "function", "get_time"),
    ]
    assert required[0].function.arguments == '{"city": "Oslo"}'
    assert names(change.events) == ["run.requires_action"]
    assert change.lease_until is None


def test_the_step_of_called_functions_stays_open_without_usage() -> None:
    """STEP-05, STEP-06, STEP-09: all calls of a turn are in one step, outputs null."""
    play = Play().until_calls()
    step = only_step(play.call(WEATHER, TIME))
    assert (step.status, step.completed_at, step.usage) == ("in_progress", None, None)
    assert outputs_of(step) == [None, None]


def test_submitted_outputs_complete_the_step_and_queue_the_run_again() -> None:
    """RUN-13, STR-06, STEP-05: completed_at of the step is the time of the submit."""
    play = Play().until_action(WEATHER, TIME)
    before = play.state.run
    change = play.submit(call_1="12 C", call_2="noon")
    assert changed(before, change.run) == {"status": "queued", "required_action": None}
    assert names(change.events) == ["run.step.completed", "run.queued"]
    step = only_step(change)
    assert (step.completed_at, step.usage) == (play.now, SPENT)
    assert outputs_of(step) == ["12 C", "noon"]


def test_an_output_that_is_missing_is_empty() -> None:
    """RUN-41: only whoever asks checks the set of ids; nothing stays null."""
    play = Play().until_action(WEATHER)
    assert outputs_of(only_step(play.submit())) == [""]


def test_a_second_claim_starts_the_run_anew() -> None:
    """RUN-14: started_at is the latest start."""
    play = Play().until_action()
    play.submit(call_1="x")
    before = play.state.run
    change = play.claim()
    assert changed(before, change.run) == {"status": "in_progress", "started_at": play.now}
    assert (change.attempt, names(change.events)) == (2, ["run.in_progress"])


def test_a_plain_run_is_told_in_the_order_of_the_hosted_api() -> None:
    """STR-04, RUN-15: completed_at is set, expires_at forgotten, usage summed."""
    play = Play().until_message()
    told_text(play, ["Hel", "lo"])
    fields, change = moved(play, Answered(content=said("Hello"), usage=SPENT))
    assert fields == {
        "status": "completed",
        "completed_at": play.now,
        "expires_at": None,
        "usage": SPENT,
    }
    assert change.ends_run
    assert change.lease_until is None
    assert names(play.events) == [
        "run.created",
        "run.queued",
        "run.in_progress",
        "run.step.created",
        "run.step.in_progress",
        "message.created",
        "message.in_progress",
        "message.delta",
        "message.delta",
        "message.completed",
        "run.step.completed",
        "run.completed",
    ]


def test_positions_count_state_changes_by_one_and_deltas_by_code_points() -> None:
    play = Play().until_message()
    told_text(play, ["Hel", "lo"])
    play.answer("Hello")
    assert [event.position for event in play.events] == [2, 3, 4, 5, 6, 7, 8, 11, 13, 14, 15, 16]


def test_a_message_and_its_step_begin_together() -> None:
    """STEP-04, MSG-14, MSG-08: the message shows in lists while it is written."""
    play = Play()
    play.claim()
    change = play.start_message()
    message, step = only_message(change), only_step(change)
    assert (message.status, message.role, message.content) == ("in_progress", "assistant", [])
    assert (message.assistant_id, message.run_id) == ("asst_1", "run_1")
    assert step.step_details.message_creation.message_id == message.id  # type: ignore[union-attr]
    assert step.expires_at == DEADLINE
    assert change.lease_until == 0.0


def test_a_completed_step_shows_the_deadline_in_its_event_but_not_in_its_row() -> None:
    """STEP-02."""
    play = Play().until_message()
    change = play.answer("Hello")
    (told,) = [event.data for event in change.events if event.name == "thread.run.step.completed"]
    assert isinstance(told, RunStep)
    assert told.expires_at == DEADLINE
    assert only_step(change).expires_at is None


def test_an_answer_completes_the_message_with_its_content() -> None:
    play = Play().until_message()
    message = only_message(play.answer("Hello"))
    assert (message.status, message.completed_at) == ("completed", play.now)
    assert message.content == [*said("Hello")]


def test_an_empty_answer_completes_the_run_without_a_message() -> None:
    play = Play()
    play.claim()
    change = play.answer("")
    assert (change.messages, change.steps) == ((), ())
    assert change.run.usage == SPENT


def test_usage_is_the_sum_over_all_steps() -> None:
    """RUN-36: 544 = 260 + 284."""
    play = Play().until_calls()
    first = usage(250, 10, cached=100)
    play.happen(FunctionsCalled(calls=(WEATHER,), usage=first))
    play.submit(call_1="x")
    play.claim()
    play.start_message()
    change = play.happen(Answered(content=said("12 C"), usage=usage(270, 14, reasoning=7)))
    assert change.run.usage == usage(520, 24, cached=100, reasoning=7)
    assert sum((step.usage or Usage() for step in play.steps.values()), Usage()) == change.run.usage


def usage(prompt: int, completion: int, *, cached: int = 0, reasoning: int = 0) -> Usage:
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_token_details=PromptTokenDetails(cached),
        completion_tokens_details=CompletionTokensDetails(reasoning),
    )


@pytest.mark.parametrize(
    ("reason", "message_reason"),
    [
        ("max_completion_tokens", "max_tokens"),
        ("max_prompt_tokens", "max_tokens"),
        ("content_filter", "content_filter"),
    ],
)
def test_a_spent_budget_leaves_an_incomplete_message_in_a_completed_step(
    reason: Any, message_reason: Any
) -> None:
    """RUN-16, RUN-1F, STR-12, STEP-12, MSG-13."""
    play = Play().until_message()
    fields, change = moved(play, BudgetSpent(reason=reason, content=said("Hel"), usage=SPENT))
    assert fields == {
        "status": "incomplete",
        "incomplete_details": RunIncompleteDetails(reason),
        "completed_at": play.now,
        "expires_at": None,
        "usage": SPENT,
    }
    assert names(change.events) == ["message.incomplete", "run.step.completed", "run.incomplete"]
    message = only_message(change)
    assert (message.status, message.incomplete_at) == ("incomplete", play.now)
    assert (message.completed_at, message.content) == (None, [*said("Hel")])
    assert message.incomplete_details == IncompleteDetails(message_reason)
    assert only_step(change).status == "completed"


def test_a_spent_budget_before_the_call_ends_the_run_without_a_message() -> None:
    """RUN-30: nothing was written, so nothing is incomplete but the run."""
    play = Play().until_action()
    play.submit(call_1="x")
    play.claim()
    change = play.happen(BudgetSpent(reason="max_prompt_tokens", content=(), usage=None))
    assert (names(change.events), change.run.usage) == (["run.incomplete"], SPENT)


def test_tokens_are_counted_once_when_a_turn_with_text_and_calls_is_cut() -> None:
    """RUN-36, STEP-09: the steps of one model call share its tokens, so that the sum is right."""
    play = Play().until_message()
    play.start_calls(content=said("x"))
    happening = BudgetSpent(reason="max_completion_tokens", content=(), usage=SPENT)
    change = play.happen(happening)
    assert change.run.usage == SPENT
    assert sum((step.usage or Usage() for step in play.steps.values()), Usage()) == SPENT


def test_text_before_calls_is_a_completed_message_and_costs_nothing_extra() -> None:
    """STEP-09: the tool step carries the tokens of the turn."""
    play = Play().until_message()
    change = play.start_calls(content=said("Let me see."))
    assert names(change.events) == [
        "message.completed",
        "run.step.completed",
        "run.step.created",
        "run.step.in_progress",
    ]
    play.call(WEATHER)
    play.submit(call_1="x")
    assert [step.usage for step in play.steps.values()] == [Usage(), SPENT]


ENDS = {
    "cancelled": (CancelRequested(), Cancelled(content=said("Hel")), "run_cancelled"),
    "expired": (None, Expired(content=said("Hel")), "run_expired"),
    "failed": (None, Failed(error=SORRY, content=said("Hel")), "run_failed"),
}


@pytest.mark.parametrize("end", ENDS)
def test_an_end_from_outside_takes_the_open_step_and_message_with_it(end: str) -> None:
    """RUN-18, RUN-19, RUN-1A, STEP-11, MSG-14, STR-13: the partial text is kept."""
    first, happening, reason = ENDS[end]
    play = Play().until_message()
    if first is not None:
        play.happen(first)
    change = play.happen(happening)
    told = [f"run.{end}"] if end != "cancelled" else ["run.cancelled"]
    begun = ["run.cancelling"] if end == "cancelled" else []
    assert names(change.events) == [*begun, "message.incomplete", f"run.step.{end}", *told]
    message, step = only_message(change), only_step(change)
    assert message.incomplete_details == IncompleteDetails(reason)  # type: ignore[arg-type]
    assert (message.incomplete_at, message.content) == (play.now, [*said("Hel")])
    assert (step.status, getattr(step, f"{end}_at")) == (end, play.now)
    assert step.completed_at is None
    assert change.run.expires_at is None


def test_a_cancel_shows_at_once_and_its_events_come_with_the_end() -> None:
    """RUN-17, RUN-18: cancelled_at is null and expires_at kept until the work has stopped."""
    play = Play().until_message()
    fields, change = moved(play, CancelRequested())
    assert (fields, change.events) == ({"status": "cancelling"}, ())
    assert change.lease_until == 0.0
    fields, change = moved(play, Cancelled())
    assert fields == {
        "status": "cancelled",
        "cancelled_at": play.now,
        "expires_at": None,
        "usage": Usage(),
    }


def test_a_cancelled_queued_run_tells_two_events() -> None:
    """STR-13."""
    play = Play()
    play.happen(CancelRequested())
    assert play.claim().events == ()
    assert names(play.happen(Cancelled()).events) == ["run.cancelling", "run.cancelled"]


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_a_run_that_waits_for_outputs_ends_with_its_step_and_counts_its_tokens(end: str) -> None:
    """RUN-17 to RUN-19, STEP-11: required_action is forgotten, the model call was paid."""
    play = Play().until_action(WEATHER)
    if end == "cancelled":
        play.happen(CancelRequested())
    change = play.happen(Cancelled() if end == "cancelled" else Expired())
    step = only_step(change)
    assert change.run.required_action is None
    assert (step.status, step.usage, change.run.usage) == (end, SPENT, SPENT)
    assert names(change.events)[-2:] == [f"run.step.{end}", f"run.{end}"]


def test_expiry_leaves_no_time_on_the_run() -> None:
    """RUN-19: no expired_at on runs, completed_at stays null."""
    play = Play()
    fields, change = moved(play, Expired())
    assert fields == {"status": "expired", "expires_at": None, "usage": Usage()}
    assert names(change.events) == ["run.expired"]


def test_expiry_of_a_cancelling_run_is_the_cancel() -> None:
    """RUN-19: the request to cancel wins."""
    play = Play().until_message()
    play.happen(CancelRequested())
    change = play.happen(Expired(content=said("Hel")))
    assert (change.run.status, change.run.cancelled_at) == ("cancelled", play.now)
    assert only_step(change).status == "cancelled"


def test_a_failure_shows_its_error_on_run_and_step() -> None:
    """RUN-1A, RUN-1D, STEP-10: completed_at stays null."""
    play = Play().until_message()
    change = play.happen(Failed(error=SORRY))
    assert (change.run.failed_at, change.run.last_error) == (play.now, SORRY)
    assert change.run.completed_at is None
    assert only_step(change).last_error == SORRY


def test_a_step_knows_one_error_code_less_than_a_run() -> None:
    """STEP-10."""
    play = Play().until_message()
    change = play.happen(Failed(error=LastError("invalid_prompt", "no")))
    assert change.run.last_error == LastError("invalid_prompt", "no")
    assert only_step(change).last_error == LastError("server_error", "no")


def test_a_failure_keeps_the_usage_of_finished_steps() -> None:
    """RUN-1A."""
    play = Play().until_action(WEATHER)
    play.submit(call_1="x")
    play.claim()
    assert play.happen(Failed(error=SORRY)).run.usage == SPENT


def test_a_takeover_is_silent_and_changes_only_the_attempt() -> None:
    play = Play().until_message()
    fields, change = moved(play, Claimed(lease_until=1.0))
    assert (fields, change.events) == ({}, ())
    assert (change.expected_attempt, change.attempt) == (1, 2)
    assert play.state.open_message is not None


def test_a_message_that_is_not_written_after_all_is_incomplete() -> None:
    play = Play().until_message()
    play.claim()
    change = play.happen(MessageAbandoned())
    assert names(change.events) == ["message.incomplete", "run.step.completed"]
    assert only_message(change).incomplete_details == IncompleteDetails("run_failed")
    assert play.state.open_message is None
    assert play.state.open_steps == ()


def test_nothing_that_happens_changes_the_state_that_it_happened_to() -> None:
    play = Play()
    before = play.state
    run = new_run()
    play.claim()
    assert before.run == run


def test_searches_complete_their_step_and_the_run_goes_on() -> None:
    """STEP-05, STEP-09, STR-08: results and tokens stand in the completed step."""
    play = Play().until_calls()
    before = play.state.run
    change = play.search(search_call("call_1", "found"))
    assert changed(before, change.run) == {}
    assert names(change.events) == ["run.step.completed"]
    step = only_step(change)
    assert (step.status, step.completed_at, step.usage) == ("completed", play.now, SPENT)
    assert step.step_details == ToolCallsDetails(tool_calls=[search_call("call_1", "found")])
    assert (change.lease_until, change.ends_run) == (0.0, False)
    play.start_message()
    assert play.answer("Hello").run.usage == SPENT + SPENT


def test_words_behind_calls_are_a_whole_message() -> None:
    """STR-10, STEP-09: it comes behind all that belongs to the calls, which bear the tokens."""
    play = Play().until_calls()
    words = LastWords(message_id="msg_1", step_id="step_m1", content=said("Wait."))
    before = play.state.position
    change = play.happen(
        HostedToolsRan(calls=(search_call("call_1"),), usage=SPENT, last_words=words)
    )
    assert names(change.events) == [
        "run.step.completed",
        "run.step.created",
        "run.step.in_progress",
        "message.created",
        "message.in_progress",
        "message.delta",
        "message.completed",
        "run.step.completed",
    ]
    assert change.position == change.events[-1].position == before + 7 + len("Wait.")
    assert only_message(change).content == [*said("Wait.")]
    assert [step.usage for step in change.steps] == [SPENT, Usage()]
    assert [step.id for step in play.state.steps] == ["step_t1", "step_m1"]
    assert play.state.open_message is None


def test_words_behind_functions_come_before_their_outputs_are_asked_for() -> None:
    """STR-05: the run's state is the last event of the stream."""
    play = Play().until_calls()
    words = LastWords(message_id="msg_1", step_id="step_m1", content=said("Wait."))
    change = play.happen(FunctionsCalled(calls=(WEATHER,), usage=SPENT, last_words=words))
    assert names(change.events)[-3:] == [
        "message.completed",
        "run.step.completed",
        "run.requires_action",
    ]
    assert [step.status for step in play.state.steps] == ["in_progress", "completed"]
    assert play.state.usage == SPENT


def test_a_turn_of_functions_and_searches_asks_for_the_outputs_of_the_functions() -> None:
    """RUN-12, STEP-05: all calls stand in one step, which stays open."""
    play = Play().until_calls()
    change = play.call(search_call("call_s", "found"), WEATHER)
    assert change.run.required_action is not None
    asked = change.run.required_action.submit_tool_outputs.tool_calls
    assert [one.id for one in asked] == ["call_1"]
    assert only_step(change).status == "in_progress"
    step = only_step(play.submit(call_1="12 C"))
    details = step.step_details
    assert isinstance(details, ToolCallsDetails)
    assert details.tool_calls[0] == search_call("call_s", "found")
    assert outputs_of(step) == ["12 C"]
