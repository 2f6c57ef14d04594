"""Opens everything that operations work with: embedded, or on the servers of a cluster.

What only a cluster needs is imported when there is one: an embedded server starts sooner without.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from understudy.app.models import open_embedder, open_models, open_reranker
from understudy.clock import SystemClock
from understudy.dispatch.base import Dispatch
from understudy.dispatch.in_process import InProcessDispatch
from understudy.errors import Misconfigured
from understudy.files.opening import files_from
from understudy.operations.ports import Ports
from understudy.retrieval.searching import Searching
from understudy.settings import Settings
from understudy.storage.base import Storage
from understudy.storage.chunks import ChunkIndex
from understudy.storage.sqlite.chunk_index import SqliteChunkIndex
from understudy.storage.sqlite.store import SqliteStorage


async def open_storage(settings: Settings) -> Storage:
    """Open the database; an embedded one is made with its folder. Raises Misconfigured."""
    if settings.database_url is not None:
        from understudy.storage.postgres.store import PostgresStorage  # noqa: PLC0415

        return await PostgresStorage.open(settings.database_url.get_secret_value())
    make_data_folder(settings)
    return SqliteStorage(settings.database_path, settings.sqlite_synchronous)


class Migrated(Struct, frozen=True):
    """What was applied to a database, and what it lacks that it could do without."""

    applied: Sequence[str] = ()
    lacking: str | None = None


async def migrate_storage(settings: Settings) -> Migrated:
    """Bring the database up to date. Raises Misconfigured."""
    if settings.database_url is not None:
        from understudy.storage.postgres import chunk_vectors, migrating  # noqa: PLC0415

        url = settings.database_url.get_secret_value()
        return Migrated(await migrating.migrate(url), await chunk_vectors.set_up(url))
    await (await open_storage(settings)).close()  # an embedded database is migrated when opened
    return Migrated()


async def open_chunks(settings: Settings) -> ChunkIndex:
    """Open the index of passages. Raises Misconfigured."""
    if settings.database_url is not None:
        from understudy.storage.postgres.chunk_index import PostgresChunkIndex  # noqa: PLC0415

        return await PostgresChunkIndex.open(settings.database_url.get_secret_value())
    return SqliteChunkIndex(
        settings.indexes_folder, vector_cache_bytes_max=settings.vector_cache_bytes_max
    )


async def open_dispatch(settings: Settings) -> Dispatch:
    """Open the way from those who take requests to those who work. Raises Misconfigured."""
    if settings.nats_url is not None:
        from understudy.dispatch.nats import Keeping, NatsDispatch  # noqa: PLC0415

        return await NatsDispatch.open(
            settings.nats_url.get_secret_value(),
            settings.nats_credentials,
            prefix=settings.nats_prefix,
            keeping=Keeping(
                events_seconds=settings.events_keep_seconds,
                events_bytes_max=settings.events_bytes_max,
                replicas=settings.nats_replicas,
            ),
        )
    return InProcessDispatch(has_worker=settings.worker, is_alone=not settings.is_shared)


def make_data_folder(settings: Settings) -> None:
    """Make the folder of this process unless it is there. Raises Misconfigured."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"The data folder {settings.data_dir} cannot be made: {error.strerror}. "
            "Choose another one with --data-dir."
        ) from error


@asynccontextmanager
async def opened_ports(settings: Settings) -> AsyncIterator[Ports]:
    """Open everything, and close it in the opposite order. Raises Misconfigured."""
    async with AsyncExitStack() as closing:
        storage = await open_storage(settings)
        closing.push_async_callback(storage.close)
        chunks = await open_chunks(settings)
        closing.push_async_callback(chunks.close)
        dispatch = await open_dispatch(settings)
        closing.push_async_callback(dispatch.close)
        embedder = open_embedder(settings)
        searching = Searching(storage, chunks, embedder, open_reranker(settings))
        closing.push_async_callback(searching.close)
        models = open_models(settings)
        closing.push_async_callback(models.close)
        yield Ports(
            storage=storage,
            chunks=chunks,
            embedder=embedder,
            searching=searching,
            dispatch=dispatch,
            files=files_from(settings.files_location),
            models=models,
            clock=SystemClock(),
            settings=settings,
        )
