"""Vector stores over HTTP; they look the same in both eras (GEN-15)."""

from understudy.api.ask import Ask, Reply
from understudy.api.paging import asked_part
from understudy.api.polling import poll_after
from understudy.api.views import joined, show_deleted, show_struct
from understudy.operations import vector_store_search, vector_stores
from understudy.wire.encoding import encode
from understudy.wire.params import vector_stores as params
from understudy.wire.params.vector_store_search import parse_search


async def create(ask: Ask) -> Reply:
    """Create a vector store."""
    new = params.parse_create(ask.body)
    return show_struct(await vector_stores.create(ask.ports, ask.caller, new))


async def retrieve(ask: Ask) -> Reply:
    """Retrieve a vector store."""
    store = await vector_stores.get(ask.ports, ask.caller, ask.id("vector_store_id"))
    return show_struct(store, (poll_after(ask, store.last_active_at),))


async def list_(ask: Ask) -> Reply:
    """List vector stores."""
    page = await vector_stores.list_page(ask.ports, ask.caller, asked_part(ask))
    bodies, ids = [encode(one) for one in page.stores], [one.id for one in page.stores]
    return joined(bodies, ids, has_more=page.has_more)


async def modify(ask: Ask) -> Reply:
    """Modify a vector store."""
    store_id = ask.id("vector_store_id")
    changes = params.parse_modify(ask.body)
    return show_struct(await vector_stores.modify(ask.ports, ask.caller, store_id, changes))


async def delete(ask: Ask) -> Reply:
    """Delete a vector store."""
    store_id = ask.id("vector_store_id")
    await vector_stores.delete(ask.ports, ask.caller, store_id)
    return show_deleted(store_id, "vector_store.deleted")


async def search(ask: Ask) -> Reply:
    """Search a vector store (VS-12)."""
    store_id = ask.id("vector_store_id")
    asked = parse_search(ask.body)
    return show_struct(await vector_store_search.search(ask.ports, ask.caller, store_id, asked))
