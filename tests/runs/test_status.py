"""The table of the run state machine, and that the machine knows exactly its happenings."""

import pytest

from understudy.errors import NotAllowed
from understudy.runs import happenings, machine
from understudy.runs.happenings import Happening
from understudy.runs.status import CLAIMABLE, TABLE, TERMINAL, chart
from understudy.wire.objects.runs import LastError, RunStatus

from .playing import SPENT, Play, function_call

KINDS = {kind.__name__ for kind in Happening.__subclasses__()}
EXAMPLES: tuple[Happening, ...] = (
    happenings.Claimed(lease_until=1.0),
    happenings.MessageStarted(message_id="msg_9", step_id="step_9"),
    happenings.MessageAbandoned(),
    happenings.ToolCallsStarted(step_id="step_9"),
    happenings.HostedToolsRan(calls=(), usage=SPENT),
    happenings.FunctionsCalled(calls=(function_call("call_9"),), usage=SPENT),
    happenings.Answered(content=(), usage=SPENT),
    happenings.BudgetSpent(reason="content_filter", content=(), usage=None),
    happenings.ToolOutputsSubmitted(outputs={"call_1": ""}),
    happenings.CancelRequested(),
    happenings.Cancelled(),
    happenings.Expired(),
    happenings.Failed(error=LastError("server_error", "no")),
)


def in_status(status: RunStatus) -> Play:
    """Return a run that has come to this status by what is allowed."""
    play = Play()
    if status == "requires_action":
        return play.until_action()
    if status in ("cancelling", "cancelled"):
        play.happen(happenings.CancelRequested())
    if status == "cancelled":
        play.happen(happenings.Cancelled())
    if status in ("in_progress", "completed", "incomplete"):
        play.until_message()
    if status == "completed":
        play.answer("yes")
    if status == "incomplete":
        play.happen(EXAMPLES[7])
    if status in ("failed", "expired"):
        play.happen(EXAMPLES[12 if status == "failed" else 11])
    return play


def test_every_happening_stands_in_the_table_and_the_table_names_no_other() -> None:
    assert {name for row in TABLE.values() for name in row} == KINDS
    assert {type(example).__name__ for example in EXAMPLES} == KINDS


def test_the_machine_gives_every_happening_a_meaning() -> None:
    assert {kind.__name__ for kind in machine._MEANINGS} == KINDS


def test_terminal_statuses_have_nothing_after_them() -> None:
    """RUN-1B."""
    ends = {"completed", "incomplete", "cancelled", "failed", "expired"}
    assert ends == TERMINAL
    assert all(not TABLE[status] for status in TERMINAL)
    assert {"queued", "in_progress", "requires_action", "cancelling"} == set(TABLE) - TERMINAL


def test_workers_have_nothing_to_do_while_a_run_waits_for_its_client() -> None:
    assert {"requires_action"} == set(TABLE) - TERMINAL - CLAIMABLE


@pytest.mark.parametrize("status", TABLE)
@pytest.mark.parametrize("happening", EXAMPLES, ids=lambda one: type(one).__name__)
def test_the_machine_does_what_the_table_says_and_refuses_the_rest(
    status: RunStatus, happening: Happening
) -> None:
    """RUN-10 to RUN-1B: every pair of a status and a happening."""
    state = in_status(status).state
    expected = TABLE[status].get(type(happening).__name__)
    if expected is None:
        with pytest.raises(NotAllowed, match=status):
            machine.apply(state, happening, 5)
    else:
        assert machine.apply(state, happening, 5).run.status == expected


@pytest.mark.parametrize("status", TABLE)
def test_a_run_can_come_to_every_status(status: RunStatus) -> None:
    assert in_status(status).state.run.status == status


def test_the_chart_shows_every_step_of_the_table_and_every_end() -> None:
    lines = chart().splitlines()
    steps = sum(len(row) for row in TABLE.values())
    assert len(lines) == 2 + steps + len(TERMINAL)
    assert "    cancelling --> cancelled: Expired" in lines
    assert "    completed --> [*]" in lines
