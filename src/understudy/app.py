"""The composition root: settings in, a running server out. The only file that names adapters."""

import asyncio
import fcntl
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import structlog

from understudy.api.server import Server
from understudy.clock import SystemClock
from understudy.dispatch.in_process import InProcessDispatch
from understudy.engine.sweeper import Sweeper
from understudy.engine.worker import Worker
from understudy.errors import Misconfigured
from understudy.files.opening import files_from
from understudy.operations.ports import Ports
from understudy.settings import Settings, UpstreamSettings
from understudy.storage.sqlite.store import SqliteStorage
from understudy.upstream.base import Upstream
from understudy.upstream.catalogue import Catalogue, Entry
from understudy.upstream.chat_completions import ChatCompletions
from understudy.upstream.demo import Demo
from understudy.upstream.scripted import Scripted

log = structlog.get_logger("understudy")


def open_storage(settings: Settings) -> SqliteStorage:
    """Open the database, made with its folder if there is none. Raises Misconfigured."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"The data folder {settings.data_dir} cannot be made: {error.strerror}. "
            "Choose another one with --data-dir."
        ) from error
    return SqliteStorage(settings.database_path, settings.sqlite_synchronous)


def open_models(settings: Settings) -> Catalogue:
    """Build all upstreams: those of the file, the one of the environment, and the demo."""
    entries = [_entry(one) for one in settings.upstreams]
    if settings.upstream_url:
        key = settings.upstream_key.get_secret_value() if settings.upstream_key else None
        upstream = ChatCompletions("environment", settings.upstream_url, key)
        entries.append(Entry(name="environment", upstream=upstream, serves_any=True))
    entries.append(Entry(name="demo", upstream=Demo(), models=("demo",)))
    return Catalogue(entries, settings.aliases)


def _entry(settings: UpstreamSettings) -> Entry:
    upstream = _upstream(settings)
    return Entry(
        name=settings.name,
        upstream=upstream,
        models=tuple(settings.models),
        serves_any=not settings.models,
        context_windows=settings.context_windows,
    )


def _upstream(settings: UpstreamSettings) -> Upstream:
    if settings.kind == "scripted" and settings.script is not None:
        return Scripted.from_file(settings.script)
    return ChatCompletions(
        settings.name,
        settings.base_url,
        settings.secret(),
        idle_timeout_seconds=settings.idle_timeout_seconds,
        max_tokens_field=settings.max_tokens_field,
    )


def open_ports(settings: Settings) -> Ports:
    """Open everything that operations work with. Raises Misconfigured."""
    return Ports(
        storage=open_storage(settings),
        dispatch=InProcessDispatch(has_worker=settings.worker),
        files=files_from(settings.files_location),
        models=open_models(settings),
        clock=SystemClock(),
        settings=settings,
    )


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[Server, Ports]]:
    """Open all parts, start the engine, and put everything away at the end."""
    ports = open_ports(settings)
    try:
        async with _engine(ports) if settings.worker else _nothing():
            yield Server(ports), ports
    finally:
        await ports.models.close()
        await ports.dispatch.close()
        await ports.storage.close()


@asynccontextmanager
async def _engine(ports: Ports) -> AsyncIterator[None]:
    """Run one worker and the sweeper, as the only ones on this data folder."""
    settings = ports.settings
    worker = Worker(ports)
    sweeper = Sweeper(ports)
    with _only_worker(settings.data_dir):
        # Nobody else works on this folder, so whatever is leased was left by a dead process.
        await ports.storage.drop_all_leases()
        duties = [
            _started(worker.take_offers(), "offers"),
            _started(worker.keep_leases(), "leases"),
            _started(sweeper.sweep_for_ever(), "sweeper"),
        ]
        try:
            yield
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            await worker.drain(settings.drain_seconds)


def _started(duty: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    task = asyncio.create_task(duty, name=name)
    task.add_done_callback(_stop_without_it)
    return task


def _stop_without_it(task: asyncio.Task[None]) -> None:
    """Stop the process when a duty has broken: a server that does no work must not look well."""
    if not task.cancelled() and task.exception() is not None:
        log.critical("duty_broke", duty=task.get_name(), exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


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
