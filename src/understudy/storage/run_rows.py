"""Rows of runs and what is made of them, in every database."""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from understudy.runs.state import RunState
from understudy.storage.changes import Insert
from understudy.storage.columns import unpack
from understudy.storage.records import RunRecord
from understudy.wire.encoding import decode_message, decode_run, decode_usage, encode
from understudy.wire.objects.messages import Message
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import RunStep

# Reading and decoding more than this would hold up everything else on the event loop.
LONG_THREAD_MESSAGES = 300

RECORD_COLUMNS = (
    "project_id, attempt, position, deadline, lease_until, turn, pending_usage, body, file_ids"
)
Carrier = TypeVar("Carrier", bound=Run | Message)

_decode_metadata = msgspec.json.Decoder(dict[str, str]).decode
_decode_inserts = msgspec.json.Decoder(tuple[Insert, ...]).decode


def as_record(
    row: Iterable[Any], steps: tuple[RunStep, ...], messages: Iterable[Message]
) -> RunRecord:
    """Return the run that the columns describe; ``messages`` are those that it has written."""
    project_id, attempt, position, deadline, lease_until, turn, usage, body, file_ids = row
    state = RunState(
        run=decode_run(body),
        attempt=attempt,
        position=position,
        deadline=deadline,
        steps=steps,
        pending_usage=decode_usage(usage) if usage else None,
        open_message=next((one for one in messages if one.status == "in_progress"), None),
    )
    return RunRecord(
        project_id=project_id,
        state=state,
        file_ids=unpack(file_ids),
        lease_until=lease_until,
        has_turn=turn != "waiting",
    )


def with_metadata(written: Carrier, metadata: bytes) -> Carrier:
    """Return what a worker wrote, with the metadata that a client changed meanwhile."""
    return msgspec.structs.replace(written, metadata=_decode_metadata(metadata))


def waiting_messages(column: bytes | None) -> tuple[Insert, ...]:
    """Return the messages that a run brings when it gets its turn."""
    return _decode_inserts(column or b"[]")


def moved_behind(waiting: Insert, last_spoken_at: int) -> Insert:
    """Date a message that has waited not before the answers that it waited for."""
    if waiting.created_at >= last_spoken_at:
        return waiting
    message = msgspec.structs.replace(
        decode_message(waiting.body), created_at=last_spoken_at, completed_at=last_spoken_at
    )
    return msgspec.structs.replace(waiting, created_at=last_spoken_at, body=encode(message))
