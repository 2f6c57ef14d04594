"""Telling a run again: the same events and the same text, from any place on."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.runs.deltas import merged
from understudy.runs.happenings import Cancelled, CancelRequested
from understudy.runs.transcript import retell, unseen
from understudy.wire.events import BEGINNING, EventId, RunEvent

from .playing import (
    Listener,
    Play,
    annotated,
    function_call,
    names,
    piece,
    said,
    search_call,
    told_call,
    told_search,
    told_text,
)
from .scenes import Turn, played, turns

PLAIN = Turn("Hello", "", (), "done", (2,), crashes=False)
RUNS = st.lists(turns(), min_size=1, max_size=4)


def kept_whole(turns: Sequence[Turn]) -> list[Turn]:
    """Return the turns whose calls are stored: those of a turn that was cut short are not."""
    return [turn for turn in turns if not turn.is_calling or turn.end == "done"]


def retold(play: Play, after: EventId = BEGINNING) -> list[RunEvent]:
    return list(retell(play.story(), after))


def places(events: Sequence[RunEvent]) -> list[EventId]:
    """Return every id that a client may have been shown, in the middle of deltas, too."""
    ids = {BEGINNING}
    for event in events:
        behind = range(event.position - max(event.width, 1) + 1, event.position + 1)
        ids |= {EventId(event.attempt, position) for position in behind}
    return sorted(ids)


@given(RUNS)
def test_a_run_retold_is_the_run_that_was_told(turns: list[Turn]) -> None:
    """The same names in the same order, and the same text."""
    play = played(kept_whole(turns) or [PLAIN])
    live = Listener().listen(play.events)
    again = Listener().listen(retold(play))
    assert again.told == live.told
    assert again.texts == live.texts


@given(RUNS)
def test_a_retold_state_change_shows_the_object_as_it_was_shown(turns: list[Turn]) -> None:
    """STR-03: the full object in its new state."""
    play = played(turns)
    live = {event.id: event.data for event in play.events if not event.width}
    again = {event.id: event.data for event in retold(play) if not event.width}
    assert again == live


@settings(max_examples=60)
@given(RUNS, st.data())
def test_a_client_that_comes_back_is_told_the_rest_once(
    turns: list[Turn], data: st.DataObject
) -> None:
    """Live events up to a place, then the rows: each event once, each code point once."""
    play = played(kept_whole(turns) or [PLAIN])
    number = data.draw(st.integers(0, len(play.events)))
    gone = Listener().listen(play.events[:number])
    back = gone.listen(retold(play, gone.at))
    whole = Listener().listen(play.events)
    assert (back.told, back.texts) == (whole.told, whole.texts)


@settings(max_examples=60)
@given(RUNS, st.data())
def test_any_id_in_the_middle_of_a_delta_goes_on_with_the_next_code_point(
    turns: list[Turn], data: st.DataObject
) -> None:
    play = played([turn for turn in kept_whole(turns) if not turn.crashes] or [PLAIN])
    at = data.draw(st.sampled_from(places(play.events)))
    rest = Listener(at).listen(retold(play, at))
    live = Listener(at).listen(play.events)
    assert rest.texts == live.texts
    assert rest.told == live.told


@given(RUNS, st.data())
def test_live_events_may_come_twice_and_merged_anyhow(
    turns: list[Turn], data: st.DataObject
) -> None:
    """Rows first, then a backlog that overlaps them, merged: nothing twice, nothing lost."""
    play = played(kept_whole(turns) or [PLAIN])
    whole = Listener().listen(play.events)
    ends = sorted(data.draw(st.lists(st.integers(0, len(play.events)), max_size=3)))
    client = Listener()
    begin = 0
    for end in [*ends, len(play.events)]:
        back = data.draw(st.integers(0, begin))
        client.listen(merged(play.events[back:end]))
        begin = end
    assert (client.told, client.texts) == (whole.told, whole.texts)


def test_the_rest_of_a_delta_is_cut_at_code_points() -> None:
    play = Play().until_message()
    told_text(play, ["né🙂t"])
    delta = play.events[-1]
    rest = unseen(delta, EventId(1, delta.position - 1))
    assert rest is not None
    assert Listener().listen([rest]).texts == {("msg_1", 0, "text"): "t"}
    assert unseen(delta, delta.id) is None


def test_a_message_that_is_still_written_is_retold_without_its_text() -> None:
    """The rows do not have it yet; it comes live."""
    play = Play().until_message()
    told_text(play, ["Hello"])
    assert names(retold(play)) == names(play.events[:-1])


def test_a_rebuilt_message_goes_on_where_the_client_stopped() -> None:
    """A second attempt writes the same text under the same id; the client sees it once."""
    play = Play().until_message()
    told_text(play, ["Hel", "lo"])
    client = Listener().listen(play.events)
    play.crash()
    play.claim()
    before = len(play.events)
    told_text(play, ["Hello wor", "ld"], resumed=True)
    play.answer("Hello world")
    client.listen(play.events[before:])
    assert client.texts == {("msg_1", 0, "text"): "Hello world"}
    assert [name for name, _ in client.told].count("thread.message.created") == 1


def test_a_takeover_of_text_and_calls_repeats_no_text() -> None:
    """A turn with a message and a tool step; the message is complete when the calls begin."""
    play = Play().until_message()
    told_text(play, ["Let me see."])
    play.start_calls(content=said("Let me see."))
    told_call(play, "step_t1", 0, function_call("call_1"), ["{}"])
    client = Listener().listen(play.events)
    play.crash()
    play.claim()
    before = len(play.events)
    told_call(play, "step_t1", 0, function_call("call_1"), ["{}"], resumed=True)
    play.call(function_call("call_1"))
    client.listen(play.events[before:])
    assert client.texts[("msg_1", 0, "text")] == "Let me see."
    assert client.texts[("step_t1", 0, "arguments")] == "{}"


def test_required_action_is_retold_with_the_calls_of_its_own_round() -> None:
    """RUN-12: two rounds, each with other calls."""
    play = Play().until_action(function_call("call_1"))
    play.submit(call_1="x")
    play.claim()
    play.start_calls(2)
    play.call(function_call("call_2"))
    asked = [event.data for event in retold(play) if event.name == "thread.run.requires_action"]
    assert [run.required_action for run in asked] == [  # type: ignore[union-attr]
        event.data.required_action  # type: ignore[union-attr]
        for event in play.events
        if event.name == "thread.run.requires_action"
    ]


def test_a_cancel_while_waiting_for_outputs_is_retold_as_it_was_told() -> None:
    """STR-13."""
    play = Play().until_action()
    play.happen(CancelRequested())
    play.happen(Cancelled())
    states = [event for event in retold(play) if not event.width]
    assert states == play.events


@pytest.mark.parametrize("text", ["", "1", "1-", "a-b", "1-2-3", "-"])
def test_what_is_no_event_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        EventId.parse(text)


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**18 - 1))
def test_event_ids_are_read_as_they_are_written(attempt: int, position: int) -> None:
    assert EventId.parse(str(EventId(attempt, position))) == EventId(attempt, position)


def test_citations_are_retold_where_they_were_told() -> None:
    """STR-11, ANN-07: text and markers in turn, indices from nought."""
    text = "【1:0†source】Rain【1:1†source】【1:0†source】, snow."
    play = Play().until_message()
    told_text(play, ["【1:0†source】", "Ra", "in", "【1:1†source】", "【1:0†source】", ", snow."])
    play.answer(text)
    deltas = [event for event in retold(play) if event.width]
    assert [(one.position, piece(one)[1]) for one in deltas] == [
        (20, "【1:0†source】"),
        (24, "Rain"),
        (36, "【1:1†source】"),
        (48, "【1:0†source】"),
        (55, ", snow."),
    ]
    assert [found for one in deltas for found in annotated(one)] == [(0, 0), (1, 16), (2, 28)]


def test_a_search_is_retold_by_its_beginning_and_its_completed_step() -> None:
    """STR-08."""
    play = Play().until_calls()
    told_search(play, "step_t1", 0, search_call("call_1", "found"))
    play.search(search_call("call_1", "found"))
    play.start_message()
    told_text(play, ["Rain"])
    play.answer("Rain")
    assert retold(play) == play.events
