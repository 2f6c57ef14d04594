"""A real sandbox for the tools that need one."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.station import IDENTITIES, Station, station
from tests.services.kernels import kernels

# Small enough for a test machine, large enough for pandas and a chart.
ROOM = ("--memory-mib", "512", "--sessions-max", "8", "--warm", "1", "--cell-seconds", "20")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Station]:
    """A runner with the packages that its zygote imports."""
    with (
        tempfile.TemporaryDirectory() as folder,
        station(Path(folder), kernels("minimal"), IDENTITIES[0], *ROOM) as running,
    ):
        assert running.report["ok"], running.report
        yield running
