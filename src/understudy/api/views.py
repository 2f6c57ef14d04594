"""Shows stored objects in the era of the request: v2 almost as they are stored, v1 translated."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from understudy.api.ask import Reply
from understudy.storage.records import AnswerKind, Kind, Row, Rows
from understudy.wire import v1, v2
from understudy.wire.encoding import (
    decode_assistant,
    decode_message,
    decode_run,
    decode_step,
    decode_thread,
    encode,
)
from understudy.wire.era import Era
from understudy.wire.objects.deletions import Deleted

_V1: dict[AnswerKind, Callable[[Row], Any]] = {
    "assistant": lambda row: v1.assistant(decode_assistant(row.body), row.file_ids),
    "thread": lambda row: v1.thread(decode_thread(row.body)),
    "message": lambda row: v1.message(decode_message(row.body), row.file_ids),
    "run": lambda row: v1.run(decode_run(row.body), row.file_ids),
    "run_step": lambda row: v1.step(decode_step(row.body)),
}


def view(kind: AnswerKind, row: Row, era: Era, *, with_content: bool = False) -> bytes:
    """Return the object as the era knows it. Files look the same in both.

    ``with_content`` shows the passages that searches have found (STEP-08).
    """
    if kind in _V1 and era == "v1":
        return encode(_V1[kind](row))
    if kind == "message":
        return v2.message_body(row.body)
    if kind == "run_step":
        return v2.step_body(row.body, with_content=with_content)
    return row.body


def show(
    kind: AnswerKind,
    row: Row,
    era: Era,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    *,
    with_content: bool = False,
) -> Reply:
    """Answer with one object."""
    return Reply(body=view(kind, row, era, with_content=with_content), headers=headers)


def show_page(kind: Kind, rows: Rows, era: Era, *, with_content: bool = False) -> Reply:
    """Answer with a list, joined from the encoded objects (LIST-01)."""
    bodies = [view(kind, row, era, with_content=with_content) for row in rows.rows]
    return joined(bodies, [row.id for row in rows.rows], has_more=rows.has_more)


def joined(bodies: Sequence[bytes], ids: Sequence[str], *, has_more: bool) -> Reply:
    """Answer with a list of encoded objects."""
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    tail = b'],"first_id":%b,"last_id":%b,"has_more":%b}' % (
        encode(first),
        encode(last),
        b"true" if has_more else b"false",
    )
    return Reply(body=b'{"object":"list","data":[' + b",".join(bodies) + tail)


def show_struct(value: msgspec.Struct, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    """Answer with an object that is not stored."""
    return Reply(body=encode(value), headers=headers)


def show_deleted(object_id: str, noun: str) -> Reply:
    """Answer that an object is gone."""
    return show_struct(Deleted(id=object_id, object=noun))
