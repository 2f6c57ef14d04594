"""What the runner tells the zygote, once at its start and once for each session."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from understudy.sandbox.limits import Limits

Isolation = Literal["namespaces", "external"]

# Where sessions see the kernels' environment, wherever the host has it.
ENVIRONMENT = "/opt/sandbox-python"


@dataclass(frozen=True, slots=True)
class ZygotePlan:
    """How the zygote closes itself in, and what it imports before the first session."""

    isolation: Isolation
    environment: str
    preload: tuple[str, ...]
    scratch: str

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "ZygotePlan":
        """Return the plan that ``to_plain`` described."""
        return cls(**{**plain, "preload": tuple(plain["preload"])})

    def to_plain(self) -> dict[str, Any]:
        """Return the plan as values that JSON has."""
        return asdict(self)

    @property
    def environment_inside(self) -> str:
        """Return where sessions see the environment."""
        return ENVIRONMENT if self.isolation == "namespaces" else self.environment


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """One session: its place among the users, its limits, and whether a cgroup counts its memory.

    With ``memory_counted`` false, memory that belongs to no mapping is refused altogether.
    """

    slot: int
    limits: Limits
    memory_counted: bool

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "SessionPlan":
        """Return the plan that ``to_plain`` described."""
        return cls(**{**plain, "limits": Limits.from_plain(plain["limits"])})

    def to_plain(self) -> dict[str, Any]:
        """Return the plan as values that JSON has."""
        return {
            "slot": self.slot,
            "limits": self.limits.to_plain(),
            "memory_counted": self.memory_counted,
        }
