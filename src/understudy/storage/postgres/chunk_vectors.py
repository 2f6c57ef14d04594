"""Finding chunks by their vectors, where the server has the extension pgvector.

All vectors of the store are compared, so that what is found is exact, whatever the model and its
length, and whichever entries may be found. An index by nearness (HNSW) would be shared by all
stores, take a millisecond or more for each vector, and find less of small stores among large ones.
"""

import sys
from array import array
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

import asyncpg

from understudy.storage.chunks import IndexedChunk, Vector
from understudy.storage.postgres.chunk_rows import Place
from understudy.storage.postgres.connecting import CONNECT_SECONDS_MAX, Database, unreachable
from understudy.storage.postgres.failures import FOREIGN, described

DIMENSIONS_MAX = 16_000
_FLOAT_BYTES = 4
_TABLES = (files(__package__) / "chunk_vectors.sql").read_text()
_NEEDED = (0, 7)  # halfvec
_ONLY_WORDS = "searches by words only"

_NEAREST = """
SELECT edition, ordinal, distance FROM (
    SELECT space, ordinal, meaning <#> $4::real[]::halfvec AS distance FROM chunk_vectors
    WHERE space = ANY (ARRAY(
        SELECT chunk_spaces.id FROM chunk_editions
        JOIN chunk_spaces ON edition = chunk_editions.id
        WHERE store_id = $1 AND state = 'published' AND model = $2 AND dimensions = $3
        AND ($5::bigint[] IS NULL OR entry IN (SELECT unnest($5::bigint[])))
    ))
    ORDER BY distance, space, ordinal LIMIT $6
) AS near JOIN chunk_spaces ON chunk_spaces.id = space
WHERE distance < 0 ORDER BY distance, edition, ordinal
"""


class Space(NamedTuple):
    """Where vectors can be compared: those of one model and length."""

    model: str
    dimensions: int


def space_of(vector: Vector) -> Space:
    """Return where a vector can be compared."""
    return Space(vector.model, len(vector.packed) // _FLOAT_BYTES)


async def set_up(url: str) -> str | None:
    """Make what vectors need in a migrated database; return why not, as ``lacking`` does.

    Raises Misconfigured when the server cannot be reached.
    """
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS_MAX)
    except (*FOREIGN, ValueError) as error:
        raise unreachable(error) from error
    try:
        return await install(connection)
    finally:
        await connection.close()


async def install(connection: Database) -> str | None:
    """Make what vectors need, if this user may; return why not, as ``lacking`` does."""
    try:
        if await _available_version(connection) >= _NEEDED:
            async with connection.transaction():
                await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
                await connection.execute(_TABLES)
    except FOREIGN as error:
        return (
            f"without pgvector: {_ONLY_WORDS}. It is there but cannot be set up "
            f"({described(error)}); have somebody who may run `CREATE EXTENSION vector` in this "
            "database, and then `understudy migrate`"
        )
    return await lacking(connection)


async def lacking(connection: Database) -> str | None:
    """Return why vectors are neither kept nor searched, with a remedy; None if they are."""
    if await connection.fetchval("SELECT to_regclass('chunk_vectors') IS NOT NULL"):
        return None
    if await _available_version(connection) < _NEEDED:
        return (
            f"without pgvector: {_ONLY_WORDS}. For meaning, too, install pgvector "
            f"{'.'.join(map(str, _NEEDED))} or newer on the PostgreSQL server and run "
            "`understudy migrate`"
        )
    return (
        f"without pgvector: {_ONLY_WORDS}. The server has the extension; run `understudy migrate` "
        "to use it"
    )


async def _available_version(connection: Database) -> tuple[int, ...]:
    """Return the version of pgvector that is or can be created, or an empty one."""
    version: str | None = await connection.fetchval(
        "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions "
        "WHERE name = 'vector'"
    )
    return tuple(int(part) for part in (version or "").split(".") if part.isdecimal())


async def insert(
    connection: Database, edition: int, first_ordinal: int, batch: Sequence[IndexedChunk]
) -> None:
    """Store the vectors of consecutive chunks; some may have none."""
    for space, vectors in _by_space(first_ordinal, batch).items():
        number = await _grown_space(connection, edition, space, len(vectors))
        await connection.executemany(
            "INSERT INTO chunk_vectors (space, ordinal, meaning) "
            "VALUES ($1, $2, $3::real[]::halfvec)",
            [(number, ordinal, _numbers(vector)) for ordinal, vector in vectors],
        )


async def nearest(
    connection: Database,
    store_id: str,
    vector: Vector,
    limit: int,
    entries: Collection[int] | None,
) -> Sequence[tuple[Place, float]]:
    """Return (place, cosine), the best first."""
    found = await connection.fetch(
        _NEAREST,
        store_id,
        *space_of(vector),
        _numbers(vector),
        None if entries is None else list(entries),
        limit,
    )
    return [((row[0], row[1]), min(1.0, -row[2])) for row in found]


async def entries_without(connection: Database, store_id: str, model: str) -> Sequence[int]:
    """Return the entries that have chunks without a vector of the model."""
    found = await connection.fetch(
        "SELECT entry FROM chunk_editions WHERE store_id = $1 AND state = 'published' "
        "AND chunks > (SELECT coalesce(sum(chunk_spaces.chunks), 0) FROM chunk_spaces "
        "WHERE edition = chunk_editions.id AND model = $2) ORDER BY entry",
        store_id,
        model,
    )
    return [row[0] for row in found]


def _by_space(
    first_ordinal: int, batch: Sequence[IndexedChunk]
) -> Mapping[Space, Sequence[tuple[int, Vector]]]:
    """Return (ordinal, vector) of each space."""
    found: dict[Space, list[tuple[int, Vector]]] = defaultdict(list)
    for ordinal, one in enumerate(batch, first_ordinal):
        if one.vector is not None and 0 < space_of(one.vector).dimensions <= DIMENSIONS_MAX:
            found[space_of(one.vector)].append((ordinal, one.vector))
    return found


async def _grown_space(connection: Database, edition: int, space: Space, chunks: int) -> int:
    """Count vectors that are added to a space of an edition; return its number."""
    number: int = await connection.fetchval(
        "INSERT INTO chunk_spaces AS kept (edition, model, dimensions, chunks) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (edition, model, dimensions) "
        "DO UPDATE SET chunks = kept.chunks + excluded.chunks RETURNING id",
        edition,
        *space,
        chunks,
    )
    return number


def _numbers(vector: Vector) -> "array[float]":
    numbers = array("f", vector.packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
