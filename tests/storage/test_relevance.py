"""Scores of passages: in 0..1, and the same whoever proposes them."""

from hypothesis import given
from hypothesis import strategies as st

from understudy.storage.relevance import Term, ranked, rarity


def question(*words: str, passages: int = 100, having: int = 3) -> list[Term]:
    return [Term(word.split("|"), having, rarity(passages, having)) for word in words]


def order(asked: list[Term], *passages: str) -> list[int]:
    proposed = {number: text.split() for number, text in enumerate(passages)}
    return [number for number, _ in ranked(proposed, asked, 10)]


def test_more_of_the_question_is_better() -> None:
    assert order(question("a", "b"), "a x x", "a b x", "x x x") == [1, 0]


def test_rarer_words_tell_more() -> None:
    common, rare = question("c", having=90), question("r", having=1)
    assert order([*common, *rare], "c x", "r x") == [1, 0]


def test_neighbours_of_the_question_are_better_near_each_other() -> None:
    assert order(question("a", "b"), "a x x x x b", "x x x a b x") == [1, 0]


def test_any_spelling_counts_and_only_once() -> None:
    scores = dict(ranked({1: ["run"], 2: ["lauf"], 3: ["run", "lauf"]}, question("run|lauf"), 5))
    assert scores[1] == scores[2]
    assert scores[3] <= scores[1]  # longer, and no more of the question


def test_pairs_of_characters_that_overlap_are_no_neighbours() -> None:
    """They always stand together, which tells nothing."""
    together, apart = ["日本", "本語", "x"], ["本語", "x", "日本"]
    (_, one), (_, two) = ranked({1: together, 2: apart}, question("日本", "本語"), 5)
    assert one == two


@given(
    st.dictionaries(st.integers(1, 60), st.lists(st.sampled_from("abcdefgh"), max_size=40)),
    st.lists(st.sampled_from(["a", "b", "c|d", "e", "z"]), max_size=6),
    st.integers(1, 70),
)
def test_scores_are_shares_in_falling_order(
    proposed: dict[int, list[str]], words: list[str], limit: int
) -> None:
    found = ranked(proposed, question(*dict.fromkeys(words)), limit)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    assert len(found) <= limit
