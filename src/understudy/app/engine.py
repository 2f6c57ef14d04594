"""Runs the engine of one process: its worker, its ingestion, its share of the duties."""

import asyncio
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import structlog

from understudy.app.code_interpreter import code_interpreter
from understudy.app.ports import make_data_folder
from understudy.engine.duties import AllDuties, Duties, SharedDuties
from understudy.engine.ingestion import Ingestion
from understudy.engine.sweeper import Sweeper
from understudy.engine.worker import Worker
from understudy.errors import Misconfigured
from understudy.operations.ports import Ports
from understudy.retrieval.reading.limits import ReadingLimits
from understudy.retrieval.reading.reader import Reader
from understudy.settings import Settings
from understudy.tools.base import HostedTool
from understudy.tools.file_search import FileSearch

log = structlog.get_logger("understudy")


@asynccontextmanager
async def engine(ports: Ports) -> AsyncIterator[None]:
    """Run the engine, as the only one on this data folder; leave in an orderly way.

    On the way out nothing more is taken, legs have some time to end, and the runs of those that
    have not are handed to other workers. Raises Misconfigured.
    """
    make_data_folder(ports.settings)
    with _only_worker(ports.settings.data_dir):
        duties = await _duties(ports)
        async with code_interpreter(ports) as code, _working(ports, duties, code):
            yield


async def _duties(ports: Ports) -> Duties:
    if ports.settings.is_shared:
        return SharedDuties(ports.storage, ports.clock)
    # Nobody else works on this folder: whatever is leased was left by a dead process.
    await ports.storage.drop_all_leases()
    return AllDuties()


@asynccontextmanager
async def _working(ports: Ports, duties: Duties, code: HostedTool) -> AsyncIterator[None]:
    settings = ports.settings
    reader = Reader(_reading_limits(settings))
    ingestion = Ingestion(ports, reader, duties)
    search = FileSearch(ports.storage, ports.searching, ports.clock, settings)
    worker = Worker(ports, {"file_search": search, "code_interpreter": code})
    tasks = [
        _started(worker.take_offers(), "offers"),
        _started(worker.keep_leases(), "leases"),
        _started(ingestion.take_entries(), "ingestion"),
        _started(ingestion.keep_leases(), "entry leases"),
        _started(Sweeper(ports, duties).sweep_for_ever(), "sweeper"),
    ]
    leases, others = tasks[1], [tasks[0], *tasks[2:]]
    stopping = asyncio.create_task(_stop_when_told(ports.stopping, others), name="stopping")
    try:
        yield
    finally:
        await _stopped([stopping, *others])
        await ingestion.stop()
        await worker.drain(settings.drain_seconds)
        await _stopped([leases])
        await reader.close()


async def _stop_when_told(stopping: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Take nothing more, while the requests and streams that are open have time to end."""
    await stopping.wait()
    await _stopped(tasks)


def _reading_limits(settings: Settings) -> ReadingLimits:
    return ReadingLimits(
        seconds_max=settings.reading_seconds_max,
        memory_bytes_max=settings.reading_bytes_max,
        tokens_max=settings.file_tokens_max,
    )


def _started(task: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    started = asyncio.create_task(task, name=name)
    started.add_done_callback(_stop_without_it)
    return started


async def _stopped(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _stop_without_it(task: asyncio.Task[None]) -> None:
    """Stop the process when one has broken: a server that does no work must not look well."""
    if not task.cancelled() and task.exception() is not None:
        log.critical("duty_broke", duty=task.get_name(), exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _only_worker(folder: Path) -> Iterator[None]:
    """Hold the lock of the data folder; the kernel lets go of it when the process dies."""
    with (folder / "worker.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Misconfigured(
                f"Another server is working on {folder}. Stop it, choose another folder with "
                "--data-dir, or start this one with --no-worker."
            ) from error
        yield
