"""Deltas: made as clients expect them, merged without loss, cut at code points."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from understudy.runs.deltas import (
    annotated_delta,
    arguments_delta,
    call_delta,
    cut,
    merged,
    refusal_delta,
    search_delta,
    text_delta,
)
from understudy.wire.deltas import MessageDelta, StepDelta
from understudy.wire.events import EventName, RunEvent
from understudy.wire.objects.messages import FilePath, FilePathAnnotation

from .playing import (
    Listener,
    Play,
    annotated,
    citation,
    piece,
    search_call,
    told_refusal,
    told_text,
)
from .scenes import TEXTS, Turn, played, turns


def event(data: MessageDelta | StepDelta, width: int, *, position: int = 100) -> RunEvent:
    name: EventName = (
        "thread.message.delta" if isinstance(data, MessageDelta) else "thread.run.step.delta"
    )
    return RunEvent(attempt=1, position=position, name=name, data=data, width=width)


def shown(data: MessageDelta | StepDelta) -> object:
    """Return what stands on the wire under ``delta``."""
    return json.decode(json.encode(data))["delta"]


def test_the_first_text_delta_of_a_part_shows_empty_annotations_and_only_it() -> None:
    """STR-10."""
    first, next_ = text_delta("msg_1", 0, "a", first=True), text_delta("msg_1", 0, "b", first=False)
    assert shown(first) == {
        "content": [{"index": 0, "type": "text", "text": {"value": "a", "annotations": []}}]
    }
    assert shown(next_) == {"content": [{"index": 0, "type": "text", "text": {"value": "b"}}]}


def test_a_refusal_grows_in_its_own_part() -> None:
    """MSG-11."""
    assert shown(refusal_delta("msg_1", 1, "no")) == {
        "content": [{"index": 1, "type": "refusal", "refusal": "no"}]
    }


def test_a_call_begins_with_its_name_and_grows_by_arguments() -> None:
    """STR-09, SDK-05: id, name and output stand in the first delta only."""
    first = shown(call_delta("step_1", 0, "call_1", "get_weather"))
    next_ = shown(arguments_delta("step_1", 0, '{"ci'))
    assert first == {
        "step_details": {
            "type": "tool_calls",
            "tool_calls": [
                {
                    "index": 0,
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": "", "output": None},
                }
            ],
        }
    }
    assert next_ == {
        "step_details": {
            "type": "tool_calls",
            "tool_calls": [{"index": 0, "type": "function", "function": {"arguments": '{"ci'}}],
        }
    }


@given(TEXTS, st.data())
def test_a_cut_delta_is_the_rest_at_the_same_place(text: str, data: st.DataObject) -> None:
    seen = data.draw(st.integers(0, len(text) - 1))
    for whole in (
        event(text_delta("msg_1", 0, text, first=True), len(text)),
        event(refusal_delta("msg_1", 1, text), len(text)),
        event(arguments_delta("step_1", 2, text), len(text)),
    ):
        rest = cut(whole, seen)
        assert (rest.position, rest.width) == (whole.position, len(text) - seen)
        assert piece(rest) == (piece(whole)[0], text[seen:])


def test_a_cut_first_delta_does_not_show_its_annotations_again() -> None:
    """STR-10."""
    rest = cut(event(text_delta("msg_1", 0, "ab", first=True), 2), 1)
    assert shown(rest.data) == {"content": [{"index": 0, "type": "text", "text": {"value": "b"}}]}  # type: ignore[arg-type]


@given(st.lists(turns(), min_size=1, max_size=3))
def test_merging_keeps_every_state_change_and_every_code_point(turns: list[Turn]) -> None:
    events = played(turns).events
    joined = merged(events)
    assert [e for e in joined if not e.width] == [e for e in events if not e.width]
    assert Listener().listen(joined).texts == Listener().listen(events).texts
    assert sum(e.width for e in joined) == sum(e.width for e in events)


@given(st.lists(turns(), min_size=1, max_size=3))
def test_merging_twice_is_merging_once(turns: list[Turn]) -> None:
    once = merged(played(turns).events)
    assert merged(once) == once


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_neighbouring_text_becomes_one_delta_that_ends_where_the_last_one_did(
    texts: list[str],
) -> None:
    play = Play().until_message()
    before = len(play.events)
    told_text(play, texts)
    deltas = play.events[before:]
    (one,) = merged(deltas)
    assert (one.position, one.width) == (deltas[-1].position, len("".join(texts)))
    assert piece(one)[1] == "".join(texts)
    part = one.data.delta.content[0]  # type: ignore[union-attr]
    assert part.text.annotations == []  # type: ignore[union-attr]


def test_deltas_of_two_attempts_stay_apart() -> None:
    """A client of the second attempt may have seen only the first."""
    play = Play().until_message()
    told_text(play, ["a"])
    play.crash()
    play.claim()
    told_text(play, ["ab"], resumed=True)
    assert [piece(e)[1] for e in merged(play.events) if e.width] == ["a", "ab"]


def test_text_and_refusal_stay_apart() -> None:
    play = Play().until_message()
    told_text(play, ["a", "b"])
    told_refusal(play, 1, ["c", "d"])
    deltas = [piece(e) for e in merged(play.events) if e.width]
    assert deltas[0] == (("msg_1", 0, "text"), "ab")
    assert "".join(text for place, text in deltas if place[2] == "refusal") == "cd"


def test_merging_nothing_gives_nothing() -> None:
    assert merged([]) == []


def test_a_search_is_told_by_one_delta_without_results() -> None:
    """STR-08."""
    assert shown(search_delta("step_1", 1, search_call("call_1", "found"))) == {
        "step_details": {
            "type": "tool_calls",
            "tool_calls": [
                {
                    "index": 1,
                    "id": "call_1",
                    "type": "file_search",
                    "file_search": {
                        "ranking_options": {"ranker": "default_2024_08_21", "score_threshold": 0.0},
                        "results": [],
                    },
                }
            ],
        }
    }


def test_a_citation_brings_its_marker_and_an_annotation_with_an_index() -> None:
    """STR-11, ANN-07, ANN-02."""
    delta = annotated_delta("msg_1", 0, 2, citation("【4:0†source】", 29))
    assert shown(delta) == {
        "content": [
            {
                "index": 0,
                "type": "text",
                "text": {
                    "value": "【4:0†source】",
                    "annotations": [
                        {
                            "index": 2,
                            "type": "file_citation",
                            "text": "【4:0†source】",
                            "start_index": 29,
                            "end_index": 41,
                            "file_citation": {"file_id": "file-1", "quote": "a passage"},
                        }
                    ],
                },
            }
        ]
    }


def test_a_link_to_a_produced_file_is_told_the_same_way() -> None:
    """ANN-07."""
    link = FilePathAnnotation(
        text="sandbox:/mnt/data/a", start_index=3, end_index=22, file_path=FilePath("file-1")
    )
    told = msgspec.to_builtins(annotated_delta("msg_1", 0, 0, link))
    (part,) = told["delta"]["content"]
    assert part["text"]["value"] == link.text
    assert part["text"]["annotations"] == [{"index": 0, **msgspec.to_builtins(link)}]


def test_citations_are_not_joined_with_the_text_around_them() -> None:
    """STR-11: the delta of a citation has its marker and nothing else."""
    play = Play().until_message()
    told_text(play, ["a", "b", "【1:0†source】", "c", "d", "【1:0†source】", "【1:0†source】"])
    values = [piece(e)[1] for e in merged(play.events) if e.width]
    assert values == ["ab", "【1:0†source】", "cd", "【1:0†source】", "【1:0†source】"]


def test_the_rest_of_a_citation_brings_the_annotation() -> None:
    """ANN-07: sent once, and never left out."""
    whole = event(annotated_delta("msg_1", 0, 0, citation("【4:0†source】", 0)), 12)
    rest = cut(whole, 5)
    assert piece(rest) == (("msg_1", 0, "text"), "source】")
    assert annotated(rest) == annotated(whole) == [(0, 0)]
