"""What a listener makes of the places that parcels name."""

import pytest

from understudy.dispatch.nats.continuity import Continuity, Trust, Verdict
from understudy.dispatch.nats.parcel import Parcel
from understudy.wire.events import EventId, RunEvent

from .tale import BEFORE, COMPLETED, STARTED, state, text


def behind(after: EventId, *events: RunEvent) -> Parcel:
    return Parcel(after, events)


def at(*events: RunEvent) -> Continuity:
    """Return the continuity of somebody who has heard these."""
    continuity = Continuity(Trust.ANYTHING)
    continuity.advance(BEFORE, events)
    return continuity


NEXT = behind(STARTED.id, text("abc", 6))


def test_what_begins_where_the_last_one_ended_follows() -> None:
    assert at(STARTED).verdict(NEXT) is Verdict.FOLLOWS


def test_what_was_heard_is_known() -> None:
    assert at(STARTED, *NEXT.events).verdict(NEXT) is Verdict.KNOWN


def test_what_begins_later_leaves_a_gap() -> None:
    later = behind(EventId(1, 5), text("c", 6))
    assert at(STARTED).verdict(later) is Verdict.GAP


@pytest.mark.parametrize(
    ("trust", "verdict"),
    [
        (Trust.ANYTHING, Verdict.FOLLOWS),
        (Trust.BEGINNINGS, Verdict.GAP),
        (Trust.NOTHING, Verdict.LOST),
    ],
)
def test_the_first_delta_is_no_beginning_unless_it_is_known_to_be(
    trust: Trust, verdict: Verdict
) -> None:
    assert Continuity(trust).verdict(NEXT) is verdict


@pytest.mark.parametrize("trust", [Trust.ANYTHING, Trust.BEGINNINGS])
def test_a_run_that_begins_to_work_is_a_beginning(trust: Trust) -> None:
    assert Continuity(trust).verdict(behind(BEFORE, STARTED)) is Verdict.FOLLOWS


def test_an_end_is_no_beginning() -> None:
    """Text before it may have been missed."""
    end = behind(EventId(1, 8), COMPLETED)
    assert Continuity(Trust.BEGINNINGS).verdict(end) is Verdict.GAP


def test_a_successor_follows_from_the_last_state_however_far_its_predecessor_came() -> None:
    told = at(STARTED, text("lost text", 12))
    assert told.verdict(behind(EventId(2, 3), text("n", 4, attempt=2))) is Verdict.FOLLOWS


def test_the_middle_of_a_successor_leaves_a_gap_even_below_the_place_of_its_predecessor() -> None:
    told = at(STARTED, text("lost text", 12))
    assert told.verdict(behind(EventId(2, 8), text("n", 9, attempt=2))) is Verdict.GAP


def test_a_predecessor_who_comes_back_says_nothing_new() -> None:
    told = at(STARTED, text("new", 6, attempt=2))
    assert told.verdict(behind(EventId(1, 50), text("old", 53))) is Verdict.KNOWN


def test_a_state_that_only_the_rows_have_is_as_good_as_heard() -> None:
    told = at(STARTED)
    assert told.settle(EventId(1, 20))
    assert not told.settle(EventId(1, 20))
    assert told.verdict(behind(EventId(1, 20), text("on", 22))) is Verdict.FOLLOWS
    successor = behind(EventId(2, 20), state("thread.run.completed", 21, attempt=2))
    assert told.verdict(successor) is Verdict.FOLLOWS


def test_whoever_has_lost_the_story_trusts_nothing() -> None:
    told = at(STARTED)
    told.lose()
    assert told.verdict(behind(BEFORE, STARTED)) is Verdict.LOST


def test_who_knows_everything_up_to_a_place_takes_only_what_is_behind_it() -> None:
    """Whoever sets a run going knows its beginning, and must not take a later text for it."""
    assert Continuity.behind(BEFORE).verdict(behind(BEFORE, STARTED)) is Verdict.FOLLOWS
    assert Continuity.behind(BEFORE).verdict(NEXT) is Verdict.GAP
    assert Continuity.behind(STARTED.id).verdict(behind(BEFORE, STARTED)) is Verdict.KNOWN
