"""What the log says while the database is away: each cause and how often, but no flood."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from understudy.storage.postgres import failures
from understudy.storage.postgres.failures import CAUSES_MAX, QUIET_SECONDS, unavailable

REFUSED = ConnectionRefusedError("refused")


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_log", failures._Log())


def told(monkeypatch: pytest.MonkeyPatch, *moments: float) -> Sequence[Mapping[str, Any]]:
    """Return what is logged when the same read fails at these moments."""
    with capture_logs() as lines:
        for moment in moments:
            monkeypatch.setattr(time, "monotonic", lambda moment=moment: moment)
            unavailable(REFUSED, "read")
    return lines


def test_a_cause_is_told_at_once_and_not_again_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (line,) = told(monkeypatch, 0.0, 1.0, QUIET_SECONDS - 0.1)
    assert (line["cause"], line["times"]) == ("ConnectionRefusedError: refused", 1)


def test_what_lasts_is_told_again_with_how_often_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(monkeypatch, 0.0, 1.0, 2.0, QUIET_SECONDS)
    assert [line["times"] for line in lines] == [1, 3]


def test_another_cause_is_told_at_once() -> None:
    with capture_logs() as lines:
        unavailable(REFUSED, "read")
        unavailable(REFUSED, "written")
        unavailable(TimeoutError(), "read")
    assert [(line["doing"], line["cause"]) for line in lines] == [
        ("read", "ConnectionRefusedError: refused"),
        ("written", "ConnectionRefusedError: refused"),
        ("read", "TimeoutError"),
    ]


def test_many_causes_do_not_fill_the_memory() -> None:
    for number in range(3 * CAUSES_MAX):
        unavailable(OSError(f"cause {number}"), "read")
    assert len(failures._log._causes) <= CAUSES_MAX
