"""Simulations beside measurements of the same small case."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from bench.figure import number
from bench.simulation.scenario import Scenario
from bench.simulation.simulate import simulate


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One case: what it was, and the figures that a bench found, named as in ``Outcome``."""

    name: str
    scenario: Scenario
    figures: Mapping[str, float]


class Compared(msgspec.Struct, frozen=True):
    """One figure, measured and simulated."""

    case: str
    figure: str
    measured: float
    simulated: float

    @property
    def difference(self) -> float:
        """Return how much more was simulated than measured, as a share."""
        return self.simulated / self.measured - 1

    def __str__(self) -> str:
        """Return a line for a reader."""
        pair = f"measured {number(self.measured)}, simulated {number(self.simulated)}"
        return f"{self.case}, {self.figure}: {pair}, {self.difference:+.0%}"


def read_measured(path: Path) -> list[Measured]:
    """Return the cases of a YAML file."""
    return msgspec.yaml.decode(path.read_bytes(), type=list[Measured])


def compare(measured: Measured) -> Iterator[Compared]:
    """Yield every figure of a case beside its simulation."""
    outcome = simulate(measured.scenario)
    for name, value in measured.figures.items():
        yield Compared(measured.name, name, value, getattr(outcome, name))
