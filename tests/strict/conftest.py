"""Registers the mark of the tests that fetch suites from the registry."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark, so that `-m "not strict"` leaves out what needs a registry."""
    config.addinivalue_line("markers", "strict: runs the official client's generated suites")
