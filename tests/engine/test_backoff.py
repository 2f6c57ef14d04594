"""Pauses before a busy upstream is asked again."""

from understudy.engine.backoff import LEAST_SECONDS, LONGEST_SECONDS, Backoff


def test_an_upstream_that_asks_for_no_pause_gets_one_that_grows() -> None:
    """Retry-After: 0 must not become a loop without a pause."""
    backoff = Backoff()
    pauses = [backoff.next_seconds(0.0) for _ in range(30)]
    assert pauses[0] == LEAST_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_SECONDS


def test_a_named_pause_is_kept() -> None:
    assert Backoff().next_seconds(7.5) == 7.5


def test_pauses_double_up_to_a_limit() -> None:
    backoff = Backoff()
    pauses = [backoff.next_seconds(None) for _ in range(12)]
    assert 0.375 <= pauses[0] <= 0.625
    assert max(pauses) <= LONGEST_SECONDS * 1.25
