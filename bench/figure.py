"""One measured figure and its verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One line of the table: a median of rounds, its spread, and what was promised."""

    case: str
    name: str
    unit: str
    value: float
    low: float
    high: float
    rounds: int
    ceiling: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """Return ``reached``, by how much it was missed, or nothing where nothing is promised."""
        if self.ceiling is None:
            return ""
        if self.value <= self.ceiling:
            return "reached"
        if self.ceiling == 0:
            return f"missed by {number(self.value)}"
        return f"missed by {self.value / self.ceiling - 1:.0%}"


def figure(
    case: str,
    name: str,
    unit: str,
    values: Sequence[float],
    ceiling: float | None = None,
    note: str = "",
) -> Figure:
    """Return the median of the rounds with their smallest and largest."""
    low, high = min(values), max(values)
    return Figure(case, name, unit, median(values), low, high, len(values), ceiling, note)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def number(value: float) -> str:
    """Write a figure with about three significant digits."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
