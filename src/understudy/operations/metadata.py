"""Changing nothing but the metadata of an object, which a worker may be writing meanwhile."""

from collections.abc import Awaitable, Callable

from msgspec import UNSET
from msgspec.structs import replace

from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import change
from understudy.storage.changes import Replace
from understudy.storage.records import Kind, Row
from understudy.wire.encoding import encode
from understudy.wire.objects.messages import Message
from understudy.wire.objects.runs import Run
from understudy.wire.params.metadata import MetadataChange


async def change_metadata(
    ports: Ports,
    caller: Caller,
    kind: Kind,
    read: Callable[[], Awaitable[Row]],
    decode: Callable[[bytes], Message | Run],
    changes: MetadataChange,
) -> Row:
    """Replace the metadata as a whole; without any, return the object as it is."""
    if changes.metadata is UNSET:
        return await read()
    metadata = changes.metadata

    def decide(row: Row) -> Replace:
        return Replace(
            kind=kind,
            project_id=caller.project_id,
            id=row.id,
            read=row,
            body=encode(replace(decode(row.body), metadata=metadata)),
            file_ids=row.file_ids,
            metadata=encode(metadata),
        )

    return await change(ports, caller, read, decide)
