"""Threads over HTTP."""

import re

from understudy.api.ask import Ask, Reply
from understudy.api.paging import asked_part
from understudy.api.views import show, show_deleted, show_page
from understudy.operations import threads
from understudy.wire.params import threads as params
from understudy.wire.violations import too_many_properties

PAIRS_MAX = 16
_METADATA = re.compile(r"metadata\[(.+)\]")


async def create(ask: Ask) -> Reply:
    """Create a thread."""
    new = params.parse_create(ask.body, ask.era)
    return show("thread", await threads.create(ask.ports, ask.caller, new), ask.era)


async def retrieve(ask: Ask) -> Reply:
    """Retrieve a thread."""
    row = await threads.get(ask.ports, ask.caller, ask.id("thread_id"))
    return show("thread", row, ask.era)


async def list_(ask: Ask) -> Reply:
    """List threads, those with ``metadata[key]=value`` if asked: an extension of ours."""
    matches = ((_METADATA.fullmatch(key), value) for key, value in ask.query)
    metadata = {match[1]: value for match, value in matches if match}
    if len(metadata) > PAIRS_MAX:
        raise too_many_properties("metadata", PAIRS_MAX, len(metadata))
    rows = await threads.list_page(ask.ports, ask.caller, asked_part(ask), metadata)
    return show_page("thread", rows, ask.era)


async def modify(ask: Ask) -> Reply:
    """Modify a thread."""
    thread_id = ask.id("thread_id")
    changes = params.parse_modify(ask.body, ask.era)
    return show("thread", await threads.modify(ask.ports, ask.caller, thread_id, changes), ask.era)


async def delete(ask: Ask) -> Reply:
    """Delete a thread."""
    thread_id = ask.id("thread_id")
    await threads.delete(ask.ports, ask.caller, thread_id)
    return show_deleted(thread_id, "thread.deleted")
