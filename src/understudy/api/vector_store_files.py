"""The files of vector stores over HTTP."""

from understudy.api.ask import Ask, Reply
from understudy.api.paging import part_of
from understudy.api.polling import poll_after
from understudy.api.views import joined, show_deleted, show_struct
from understudy.operations import vector_store_content, vector_store_files
from understudy.operations.vector_store_files import StoreFiles
from understudy.storage.records import EntryScope
from understudy.wire.encoding import encode
from understudy.wire.params import vector_store_files as params
from understudy.wire.params.pages import parse_ordinal, parse_page, parse_store_files_page


async def create(ask: Ask) -> Reply:
    """Add a file to a vector store."""
    store_id = ask.id("vector_store_id")
    new = params.parse_add(ask.body)
    return show_struct(await vector_store_files.create(ask.ports, ask.caller, store_id, new))


async def retrieve(ask: Ask) -> Reply:
    """Retrieve a file of a vector store."""
    store_id, file_id = ask.id("vector_store_id"), ask.text("file_id")
    file = await vector_store_files.get(ask.ports, ask.caller, store_id, file_id)
    return show_struct(file, (poll_after(ask, file.created_at),))


async def list_(ask: Ask) -> Reply:
    """List the files of a vector store."""
    store_id = ask.id("vector_store_id")
    return show_files(await asked_files(ask, store_id))


async def asked_files(ask: Ask, store_id: str, batch_id: str | None = None) -> StoreFiles:
    """Return the files that the request asks for (LIST-09)."""
    page = parse_store_files_page(ask.query, ask.era)
    scope = EntryScope(
        project_id=ask.caller.project_id,
        store_id=store_id,
        batch_id=batch_id,
        status=page.status,
    )
    return await vector_store_files.list_page(ask.ports, ask.caller, scope, part_of(page))


def show_files(files: StoreFiles) -> Reply:
    """Answer with a list of files."""
    bodies, ids = [encode(one) for one in files.files], [one.id for one in files.files]
    return joined(bodies, ids, has_more=files.has_more)


async def modify(ask: Ask) -> Reply:
    """Replace the attributes of a file."""
    store_id, file_id = ask.id("vector_store_id"), ask.text("file_id")
    attributes = params.parse_attributes(ask.body)
    return show_struct(
        await vector_store_files.change_attributes(
            ask.ports, ask.caller, store_id, file_id, attributes
        )
    )


async def delete(ask: Ask) -> Reply:
    """Take a file out of a vector store."""
    store_id, file_id = ask.id("vector_store_id"), ask.text("file_id")
    await vector_store_files.delete(ask.ports, ask.caller, store_id, file_id)
    return show_deleted(file_id, "vector_store.file.deleted")


async def content(ask: Ask) -> Reply:
    """Read the parsed text of a file, page by page (VS-13)."""
    store_id, file_id = ask.id("vector_store_id"), ask.text("file_id")
    first = parse_ordinal("page", ask.first("page"), default=0)
    return show_struct(
        await vector_store_content.text_page(ask.ports, ask.caller, store_id, file_id, first)
    )


async def chunks(ask: Ask) -> Reply:
    """List the chunks of a file and where they stand in it (an extension)."""
    store_id, file_id = ask.id("vector_store_id"), ask.text("file_id")
    limit = parse_page(ask.query, ask.era).limit
    after = parse_ordinal("after", ask.first("after"), default=-1)
    page = await vector_store_content.chunks_page(
        ask.ports, ask.caller, store_id, file_id, after, limit
    )
    bodies, ids = [encode(one) for one in page.chunks], [str(one.index) for one in page.chunks]
    return joined(bodies, ids, has_more=page.has_more)
