"""What a search has found: as the model reads it, and what its markers stand for."""

from understudy.runs.citations import (
    NOTHING_FOUND,
    QUOTE_CHARACTERS_MAX,
    Source,
    marker,
    next_place,
    passages,
    sources,
)
from understudy.runs.citing import Citation, Citing
from understudy.wire.objects.messages import Message
from understudy.wire.objects.steps import FileSearchCall, FileSearchToolCall

from .playing import Play, function_call, said, search_call


def searched(*calls: FileSearchToolCall) -> Play:
    """Return a run that has made these searches."""
    play = Play().until_calls()
    play.search(*calls)
    return play


def message(text: str) -> Message:
    return Message(
        id="msg_0", created_at=1, thread_id="thread_1", role="assistant", content=[*said(text)]
    )


def test_passages_are_read_under_their_markers_with_the_name_of_the_file() -> None:
    """ANN-03."""
    read = passages(search_call("call_1", "It rains.", "It snows.", place=4).file_search)
    how, first, second = read.split("\n\n")
    assert "【4:0†source】" in how
    assert first == "【4:0†source】 0.txt\nIt rains."
    assert second == "【4:1†source】 1.txt\nIt snows."


def test_a_search_that_found_nothing_says_so() -> None:
    assert passages(FileSearchCall(query="what", place=4)) == NOTHING_FOUND


def test_every_passage_of_every_search_is_a_source() -> None:
    play = searched(search_call("call_1", "a", "b", place=3), search_call("call_2", "c", place=4))
    found = sources(play.state.steps)
    assert {numbers: source.quote for numbers, source in found.items()} == {
        (3, 0): "a",
        (3, 1): "b",
        (4, 0): "c",
    }
    assert found[3, 1].file_id == "file-1"


def test_a_run_that_has_not_searched_has_no_sources() -> None:
    play = Play().until_action(function_call("call_1"))
    assert sources(play.state.steps) == {}
    assert sources(Play().until_calls().state.steps) == {}


def test_a_quote_is_the_passage_or_its_beginning_up_to_the_end_of_a_word() -> None:
    """ANN-01: some hundred characters at most."""
    cases = {
        " short\n": "short",
        "word " * 200: ("word " * 80).strip(),
        "x" * 1000: "x" * QUOTE_CHARACTERS_MAX,
        "\u6f22" * 1000: "\u6f22" * QUOTE_CHARACTERS_MAX,
    }
    for text, quote in cases.items():
        found = sources(searched(search_call("call_1", text)).state.steps)
        assert found[1, 0].quote == quote


def test_the_first_search_takes_its_place_behind_the_messages() -> None:
    """ANN-03: the first number is a position in the thread."""
    assert next_place([message("a"), message("b")], ()) == 2
    assert next_place([], ()) == 0


def test_a_place_is_not_given_twice_in_a_run() -> None:
    steps = searched(search_call("call_1", place=7), search_call("call_2", place=8)).state.steps
    assert next_place([message("a")], steps) == 9


def test_a_place_that_an_older_answer_cites_is_not_given_again() -> None:
    """ANN-03: a marker that the model copies from there stands for nothing in this run."""
    cited = message(f"As I said {marker(5, 2)}, and {marker(11, 0)}.")
    assert next_place([cited, message("【99")], ()) == 12


def test_a_place_stays_one_that_is_recognised() -> None:
    """Whatever numbers somebody writes into a thread."""
    for number in ("999999999", "9" * 50):
        place = next_place([message(f"【{number}:0†source】")], ())
        found = Citing({(place, 0): Source("file-1", "a")}).take(marker(place, 0))
        assert found == [Citation(marker(place, 0), Source("file-1", "a"))]
