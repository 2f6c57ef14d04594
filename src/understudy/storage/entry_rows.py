"""Rows of files in vector stores and what is made of them, in every database."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from understudy.storage.records import StoredEntry, Tally
from understudy.wire.objects.vector_stores import Attributes, FileCounts, StoreFileError

COLUMNS = (
    "sequence, project_id, store_id, id, filename, created_at, status, size_tokens, "
    "overlap_tokens, attributes, usage_bytes, error_code, error_message, attempt, "
    "removed_at IS NOT NULL"
)
_decode_attributes = msgspec.json.Decoder(Attributes).decode


def as_entry(row: Sequence[Any]) -> StoredEntry:
    """Return the file of a store that these columns describe."""
    filename = row[4]
    return StoredEntry(
        entry=row[0],
        project_id=row[1],
        store_id=row[2],
        file_id=row[3],
        filename=filename.decode() if isinstance(filename, bytes) else filename,
        created_at=row[5],
        status=row[6],
        size_tokens=row[7],
        overlap_tokens=row[8],
        attributes=_decode_attributes(row[9]),
        usage_bytes=row[10],
        error=StoreFileError(row[11], row[12]) if row[11] else None,
        attempt=row[13],
        removed=bool(row[14]),
    )


def counts_of(by_status: Mapping[str, int]) -> FileCounts:
    """Return how many files there are in each status, and in all."""
    return FileCounts(**by_status, total=sum(by_status.values()))


def tallies_of(rows: Iterable[Sequence[Any]]) -> dict[str, Tally]:
    """Return the tally of each store from rows of (store id, status, count, usage)."""
    counted: dict[str, dict[str, int]] = defaultdict(dict)
    usage: dict[str, int] = defaultdict(int)
    for store_id, status, count, usage_bytes in rows:
        counted[store_id][status] = count
        usage[store_id] += usage_bytes
    return {
        store_id: Tally(counts=counts_of(counts), usage_bytes=usage[store_id])
        for store_id, counts in counted.items()
    }
