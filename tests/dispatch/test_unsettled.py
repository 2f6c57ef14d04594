"""What is told again after an outage: all deltas behind the last state, and nothing else."""

from understudy.dispatch.nats.parcel import Parcel, decode, encode
from understudy.dispatch.nats.unsettled import PIECES_MAX, Unsettled
from understudy.wire.events import EventId

from .tale import BEFORE, COMPLETED, STARTED, text, texts


def parcels(unsettled: Unsettled) -> list[Parcel]:
    return [parcel for _, parcel in unsettled.parcels()]


def test_deltas_are_kept_behind_their_state() -> None:
    unsettled = Unsettled()
    unsettled.take("run_1", [STARTED, text("one ", 7)], BEFORE)
    unsettled.take("run_1", [text("two", 10)], EventId(1, 7))
    (parcel,) = parcels(unsettled)
    assert (parcel.after, texts(parcel.events), parcel.from_rows) == (STARTED.id, "one two", True)
    assert decode(encode(parcel)) == parcel


def test_a_state_settles_what_was_told_before() -> None:
    unsettled = Unsettled()
    unsettled.take("run_1", [STARTED, text("one", 6)], BEFORE)
    unsettled.take("run_1", [COMPLETED], EventId(1, 6))
    assert parcels(unsettled) == []
    assert len(unsettled) == 0


def test_states_alone_leave_nothing_behind() -> None:
    """Most processes tell states only, of runs of which they never hear again."""
    unsettled = Unsettled()
    unsettled.take("run_1", [STARTED], BEFORE)
    assert len(unsettled) == 0


def test_another_leg_begins_where_the_rows_are() -> None:
    """The words of the one before it may be told no more: they are not what will be stored."""
    unsettled = Unsettled()
    unsettled.take("run_1", [STARTED, text("one", 6)], BEFORE)
    unsettled.take("run_1", [text("on", 5, attempt=2)], EventId(2, 3))
    (parcel,) = parcels(unsettled)
    assert (parcel.after, texts(parcel.events)) == (EventId(2, 3), "on")


def test_what_others_tell_now_is_forgotten() -> None:
    unsettled = Unsettled()
    unsettled.take("run_1", [STARTED, text("one", 6)], BEFORE)
    unsettled.forget("run_1")
    unsettled.forget("run_2")
    assert parcels(unsettled) == []


def test_a_long_text_is_kept_in_few_pieces() -> None:
    unsettled = Unsettled()
    unsettled.take("run_1", [STARTED], BEFORE)
    for place in range(10 * PIECES_MAX):
        unsettled.take("run_1", [text("x", 4 + place)], EventId(1, 3 + place))
    assert len(unsettled._tails["run_1"].deltas) <= PIECES_MAX
    (parcel,) = parcels(unsettled)
    assert texts(parcel.events) == "x" * 10 * PIECES_MAX
