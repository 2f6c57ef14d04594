"""One ranking of several."""

from hypothesis import given
from hypothesis import strategies as st

from understudy.retrieval.fusion import Weights, fused, merged, never_rising
from understudy.storage.chunks import Chunk, Hit


def hit(name: str, score: float) -> Hit:
    chunk = Chunk(text=name, start=0, end=len(name), tokens=1)
    return Hit(entry=ord(name), ordinal=0, score=score, chunk=chunk)


def names(hits: list[Hit]) -> str:
    return "".join(one.chunk.text for one in hits)


def test_of_several_rankings_each_chunk_keeps_its_best_score() -> None:
    found = merged([[hit("a", 0.5), hit("b", 0.2)], [hit("b", 0.9), hit("c", 0.1)]])
    assert [(one.chunk.text, one.score) for one in found] == [("b", 0.9), ("a", 0.5), ("c", 0.1)]


def test_what_both_find_comes_before_what_one_finds() -> None:
    lexical = [hit("a", 0.9), hit("b", 0.8)]
    near = [hit("c", 0.9), hit("b", 0.8)]
    assert names(fused(lexical, near, Weights())) == "bac"


def test_weights_decide_whom_to_believe() -> None:
    lexical, near = [hit("a", 0.9)], [hit("c", 0.9)]
    assert names(fused(lexical, near, Weights(embedding=2, text=1))) == "ca"
    assert names(fused(lexical, near, Weights(embedding=1, text=2))) == "ac"


def test_a_score_is_the_weighted_mean() -> None:
    (both,) = fused([hit("a", 0.9)], [hit("a", 0.3)], Weights(embedding=1, text=3))
    assert round(both.score, 6) == 0.75
    (one,) = fused([hit("a", 0.8)], [], Weights())
    assert one.score == 0.4


def test_scores_that_would_rise_are_shared() -> None:
    assert never_rising([0.5, 0.9, 0.1]) == [0.7, 0.7, 0.1]
    assert never_rising([0.9, 0.5, 0.1]) == [0.9, 0.5, 0.1]


@given(st.lists(st.floats(0, 1)))
def test_scores_never_rise_and_keep_their_sum(scores: list[float]) -> None:
    smooth = never_rising(scores)
    assert smooth == sorted(smooth, reverse=True)
    assert len(smooth) == len(scores)
    assert abs(sum(smooth) - sum(scores)) < 1e-6
