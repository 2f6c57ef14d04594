"""Two API processes and three workers under load, while everything beneath and beside them fails.

A longer run is made by hand: ``python -m tests.faults --mode cluster --minutes 10 --at-once 2``.
"""

import asyncio
from pathlib import Path

import pytest

from tests.faults.campaign import Campaign
from tests.faults.checker.account import load
from tests.faults.checker.judgement import tally, verdict
from tests.faults.cluster import cluster
from tests.services.nats import chosen_server
from tests.services.postgres import installed_bin_folder

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(
        installed_bin_folder() is None or chosen_server() is None,
        reason="PostgreSQL or nats-server is not installed",
    ),
]

SECONDS = 100
SEED = 20_261_122
KINDS_AT_LEAST = {
    "kill worker",
    "kill api",
    "kill runner",
    "freeze",
    "deploy",
    "restart postgres",
    "kill postgres",
    "restart nats",
    "empty nats",
    "cut",
    "jam",
}


@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled_in_a_cluster(tmp_path: Path) -> None:
    campaign = Campaign(cluster, SEED, SECONDS, faults_at_once=2)
    history = asyncio.run(campaign.run(tmp_path))
    words, is_good = verdict(history)
    assert is_good, words
    seen = tally(load(history))
    assert seen["faults"].keys() >= KINDS_AT_LEAST, words
    assert seen["executed"].keys() == {"file_search", "code_interpreter"}, words
    assert seen["runs"]["completed"] > 100, words
    assert seen["seen"]["resumed"] > 0, words
    assert seen["seen"]["taken_over"] > 0, words
