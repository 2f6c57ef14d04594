"""Batches of files in vector stores over HTTP."""

from understudy.api.ask import Ask, Reply
from understudy.api.polling import poll_after
from understudy.api.vector_store_files import asked_files, show_files
from understudy.api.views import show_struct
from understudy.operations import vector_store_batches
from understudy.wire.params.vector_store_files import parse_batch


async def create(ask: Ask) -> Reply:
    """Add files to a vector store together."""
    store_id = ask.id("vector_store_id")
    files = parse_batch(ask.body)
    return show_struct(await vector_store_batches.create(ask.ports, ask.caller, store_id, files))


async def retrieve(ask: Ask) -> Reply:
    """Retrieve a batch."""
    store_id, batch_id = ask.id("vector_store_id"), ask.id("batch_id")
    batch = await vector_store_batches.get(ask.ports, ask.caller, store_id, batch_id)
    return show_struct(batch, (poll_after(ask, batch.created_at),))


async def cancel(ask: Ask) -> Reply:
    """Cancel what is in progress of a batch."""
    store_id, batch_id = ask.id("vector_store_id"), ask.id("batch_id")
    return show_struct(await vector_store_batches.cancel(ask.ports, ask.caller, store_id, batch_id))


async def list_files(ask: Ask) -> Reply:
    """List the files of a batch."""
    store_id, batch_id = ask.id("vector_store_id"), ask.id("batch_id")
    await vector_store_batches.get(ask.ports, ask.caller, store_id, batch_id)
    return show_files(await asked_files(ask, store_id, batch_id))
