"""The composition root: settings in, a running server out. The only file that names adapters."""

import asyncio
import errno
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
from understudy.engine.ingestion import Ingestion
from understudy.engine.sweeper import Sweeper
from understudy.engine.worker import Worker
from understudy.errors import Misconfigured
from understudy.files.opening import files_from
from understudy.operations.ports import Ports
from understudy.retrieval.reading.limits import ReadingLimits
from understudy.retrieval.reading.reader import Reader
from understudy.retrieval.searching import Searching
from understudy.sandbox.client import Sandbox
from understudy.sandbox.opening import sandbox_of
from understudy.sandbox.own_runner import is_installed, make_socket_folder, own_runner
from understudy.sandbox.refusal import Refusal
from understudy.settings import Settings, UpstreamSettings
from understudy.storage.sqlite.chunk_index import SqliteChunkIndex
from understudy.storage.sqlite.store import SqliteStorage
from understudy.tools.base import HostedTool
from understudy.tools.code_interpreter import CodeInterpreter, unavailable
from understudy.tools.file_search import FileSearch
from understudy.tools.refused import Refused
from understudy.upstream.base import Embedder, Reranker, Upstream
from understudy.upstream.catalogue import Catalogue, Entry
from understudy.upstream.chat_completions import ChatCompletions
from understudy.upstream.connection import Connection
from understudy.upstream.demo import Demo
from understudy.upstream.embeddings import Embeddings
from understudy.upstream.reranking import Reranking
from understudy.upstream.scripted import Scripted

log = structlog.get_logger("understudy")


def open_storage(settings: Settings) -> SqliteStorage:
    """Open the database, made with its folder if there is none. Raises Misconfigured."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"The data folder {settings.data_dir} cannot be made: {error.strerror}. "
            "Choose another one with --data-dir."
        ) from error
    return SqliteStorage(settings.database_path, settings.sqlite_synchronous)


def open_models(settings: Settings) -> Catalogue:
    """Build all upstreams: those of the file, the one of the environment, and the demo."""
    entries = [_entry(one) for one in settings.endpoints]
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


def open_embedder(settings: Settings) -> Embedder | None:
    """Build the first embedding model that an upstream has, if one has any."""
    for one in settings.endpoints:
        if one.embedding_model:
            return Embeddings(
                _connection(one), model=one.embedding_model, dimensions=one.embedding_dimensions
            )
    return None


def open_reranker(settings: Settings) -> Reranker | None:
    """Build the first reranking model that an upstream has, if one has any."""
    for one in settings.endpoints:
        if one.rerank_model:
            return Reranking(_connection(one), model=one.rerank_model)
    return None


def _connection(one: UpstreamSettings) -> Connection:
    return Connection(one.name, one.base_url, one.secret())


def open_ports(settings: Settings) -> Ports:
    """Open everything that operations work with. Raises Misconfigured."""
    storage = open_storage(settings)
    chunks = SqliteChunkIndex(
        settings.indexes_folder, vector_cache_bytes_max=settings.vector_cache_bytes_max
    )
    embedder = open_embedder(settings)
    return Ports(
        storage=storage,
        chunks=chunks,
        embedder=embedder,
        searching=Searching(storage, chunks, embedder, open_reranker(settings)),
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
        await ports.searching.close()
        await ports.dispatch.close()
        await ports.chunks.close()
        await ports.storage.close()


@asynccontextmanager
async def _engine(ports: Ports) -> AsyncIterator[None]:
    """Run one worker, the ingestion and the sweeper, as the only ones on this data folder."""
    settings = ports.settings
    reader = Reader(_reading_limits(settings))
    ingestion = Ingestion(ports, reader)
    sweeper = Sweeper(ports)
    with _only_worker(settings.data_dir):
        async with _code_interpreter(ports) as code_interpreter:
            search = FileSearch(ports.storage, ports.searching, ports.clock, settings)
            worker = Worker(ports, {"file_search": search, "code_interpreter": code_interpreter})
            # Nobody else works on this folder: whatever is leased was left by a dead process.
            await ports.storage.drop_all_leases()
            duties = [
                _started(worker.take_offers(), "offers"),
                _started(worker.keep_leases(), "leases"),
                _started(ingestion.take_entries(), "ingestion"),
                _started(ingestion.keep_leases(), "entry leases"),
                _started(sweeper.sweep_for_ever(), "sweeper"),
            ]
            try:
                yield
            finally:
                for duty in duties:
                    duty.cancel()
                await asyncio.gather(*duties, return_exceptions=True)
                await ingestion.stop()
                await worker.drain(settings.drain_seconds)
                await reader.close()


@asynccontextmanager
async def _code_interpreter(ports: Ports) -> AsyncIterator[HostedTool]:
    """Hold the tool, with a runner of our own or with others'; where there is none, it refuses."""
    settings = ports.settings
    if settings.sandbox == "off":
        yield Refused("code_interpreter", "The code interpreter is off on this server.")
    elif settings.sandbox == "remote":
        async with _with_runners(ports, sandbox_of(settings)) as tool:
            yield tool
    elif not is_installed(settings.kernels_folder):
        refusal = Refusal("environment", errno.ENOENT, str(settings.kernels_folder))
        yield Refused("code_interpreter", unavailable(refusal))
    elif (trouble := _socket_trouble(settings)) is not None:
        yield Refused("code_interpreter", unavailable(trouble))
    else:
        options = settings.sandbox_options
        async with (
            own_runner(settings.data_dir, settings.kernels_folder.absolute(), options) as sandbox,
            _with_runners(ports, sandbox) as tool,
        ):
            yield tool


def _socket_trouble(settings: Settings) -> Refusal | None:
    """Return why our own runner cannot listen; a server without it is still a server."""
    try:
        make_socket_folder(settings.data_dir)
    except OSError as error:
        log.warning("sandbox_cannot_listen", reason=str(error))
        return Refusal("socket", error.errno or 0)
    return None


@asynccontextmanager
async def _with_runners(ports: Ports, sandbox: Sandbox) -> AsyncIterator[CodeInterpreter]:
    tool = CodeInterpreter(sandbox, ports.storage, ports.files, ports.clock, ports.settings)
    following = _started(tool.deletions.follow_for_ever(), "deletions in the sandbox")
    try:
        yield tool
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def _reading_limits(settings: Settings) -> ReadingLimits:
    return ReadingLimits(
        seconds_max=settings.reading_seconds_max,
        memory_bytes_max=settings.reading_bytes_max,
        tokens_max=settings.file_tokens_max,
    )


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
