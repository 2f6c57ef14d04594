"""What goes wrong in a cluster besides its own processes: the servers, and the wires to them."""

import asyncio
import os
import subprocess
from abc import abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.services.nats import NatsServer
from tests.services.postgres import PostgresServer

from .faults import SHORT_SECONDS, Fault
from .proxy import Proxy

LEASES_APART = 1.5
SLOW_SECONDS = 0.05
PIECE_BYTES = 1024 * 1024
DISK_BYTES = 256 * PIECE_BYTES


@dataclass
class PostgresRestarts(Fault):
    """PostgreSQL is stopped in good order."""

    server: PostgresServer
    kind: str = "restart postgres"
    target: str = "postgres"

    async def begin(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def end(self) -> None:
        await asyncio.to_thread(self.server.start)


@dataclass
class PostgresDies(PostgresRestarts):
    """PostgreSQL dies and recovers from its log."""

    kind: str = "kill postgres"

    async def begin(self) -> None:
        await asyncio.to_thread(self.server.kill)


@dataclass
class NatsRestarts(Fault):
    """NATS dies and comes back with what it had on disk."""

    server: NatsServer
    kind: str = "restart nats"
    target: str = "nats"

    async def begin(self) -> None:
        await asyncio.to_thread(self.server.kill)

    async def end(self) -> None:
        await asyncio.to_thread(self.server.start)


@dataclass
class NatsForgets(NatsRestarts):
    """NATS dies and comes back with nothing."""

    kind: str = "empty nats"

    async def begin(self) -> None:
        await super().begin()
        await asyncio.to_thread(_empty, self.server)


def _empty(server: NatsServer) -> None:
    """Remove the files, but not the folder: a disk of its own may be mounted there."""
    for folder, _, names in os.walk(data_folder(server), topdown=False):
        for name in names:
            (Path(folder) / name).unlink()
        with suppress(OSError):
            Path(folder).rmdir()


def data_folder(server: NatsServer) -> Path:
    """Return where the server keeps its streams."""
    return server._folder / "data"


@dataclass
class NatsDiskFull(NatsRestarts):
    """The disk of NATS has no room left.

    JetStream 2.9 hangs from then on, and does not even stop when it is told to: it is killed, and
    has to make do with what was written until then.
    """

    kind: str = "full disk"

    async def begin(self) -> None:
        await asyncio.to_thread(_fill, self._filler)

    async def end(self) -> None:
        await asyncio.to_thread(self.server.kill)
        self._filler.unlink(missing_ok=True)
        await asyncio.to_thread(self.server.start)

    @property
    def _filler(self) -> Path:
        return data_folder(self.server) / "filler"


def _fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as filler:
        size = 0
        while size < DISK_BYTES:
            size += filler.write(b"x" * PIECE_BYTES)


def mount_disk(folder: Path) -> bool:
    """Put a small disk at this folder; only root can do that, so others go without."""
    if os.geteuid() != 0:
        return False
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs"]
    return subprocess.run(["mount", *options, folder], check=False).returncode == 0


def unmount_disk(folder: Path) -> None:
    """Take the disk away again."""
    subprocess.run(["umount", "--lazy", folder], check=False)


@dataclass
class WireFault(Fault):
    """Something about the wire between one worker and a server."""

    proxy: Proxy
    lease_seconds: float
    kind: str = ""

    def __post_init__(self) -> None:
        self.target = self.proxy.name

    def seconds(self, rng: Random) -> float:
        """Short, or for longer than a lease."""
        return rng.choice((0.0, self.lease_seconds * LEASES_APART)) + rng.uniform(*SHORT_SECONDS)

    @abstractmethod
    async def begin(self) -> None: ...

    async def end(self) -> None:
        self.proxy.mend()


@dataclass
class WireCut(WireFault):
    """Connections end, and new ones fail."""

    kind: str = "cut"

    async def begin(self) -> None:
        self.proxy.cut()


@dataclass
class WireJammed(WireFault):
    """Nothing comes through, and nobody is told."""

    kind: str = "jam"

    async def begin(self) -> None:
        self.proxy.jam()


@dataclass
class WireSlow(WireFault):
    """Everything comes late."""

    kind: str = "slow"

    async def begin(self) -> None:
        self.proxy.delay_seconds = SLOW_SECONDS
