"""What a process remembers of its offers."""

from understudy.dispatch.nats.untaken import REMEMBER_MAX, REMEMBER_SECONDS, Untaken


def test_an_offer_is_remembered_until_somebody_takes_it() -> None:
    untaken = Untaken()
    untaken.add("run_1", 0)
    assert "run_1" in untaken
    untaken.discard("run_1")
    untaken.discard("run_1")
    assert "run_1" not in untaken


def test_an_offer_that_nobody_speaks_of_is_forgotten_in_time() -> None:
    untaken = Untaken()
    untaken.add("run_1", 0)
    untaken.add("run_2", 1)
    untaken.forget_old(REMEMBER_SECONDS)
    assert ("run_1" in untaken, "run_2" in untaken) == (False, True)


def test_offering_again_begins_the_time_anew() -> None:
    untaken = Untaken()
    untaken.add("run_1", 0)
    untaken.add("run_2", 1)
    untaken.add("run_1", 2)
    untaken.forget_old(REMEMBER_SECONDS + 1)
    assert ("run_1" in untaken, "run_2" in untaken) == (True, False)


def test_memory_is_bounded() -> None:
    untaken = Untaken()
    for number in range(REMEMBER_MAX + 10):
        untaken.add(f"run_{number}", 0)
    assert ("run_9" in untaken, "run_10" in untaken) == (False, True)
