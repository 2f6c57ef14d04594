"""A fault run from beginning to end: load and faults at once, then quiet, then the last look."""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from .client import Client
from .faults import Injector
from .history import History
from .load import Load
from .model import Model
from .stand import LEASE_SECONDS, Stand

LINE_BYTES_MAX = 2**20
SLACK_SECONDS = 240

OpenStand = Callable[[Path, Model], AbstractAsyncContextManager[Stand]]


@dataclass(frozen=True)
class Campaign:
    """What is wanted; the same seed makes the same plan, though never the same timing."""

    open_stand: OpenStand
    seed: int
    seconds: float
    conversations: int = 8
    faults_at_once: int = 1
    patience_seconds: float = 60.0

    async def run(self, folder: Path) -> Path:
        """Do it in this folder, and return where the history is."""
        path = folder / "history.jsonl"
        with History(path) as history:
            async with (
                Model(history).serving() as model,
                self.open_stand(folder, model) as stand,
            ):
                # What takes too long has no end in the history, and that is for the checker to say.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._play(history, stand), self._seconds_max)
        return path

    @property
    def _seconds_max(self) -> float:
        return self.seconds + SLACK_SECONDS

    async def _play(self, history: History, stand: Stand) -> None:
        history.note("began", mode=stand.mode, seed=self.seed, lease_seconds=LEASE_SECONDS)
        headers = {"Authorization": f"Bearer {stand.key}", "OpenAI-Beta": "assistants=v2"}
        async with aiohttp.ClientSession(headers=headers, read_bufsize=LINE_BYTES_MAX) as session:
            client = Client(history, session, stand.apis, self.patience_seconds)
            load = Load(client, self.seed, self.conversations)
            await load.set_up()
            await self._break_things(history, stand, load)
            await load.read_all()
        history.note("ended")

    async def _break_things(self, history: History, stand: Stand, load: Load) -> None:
        over, calm = asyncio.Event(), asyncio.Event()
        injector = Injector(history, stand.faults, self.seed, self.faults_at_once)
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(over))
            breaking = group.create_task(injector.run(calm))
            await asyncio.sleep(self.seconds)
            calm.set()
            await breaking
            over.set()
