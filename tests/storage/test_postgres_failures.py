"""What the log says while the database is away."""

import pytest
from structlog.testing import capture_logs

from understudy.repeats import Repeats
from understudy.storage.postgres import failures
from understudy.storage.postgres.failures import unavailable


def test_each_cause_is_told_once_with_what_was_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_repeats", Repeats())
    refused = ConnectionRefusedError("refused")
    with capture_logs() as lines:
        unavailable(refused, "read")
        unavailable(refused, "read")
        unavailable(refused, "written")
        unavailable(TimeoutError(), "read")
    assert [(line["doing"], line["cause"], line["times"]) for line in lines] == [
        ("read", "ConnectionRefusedError: refused", 1),
        ("written", "ConnectionRefusedError: refused", 1),
        ("read", "TimeoutError", 1),
    ]
