"""What a log says of what happens again and again: each cause and how often, but no flood."""

from understudy.clock import ManualClock
from understudy.repeats import CAUSES_MAX, FORGOTTEN_SECONDS, QUIET_SECONDS, Repeats


def counted(*moments: float) -> list[int]:
    """Return what is said when the same happens at these moments."""
    clock = ManualClock(start=0.0)
    repeats = Repeats(clock.now)
    told = []
    for moment in moments:
        clock.advance(moment - clock.now())
        told.append(repeats.count("refused"))
    return told


def test_a_cause_is_told_at_once_and_not_again_for_a_while() -> None:
    assert counted(0.0, 1.0, QUIET_SECONDS - 0.1) == [1, 0, 0]


def test_what_lasts_is_told_again_with_how_often_it_was() -> None:
    assert counted(0.0, 1.0, 2.0, QUIET_SECONDS) == [1, 0, 0, 3]


def test_what_comes_back_much_later_is_counted_anew() -> None:
    assert counted(0.0, 1.0, FORGOTTEN_SECONDS + 1) == [1, 0, 1]


def test_another_cause_is_told_at_once() -> None:
    repeats = Repeats(ManualClock().now)
    assert [repeats.count(cause) for cause in ("read", "written", "read")] == [1, 1, 0]


def test_many_causes_do_not_fill_the_memory() -> None:
    repeats = Repeats(ManualClock().now)
    for number in range(3 * CAUSES_MAX):
        repeats.count(number)
    assert len(repeats._causes) <= CAUSES_MAX
