"""One server with SQLite under load, killed, frozen and left alone by its model, again and again.

A longer run is made by hand: ``python -m tests.faults --minutes 5``.
"""

import asyncio
from pathlib import Path

import pytest

from .campaign import Campaign
from .checker.account import load
from .checker.judgement import tally, verdict
from .embedded import embedded

pytestmark = pytest.mark.crash

SECONDS = 25
SEED = 20_261_122


@pytest.mark.timeout(300)
def test_nothing_is_lost_or_doubled_on_one_machine(tmp_path: Path) -> None:
    history = asyncio.run(Campaign(embedded, SEED, SECONDS).run(tmp_path))
    words, is_good = verdict(history)
    assert is_good, words
    seen = tally(load(history))
    assert set(seen["faults"]) == {"kill", "freeze", "deploy", "model down", "model breaks"}
    assert seen["runs"]["completed"] > 50, words
    assert seen["seen"]["resumed"] > 0, words
    assert seen["seen"]["taken_over"] > 0, words
    assert "Traceback" not in (tmp_path / "server.log").read_text(errors="replace")
