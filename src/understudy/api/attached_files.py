"""Pages of the few files that a v1 assistant or message holds (ASST-10, MSG-10)."""

from collections.abc import Sequence

from understudy.api.ask import Reply
from understudy.api.views import joined
from understudy.errors import NotFound
from understudy.storage.records import Slice
from understudy.wire.encoding import encode
from understudy.wire.v1 import AssistantFile, MessageFile


def file_page(files: Sequence[AssistantFile | MessageFile], part: Slice, noun: str) -> Reply:
    """Answer with a part of the files, which are in the order in which they were attached."""
    ordered = [*files] if part.order == "asc" else [*reversed(files)]
    ids = [file.id for file in ordered]
    start = _place(ids, part.after, noun) + 1 if part.after else 0
    end = _place(ids, part.before, noun) if part.before else len(ids)
    found = ordered[start:end]
    backwards = part.before is not None and part.after is None
    shown = found[-part.limit :] if backwards else found[: part.limit]
    bodies = [encode(file) for file in shown]
    return joined(bodies, [file.id for file in shown], has_more=len(found) > len(shown))


def _place(ids: Sequence[str], cursor: str, noun: str) -> int:
    if cursor not in ids:
        raise NotFound(f"No {noun} found with id '{cursor}'.")
    return ids.index(cursor)
