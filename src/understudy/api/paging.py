"""From the query string to the part of a list."""

from understudy.api.ask import Ask
from understudy.storage.records import Slice
from understudy.wire.params.pages import Page, parse_page


def part_of(page: Page) -> Slice:
    """Return what storage is asked for."""
    return Slice(limit=page.limit, order=page.order, after=page.after, before=page.before)


def asked_part(ask: Ask) -> Slice:
    """Return the part of the list that the request asks for (LIST-02)."""
    return part_of(parse_page(ask.query, ask.era))
