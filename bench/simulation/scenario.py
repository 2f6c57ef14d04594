"""Everything that a simulation is told: sizes, costs, arrivals, models, losses; in seconds."""

from pathlib import Path

import msgspec


class Steady(msgspec.Struct, frozen=True, tag="steady", forbid_unknown_fields=True):
    """Runs come at random, so many a second on average."""

    rate: float


class Bursts(msgspec.Struct, frozen=True, tag="bursts", forbid_unknown_fields=True):
    """As ``Steady``, and every so often for some time at another rate."""

    rate: float
    burst_rate: float
    every_seconds: float
    burst_seconds: float


class Clients(msgspec.Struct, frozen=True, tag="clients", forbid_unknown_fields=True):
    """So many clients; each makes its next run when the last one has ended. As a bench does."""

    count: int


class Costs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one run costs, as measured."""

    api_cpu_seconds: float = 0.0
    worker_cpu_seconds: float = 0.0
    queue_cpu_seconds: float = 0.0
    # Of the database: for each transaction, for each change in it, and until it is on disk.
    transaction_cpu_seconds: float = 0.0
    change_cpu_seconds: float = 0.0
    flush_seconds: float = 0.0
    # From a committed run to a worker that has been told of it.
    wake_up_seconds: float = 0.0


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The upstream: how long an answer takes, and how many it gives at once."""

    delay_seconds: float = 0.0
    # 0 is always the same, 1 is exponential, more has a longer tail (log-normal, this variation).
    variation: float = 0.0
    at_once_max: int | None = None


class Sizes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much there is of everything, and the settings that matter here."""

    api_processes: int = 1
    workers: int = 1
    # One process does both, as ``understudy serve`` does.
    together: bool = False
    # Of one machine that all share, or None: processes and servers have cores of their own.
    shared_cores: int | None = None
    database_cores: int = 8
    writers_per_process: int = 2
    group_max: int = 64
    legs_max: int = 4_000
    legs_per_project_max: int | None = None
    offers_per_project_max: int | None = None
    projects: int = 1
    lease_seconds: float = 15.0
    sweep_seconds: float = 1.0
    sweep_runs_max: int = 1_000
    decline_seconds: float = 1.0


class Loss(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Workers that are killed at some moment, all together, and come back later."""

    at_seconds: float
    workers: int = 1
    back_after_seconds: float = 5.0


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question to the simulation."""

    arrivals: Steady | Bursts | Clients
    costs: Costs
    sizes: Sizes = Sizes()
    model: Model = Model()
    loss: Loss | None = None
    seconds: float = 60.0
    # What happens before is not counted.
    warm_up_seconds: float = 5.0
    seed: int = 1


def read_scenario(path: Path) -> Scenario:
    """Return the scenario in a YAML file. Raises msgspec.ValidationError with the field's name."""
    return msgspec.yaml.decode(path.read_bytes(), type=Scenario)
