"""Links to produced files: recognised in any pieces, exact to the code point (ANN-04)."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from understudy.runs.citations import Source
from understudy.runs.citing import Citation, Citing
from understudy.runs.linking import Link, Linking
from understudy.runs.marking import Marked, Marking

MADE = {"a.csv": "file-a", "a.csv.gz": "file-z", "out/my plot.png": "file-p", "é(1).txt": "file-e"}
LINK = "sandbox:/mnt/data/"
PARTS = st.sampled_from(
    [
        *(LINK, "sandbox:", "/mnt/data/", "a.csv", "a.csv.gz", ".gz", ".", "out/my plot.png", ")"),
        *(
            "out/my%20plot.png",
            "é(1).txt",
            "[x](",
            "né🙂 ",
            "s",
            "sand",
            "b",
            "_2",
            "/",
            "【4:0†source】",
        ),
    ]
)
TEXTS = st.lists(PARTS, max_size=8).map("".join)


def marked(*pieces: str) -> list[Marked]:
    """Return all that comes out, text that belongs together as one."""
    marking = Marking(Citing({(4, 0): Source("file-s", "quote")}), Linking(MADE))
    told = [each for piece in pieces for each in marking.take(piece)]
    result: list[Marked] = []
    for each in [*told, *marking.end()]:
        assert each
        if isinstance(each, str) and result and isinstance(result[-1], str):
            result[-1] += each
        else:
            result.append(each)
    return result


def written(told: list[Marked]) -> str:
    def text(each: Marked) -> str:
        if isinstance(each, str):
            return each
        return each.address if isinstance(each, Link) else each.marker

    return "".join(map(text, told))


@given(TEXTS, st.data())
def test_what_comes_out_depends_on_the_text_and_not_on_its_pieces(
    text: str, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)) | {0, len(text)})
    pieces = [text[start:end] for start, end in pairwise(cuts)]
    assert marked(*pieces) == marked(*text) == marked(text)
    assert written(marked(text)) == text


def test_an_address_of_a_made_file_is_a_link() -> None:
    assert marked(f"See [a]({LINK}a.csv).") == ["See [a](", Link(f"{LINK}a.csv", "file-a"), ")."]
    assert marked(f"{LINK}a.csv.") == [Link(f"{LINK}a.csv", "file-a"), "."]
    assert marked(f"{LINK}a.csv.gz") == [Link(f"{LINK}a.csv.gz", "file-z")]
    assert marked(f"{LINK}é(1).txt)") == [Link(f"{LINK}é(1).txt", "file-e"), ")"]


def test_spaces_may_be_written_as_browsers_want_them() -> None:
    for name in ("out/my plot.png", "out/my%20plot.png"):
        assert marked(f"({LINK}{name})") == ["(", Link(f"{LINK}{name}", "file-p"), ")"]


def test_an_address_of_another_file_stays_text() -> None:
    """Also one whose name begins like that of a made file."""
    for name in ("b.csv", "a.csv.zip", "a.csv_2", "a.csvs", "out/a.csv", ""):
        assert marked(f"{LINK}{name}") == [f"{LINK}{name}"]


def test_links_and_citations_stand_side_by_side() -> None:
    cited, linked, broken = marked(f"【4:0†source】{LINK}a.csv {LINK}a.cs")
    assert isinstance(cited, Citation)
    assert linked == Link(f"{LINK}a.csv", "file-a")
    assert broken == f" {LINK}a.cs"


def test_nothing_is_held_back_longer_than_needed() -> None:
    linking = Linking(MADE)
    assert linking.take("yes") == ["ye"]
    assert linking.take(" sand") == ["s "]
    assert linking.take("wich") == ["sandwich"]
    assert linking.end() == []
