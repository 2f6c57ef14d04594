"""No cgroups: limits of single processes, a watchdog for memory, and signals to stop a session."""

from understudy.sandbox.limits import Limits


class NoGroups:
    """Makes groups that do nothing."""

    name = "none, with a watchdog"

    def make(self, slot: int, limits: Limits) -> "NoGroup":  # noqa: ARG002 - the port's signature
        """Return a group that does nothing."""
        return NoGroup()

    def close(self) -> None:
        """Leave nothing, as there was nothing."""


class NoGroup:
    """Neither counts nor freezes."""

    counts_memory = False
    freezes = False

    def open_doors(self) -> list[int]:
        """Return none."""
        return []

    def freeze(self) -> None:
        """Stop nobody."""

    def thaw(self) -> None:
        """Wake nobody."""

    def memory_ran_out(self) -> bool:
        """Know nothing."""
        return False

    def remove(self) -> None:
        """Remove nothing."""
