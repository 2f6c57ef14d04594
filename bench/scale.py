"""How much of everything: enough to see that it works, enough to believe it, or all of it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The sizes of all cases."""

    name: str
    rounds: int
    runs_per_round: int
    first_token_pairs: int
    streams: int
    stream_seconds: int
    waiting_runs: int
    listed_rows: int
    listings_per_round: int
    requests_per_round: int
    starts: int


QUICK = Scale(
    name="quick",
    rounds=3,
    runs_per_round=64,
    first_token_pairs=40,
    streams=200,
    stream_seconds=5,
    waiting_runs=1_000,
    listed_rows=50_000,
    listings_per_round=40,
    requests_per_round=100,
    starts=3,
)

STANDARD = Scale(
    name="standard",
    rounds=7,
    runs_per_round=320,
    first_token_pairs=200,
    streams=1_000,
    stream_seconds=20,
    waiting_runs=10_000,
    listed_rows=1_000_000,
    listings_per_round=200,
    requests_per_round=400,
    starts=7,
)

FULL = Scale(
    name="full",
    rounds=9,
    runs_per_round=640,
    first_token_pairs=400,
    streams=1_000,
    stream_seconds=20,
    waiting_runs=100_000,
    listed_rows=1_000_000,
    listings_per_round=400,
    requests_per_round=800,
    starts=11,
)
