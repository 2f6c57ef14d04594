"""The kernels' environments, and a runner per module."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.kernels import kernels

from .station import IDENTITIES, Identity, Station, station

# Attacks need short lives and little room.
SMALL = (
    *("--cell-seconds", "5", "--memory-mib", "256", "--disk-mib", "64", "--processes", "64"),
    *("--sessions-max", "20", "--warm", "1"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            # The first one may have to build an environment.
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def environment() -> Path:
    return kernels("minimal")


@pytest.fixture(scope="session")
def full_environment() -> Path:
    return kernels("full")


@pytest.fixture(scope="module", params=IDENTITIES)
def identity(request: pytest.FixtureRequest) -> Identity:
    chosen: Identity = request.param
    return chosen


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A folder that an unprivileged runner reaches; pytest keeps its own folders closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="module")
def small(environment: Path, identity: Identity, open_folder: Path) -> Iterator[Station]:
    """A runner with little room, for attacks."""
    with station(open_folder / identity, environment, identity, *SMALL) as running:
        assert running.report["ok"], running.report
        yield running
