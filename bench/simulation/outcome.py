"""What a simulation says, and how it is shown."""

import msgspec

from bench.figure import number, percentile

# A station that is used less than this is not what the others wait for.
BUSY = 0.85


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to a scenario. Times in milliseconds where the name says so."""

    runs_per_second: float
    wait_p50_ms: float
    wait_p99_ms: float
    took_p50_ms: float
    took_p99_ms: float
    queue_depth_max: int
    queue_depth_end: int
    recovered: int
    recovery_max_seconds: float
    used: dict[str, float]

    @property
    def bottleneck(self) -> str:
        """Return what is short first, or that nothing is."""
        name = max(self.used, key=lambda one: round(self.used[one], 2))
        return name if self.used[name] >= BUSY else "nothing"


def milliseconds(values: list[float], percent: float) -> float:
    """Return a percentile of seconds in milliseconds; 0 when there are none."""
    return 1000 * percentile(values, percent) if values else 0.0


def page(outcome: Outcome) -> str:
    """Return the outcome as lines for a reader."""
    busiest = sorted(outcome.used.items(), key=lambda one: -one[1])[:6]
    lines = [
        ("runs ended", f"{number(outcome.runs_per_second)} runs/s"),
        ("POST to start", f"{_pair(outcome.wait_p50_ms, outcome.wait_p99_ms)} ms p50, p99"),
        ("POST to end", f"{_pair(outcome.took_p50_ms, outcome.took_p99_ms)} ms p50, p99"),
        ("waiting at most", f"{outcome.queue_depth_max:,} runs"),
        ("waiting at the end", f"{outcome.queue_depth_end:,} runs"),
        ("first bottleneck", outcome.bottleneck),
        ("used", ", ".join(f"{name} {share:.0%}" for name, share in busiest)),
    ]
    if outcome.recovered:
        told = f"{outcome.recovered:,} runs, the last after {outcome.recovery_max_seconds:.1f} s"
        lines.append(("taken up again", told))
    return "\n".join(f"{name:20}{told}" for name, told in lines)


def _pair(half: float, most: float) -> str:
    return f"{number(half)}, {number(most)}"
