"""One run on its way."""

from dataclasses import dataclass

from simpy import Event


@dataclass(eq=False)
class Run:
    """What the rows say of it, and what a client waits for."""

    project: int
    created_at: float
    ended: Event
    claims: int = 0
    lease_until: float = 0.0
    lost_at: float = 0.0
