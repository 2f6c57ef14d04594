"""Query strings: pages of lists, and what to include (LIST-02, LIST-09, LIST-11, GEN-12)."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, cast

from msgspec import Struct

from understudy.wire.era import Era
from understudy.wire.objects.vector_stores import StoreFileStatus
from understudy.wire.params.path_ids import check_id
from understudy.wire.violations import above_maximum, below_minimum, unsupported, wrong_type

Query = Sequence[tuple[str, str]]
Order = Literal["asc", "desc"]

SEARCH_CONTENT = "step_details.tool_calls[*].file_search.results[*].content"

STORE_FILE_FILTERS: tuple[StoreFileStatus, ...] = (
    "in_progress",
    "completed",
    "failed",
    "cancelled",
)

# More digits than any limit has; int() refuses endless ones with an error of its own.
_INTEGER = re.compile(r"-?[0-9]{1,100}")
_ORDINAL_MAX = 999_999_999


class Page(Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for."""

    limit: int = 20
    order: Order = "desc"
    after: str | None = None
    before: str | None = None


class MessagePage(Page, frozen=True, kw_only=True):
    """Which part of a list of messages is asked for, perhaps only those of one run (LIST-09)."""

    run_id: str | None = None


class StoreFilesPage(Page, frozen=True, kw_only=True):
    """Which part of the files of a vector store is asked for, perhaps those in one status."""

    status: StoreFileStatus | None = None


class FilesPage(Struct, frozen=True, kw_only=True):
    """Which part of the list of files is asked for (LIST-11)."""

    limit: int = 10_000
    order: Order = "desc"
    after: str | None = None
    purpose: str | None = None


def parse_page(query: Query, era: Era) -> Page:  # noqa: ARG001 - one signature for every list
    """Read the page of a list; parameters that nobody knows are ignored."""
    given = dict(query)
    return Page(
        limit=_limit(given.get("limit"), default=20, maximum=100),
        order=_order(given.get("order")),
        after=given.get("after") or None,
        before=given.get("before") or None,
    )


def parse_message_page(query: Query, era: Era) -> MessagePage:
    """Read the page of a list of messages."""
    page = parse_page(query, era)
    run_id = dict(query).get("run_id") or None
    if run_id is not None:
        check_id("run_id", run_id, era)
    return MessagePage(
        limit=page.limit, order=page.order, after=page.after, before=page.before, run_id=run_id
    )


def parse_store_files_page(query: Query, era: Era) -> StoreFilesPage:
    """Read the page of a list of files in a vector store, with its ``filter`` (LIST-09)."""
    page = parse_page(query, era)
    status = dict(query).get("filter") or None
    if status is not None and status not in STORE_FILE_FILTERS:
        raise unsupported("filter", status, STORE_FILE_FILTERS)
    return StoreFilesPage(
        limit=page.limit,
        order=page.order,
        after=page.after,
        before=page.before,
        status=status,
    )


def parse_ordinal(name: str, text: str | None, *, default: int) -> int:
    """Read a place in a file, which is a number from 0."""
    return _integer(name, text, 0, _ORDINAL_MAX) if text else default


def parse_files_page(query: Query) -> FilesPage:
    """Read the page of the list of files, which has no ``before``."""
    given = dict(query)
    return FilesPage(
        limit=_limit(given.get("limit"), default=10_000, maximum=10_000),
        order=_order(given.get("order")),
        after=given.get("after") or None,
        purpose=given.get("purpose") or None,
    )


def parse_include(query: Query) -> frozenset[str]:
    """Return what to include besides, in each spelling that SDKs have used (GEN-12, STEP-13)."""
    included = frozenset(_included(query))
    for each in sorted(included):
        if each != SEARCH_CONTENT:
            raise unsupported("include", each, [SEARCH_CONTENT])
    return included


def _included(query: Query) -> Iterator[str]:
    for name, value in query:
        if name in {"include", "include[]"}:
            yield from filter(None, value.split(","))


def _limit(text: str | None, *, default: int, maximum: int) -> int:
    return default if text is None else _integer("limit", text, 1, maximum)


def _integer(name: str, text: str, minimum: int, maximum: int) -> int:
    if not _INTEGER.fullmatch(text):
        raise wrong_type(name, ["an integer"], "a string")
    number = int(text)
    if number < minimum:
        raise below_minimum(name, minimum, number)
    if number > maximum:
        raise above_maximum(name, maximum, number)
    return number


def _order(text: str | None) -> Order:
    if text is None:
        return "desc"
    if text not in {"asc", "desc"}:
        raise unsupported("order", text, ["asc", "desc"])
    return cast("Order", text)
