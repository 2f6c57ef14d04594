"""Run steps over HTTP."""

from understudy.api.ask import Ask, Reply
from understudy.api.paging import asked_part
from understudy.api.views import show, show_page
from understudy.operations import run_steps
from understudy.wire.params.pages import SEARCH_CONTENT, parse_include


async def retrieve(ask: Ask) -> Reply:
    """Retrieve a step of a run."""
    thread_id, run_id, step_id = ask.id("thread_id"), ask.id("run_id"), ask.id("step_id")
    with_content = SEARCH_CONTENT in parse_include(ask.query)
    row = await run_steps.get(ask.ports, ask.caller, thread_id, run_id, step_id)
    return show("run_step", row, ask.era, with_content=with_content)


async def list_(ask: Ask) -> Reply:
    """List the steps of a run."""
    thread_id, run_id = ask.id("thread_id"), ask.id("run_id")
    with_content = SEARCH_CONTENT in parse_include(ask.query)
    rows = await run_steps.list_page(ask.ports, ask.caller, thread_id, run_id, asked_part(ask))
    return show_page("run_step", rows, ask.era, with_content=with_content)
