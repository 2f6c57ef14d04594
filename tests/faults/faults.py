"""What goes wrong, one thing after another or several at once, in an order that a seed decides.

Every kind happens once in each round, so that a run which is long enough has seen them all.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from .history import History
from .model import Model
from .process import Process

QUIET_SECONDS = (0.5, 2.5)
SHORT_SECONDS = (0.2, 1.5)
LEASES_ASLEEP = 1.6


class Fault(ABC):
    """Something that goes wrong at ``begin`` and is right again after ``end``."""

    kind: str
    target: str
    """What it happens to; nothing else happens to that at the same time."""

    def seconds(self, rng: Random) -> float:
        """Return how long it lasts."""
        return rng.uniform(*SHORT_SECONDS)

    @abstractmethod
    async def begin(self) -> None:
        """Make it go wrong."""

    @abstractmethod
    async def end(self) -> None:
        """Make it right again, and wait until it is."""


@dataclass
class Kill(Fault):
    """A process dies and is started again."""

    process: Process
    kind: str = "kill"

    def __post_init__(self) -> None:
        self.target = self.process.name

    async def begin(self) -> None:
        await self.process.kill()

    async def end(self) -> None:
        await self.process.start_again()


@dataclass
class Deploy(Fault):
    """A process is told to stop, does so in good order, and is started again."""

    process: Process
    kind: str = "deploy"

    def __post_init__(self) -> None:
        self.target = self.process.name

    async def begin(self) -> None:
        await self.process.stop()

    async def end(self) -> None:
        await self.process.start_again()


@dataclass
class Freeze(Fault):
    """A process stands still for longer than its leases last, and goes on as if nothing was."""

    process: Process
    lease_seconds: float
    kind: str = "freeze"

    def __post_init__(self) -> None:
        self.target = self.process.name

    def seconds(self, rng: Random) -> float:
        return self.lease_seconds * LEASES_ASLEEP + rng.uniform(*SHORT_SECONDS)

    async def begin(self) -> None:
        self.process.freeze()

    async def end(self) -> None:
        self.process.thaw()
        await self.process.wait_until_healthy()


@dataclass
class ModelDown(Fault):
    """The model refuses everybody for a while."""

    model: Model
    kind: str = "model down"
    target: str = "model"

    async def begin(self) -> None:
        self.model.is_down = True

    async def end(self) -> None:
        self.model.is_down = False


@dataclass
class ModelBreaks(Fault):
    """The model breaks off whatever it was saying."""

    model: Model
    kind: str = "model breaks"
    target: str = "model"

    def seconds(self, rng: Random) -> float:
        del rng
        return 0.0

    async def begin(self) -> None:
        self.model.break_all()

    async def end(self) -> None:
        return


Faults = Sequence[Sequence[Fault]]
"""Groups of faults; each group has its turn in every round, with one of them."""


class Injector:
    """Makes faults, and notes when each begins and ends."""

    def __init__(self, history: History, faults: Faults, seed: int, at_once: int) -> None:
        self._history = history
        self._faults = faults
        self._rngs = [Random(f"{seed}/{number}") for number in range(at_once)]
        self._taken: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def run(self, over: asyncio.Event) -> None:
        """Make faults until it is over, but all kinds once; the last ones are made right again."""
        async with asyncio.TaskGroup() as group:
            for rng in self._rngs:
                group.create_task(self._make_all(rng, over))

    async def _make_all(self, rng: Random, over: asyncio.Event) -> None:
        await self._round(rng)
        while not over.is_set():
            await self._round(rng, over)

    async def _round(self, rng: Random, over: asyncio.Event | None = None) -> None:
        for group in rng.sample(self._faults, len(self._faults)):
            await asyncio.sleep(rng.uniform(*QUIET_SECONDS))
            if over is not None and over.is_set():
                return
            fault = rng.choice(group)
            async with self._taken[fault.target]:
                await self._make(fault, rng)

    async def _make(self, fault: Fault, rng: Random) -> None:
        number = self._history.new_number()
        self._history.note("fault", fault=number, kind=fault.kind, target=fault.target)
        try:
            await fault.begin()
            await asyncio.sleep(fault.seconds(rng))
        finally:
            await fault.end()
        self._history.note("fault_over", fault=number)
