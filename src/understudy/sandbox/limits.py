"""How much a session may use: of time, memory, processors, processes, disk and output."""

from dataclasses import asdict, dataclass
from typing import Any

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one session. A cell is one piece of code that it runs."""

    cell_seconds: float = 120.0
    interrupt_grace_seconds: float = 2.0
    memory_bytes: int = 1024 * MIB
    cpus: float = 1.0
    processes: int = 128
    disk_bytes: int = 512 * MIB
    inodes: int = 20_000
    code_bytes: int = MIB
    output_bytes_kept: int = 256 * 1024
    output_bytes_drained: int = 64 * MIB
    image_bytes: int = 8 * MIB
    images_bytes: int = 32 * MIB
    frames: int = 500

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Limits":
        """Return the limits that ``to_plain`` described."""
        return cls(**plain)

    def to_plain(self) -> dict[str, Any]:
        """Return the limits as values that JSON has."""
        return asdict(self)
