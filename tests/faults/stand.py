"""What a fault run is made on: the processes, where they are reached, and what can break there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .faults import Faults
from .model import Model
from .process import Process

LEASE_SECONDS = 2.0


@dataclass(frozen=True)
class Stand:
    """A running product."""

    mode: str
    key: str
    apis: Mapping[str, str]
    processes: Sequence[Process]
    faults: Faults


def settings(model: Model, caller: str) -> dict[str, str]:
    """Return the settings of a process, which asks the model under a name of its own."""
    return {
        "UNDERSTUDY_UPSTREAM_URL": f"{model.url}/{caller}/v1",
        "UNDERSTUDY_EMBEDDING_MODEL": "m",
        "UNDERSTUDY_LEASE_SECONDS": str(LEASE_SECONDS),
        "UNDERSTUDY_SWEEP_SECONDS": "0.3",
        "UNDERSTUDY_KEEP_ALIVE_SECONDS": "1",
        "UNDERSTUDY_DRAIN_SECONDS": "2",
    }
