"""Markers in a model's text: recognised in any pieces, written in one form, never left alone."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.runs.citations import Source
from understudy.runs.citing import Citation, Citing

NOTES, PLAN = Source("file-1", "what the notes say"), Source("file-2", "what the plan says")
SOURCES = {(4, 0): NOTES, (4, 1): PLAN, (12, 0): NOTES}

# Texts that look like markers more often than chance would have it.
PARTS = st.sampled_from(
    [
        *("【4:0†source】", "【4:1】", "【4:9†source】", "【 12 : 0 † a b.pdf 】", "【4:0, 4:1】"),
        *("【10:30】", "【13†source】", "【お知らせ】", "【", "】", "†source", "4", ":", " ", "\n"),
        *("【4:0†" + "x" * 300 + "】", "【4:0†" + "x" * 301 + "】", "né🙂"),
    ]
)
TEXTS = st.lists(PARTS, max_size=8).map("".join)


def passed_on(*pieces: str) -> list[str | Citation]:
    """Return all that comes out, text that belongs together as one."""
    citing = Citing(SOURCES)
    told = [each for piece in pieces for each in citing.take(piece)]
    return joined([*told, *citing.end()])


def joined(told: Iterable[str | Citation]) -> list[str | Citation]:
    result: list[str | Citation] = []
    for each in told:
        if isinstance(each, str) and result and isinstance(result[-1], str):
            result[-1] += each
        else:
            result.append(each)
    return result


@given(TEXTS, st.data())
def test_what_comes_out_depends_on_the_text_and_not_on_its_pieces(
    text: str, data: st.DataObject
) -> None:
    """ANN-03: a marker may be split over any number of deltas."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)) | {0, len(text)})
    pieces = [text[start:end] for start, end in pairwise(cuts)]
    assert passed_on(*pieces) == passed_on(*text) == passed_on(text)


@given(st.text(alphabet="ab【】[]4, ", max_size=30))
def test_text_without_markers_comes_out_as_it_went_in(text: str) -> None:
    assert "".join(each for each in passed_on(text) if isinstance(each, str)) == text


def test_a_marker_becomes_a_citation_of_its_passage() -> None:
    """ANN-03."""
    assert passed_on("See 【4:1†source】.") == ["See ", Citation("【4:1†source】", PLAN), "."]


@pytest.mark.parametrize(
    "sloppy",
    [
        "【4:0】",
        "【4:0†notes.txt】",
        "【4:0†a name, with, commas 4:1.pdf】",
        "【 4:0 】",
        "【4 : 0 † source】",
        "【4:0‡source】",
        "【4:0|source】",
        "【4\uff1a0†source】",
    ],
)
def test_sloppy_forms_are_written_as_clients_know_them(sloppy: str) -> None:
    """ANN-03: clients replace by the annotation's text, so the text has to be that."""
    assert passed_on(sloppy) == [Citation("【4:0†source】", NOTES)]


def test_a_list_of_markers_in_one_bracket_becomes_several() -> None:
    expected = [Citation("【4:0†source】", NOTES), Citation("【4:1†source】", PLAN)]
    for each in ("【4:0†source, 4:1†source】", "【4:0, 4:1】", "【4:0†source;4:9;4:1】"):
        assert passed_on(each) == expected


@pytest.mark.parametrize(
    "invented", ["【4:7†source】", "【99:99】", "【13†source】", "【5:0†a.txt】"]
)
def test_an_invented_marker_is_left_out(invented: str) -> None:
    """ANN-03: no marker without an annotation, no annotation to nothing."""
    assert passed_on("So it is", invented, ".") == ["So it is."]


@pytest.mark.parametrize(
    "prose",
    [
        "【お知らせ】今日は休みです。",
        "【1】 【2】",
        "【10:30】開店",
        "【10:30開店】",
        "【4:0†" + "x" * 301 + "】",
        "【4:0†source\n】",
        "【】",
        "[4:0†source]",
    ],
)
def test_other_text_in_such_brackets_is_left_alone(prose: str) -> None:
    assert passed_on(prose) == [prose]


def test_a_time_of_day_that_is_a_known_marker_cites() -> None:
    citing = Citing({(10, 30): NOTES})
    assert citing.take("【10:30】") == [Citation("【10:30†source】", NOTES)]


@pytest.mark.parametrize("end", ["【4:0†sour", "【4:", "【13†"])
def test_a_marker_that_the_text_breaks_off_in_is_left_out(end: str) -> None:
    assert passed_on("So it is", end) == ["So it is"]


@pytest.mark.parametrize("end", ["【", "【 ", "【4"])
def test_a_bracket_at_the_end_that_was_no_marker_yet_is_told(end: str) -> None:
    assert passed_on("So it is", end) == [f"So it is{end}"]


def test_text_is_held_back_only_while_a_marker_may_come() -> None:
    citing = Citing(SOURCES)
    assert citing.take("See 【4") == ["See "]
    assert citing.take("0") == []
    assert citing.take("人") == ["【40人"]


def test_the_next_part_begins_with_nothing_held_back() -> None:
    citing = Citing(SOURCES)
    assert citing.take("【4:0†") == []
    assert citing.end() == []
    assert citing.take("source】") == ["source】"]
