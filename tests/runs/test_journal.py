"""The journal: one line for each event that is not a delta."""

from hypothesis import given
from hypothesis import strategies as st

from understudy.runs import journal
from understudy.runs.transcript import retell
from understudy.wire.events import BEGINNING, FIRST_POSITION, RunEvent

from .playing import BEGAN_AT, THREAD, Play, told_text
from .scenes import Turn, played, turns


@given(st.lists(turns(), min_size=1, max_size=3))
def test_the_journal_has_an_entry_for_each_state_change_in_order(turns: list[Turn]) -> None:
    play = played(turns)
    entries = journal.read(journal.write(play.events))
    assert [(e.attempt, e.position, e.name, e.object_id) for e in entries] == [
        (e.attempt, e.position, e.name, e.data.id) for e in play.events if not e.width
    ]


@given(st.lists(turns(), min_size=1, max_size=3))
def test_places_in_the_journal_rise_strictly(turns: list[Turn]) -> None:
    entries = journal.read(played(turns).lines)
    ids = [(entry.attempt, entry.position) for entry in entries]
    assert ids == sorted(set(ids))
    positions = [position for _, position in ids]
    assert positions == sorted(set(positions))


def test_the_journal_written_in_parts_is_the_journal_written_at_once() -> None:
    play = Play().until_message()
    play.answer("Hello")
    assert journal.write(play.events) == play.lines


def test_events_of_the_run_keep_their_start_and_others_none() -> None:
    """RUN-14: started_at is the one field that goes back and forth."""
    play = Play().until_message()
    started = {e.name: e.started_at for e in journal.read(play.lines)}
    assert started["thread.run.queued"] is None
    assert started["thread.run.in_progress"] == BEGAN_AT + 1
    assert started["thread.message.created"] is None


def test_deltas_leave_no_line() -> None:
    """They are in the objects."""
    play = Play().until_message()
    told_text(play, ["Hello"])
    assert journal.write(play.events[-1:]) == b""
    assert journal.read(b"") == []


def test_a_thread_that_was_made_with_its_run_is_told_again() -> None:
    """RUN-21, STR-04: thread.created comes first."""
    created = RunEvent(attempt=0, position=FIRST_POSITION, name="thread.created", data=THREAD)
    play = Play()
    play.lines = journal.write([created, *play.events])
    assert list(retell(play.story(), BEGINNING)) == [created, *play.events]
