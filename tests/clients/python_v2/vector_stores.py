"""Every method of vector stores, their files and batches (VS-01 to VS-11, VS-13, UPL-02, SDK-12)."""

from common import each, expect, got, play, refusal_of
from documents import GUEST, MENU, PICTURE, PRICES, hours
from openai import NotFoundError

DAY = 86400
OFTEN = {"poll_interval_ms": 20}
SIZES = {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}


def counted(counted_files):
    return {name: number for name, number in counted_files.model_dump().items() if number}


async def uploaded(client, file):
    return (await got(client.files.create(file=file, purpose="assistants"))).id


async def stores_themselves(client):
    vector_stores = client.vector_stores
    monthly = {"anchor": "last_active_at", "days": 30}
    made = await got(vector_stores.create(name="Meals", expires_after=monthly, metadata={"a": "1"}))
    shown = (made.object, made.name, made.status, made.usage_bytes, made.metadata)
    expect("new (VS-01)", shown, ("vector_store", "Meals", "completed", 0, {"a": "1"}))
    expect("expiry (VS-03)", made.expires_at - made.last_active_at, 30 * DAY)
    expect("no files (VS-02)", counted(made.file_counts), {})
    expect("retrieved", await got(vector_stores.retrieve(made.id)), made)

    changed = await got(vector_stores.update(made.id, name="Soups", metadata={"b": "2"}))
    expect("changed", (changed.name, changed.metadata), ("Soups", {"b": "2"}))
    kept = await got(vector_stores.update(made.id, expires_after=None))
    expect("kept for ever (VS-03)", (kept.name, kept.expires_at), ("Soups", None))

    more = [(await got(vector_stores.create())).id for _ in range(4)]
    listed = [one.id for one in await each(vector_stores.list(limit=2))]
    expect("five over three pages (LIST-02)", listed[:5], [*more[::-1], made.id])

    gone = await got(vector_stores.delete(made.id))
    shown = (gone.id, gone.object, gone.deleted)
    expect("deleted (VS-10)", shown, (made.id, "vector_store.deleted", True))
    await refusal_of(NotFoundError, vector_stores.retrieve, made.id)


async def one_by_one(client, store):
    vector_stores = client.vector_stores
    file_id = await uploaded(client, MENU)
    inside = {"vector_store_id": store.id}
    made = await got(
        vector_stores.files.create(
            file_id=file_id,
            attributes={"course": "first", "price": 7.5, "warm": True},
            chunking_strategy={"type": "static", "static": SIZES},
            **inside,
        )
    )
    shown = (made.id, made.object, made.status, made.usage_bytes)
    expect("added (VS-06)", shown, (file_id, "vector_store.file", "in_progress", 0))
    expect("chunks (VS-07)", made.chunking_strategy.static.model_dump(), SIZES)

    done = await got(vector_stores.files.poll(file_id, **inside, **OFTEN))
    shown = (done.status, done.last_error, done.usage_bytes > 0)
    expect("read (VS-06)", shown, ("completed", None, True))
    expect("retrieved", await got(vector_stores.files.retrieve(file_id, **inside)), done)
    [text] = await each(vector_stores.files.content(file_id, **inside))
    expect("type (VS-13)", text.type, "text")
    expect("text (VS-13)", "The soup of the day is" in text.text, True)

    attributes = {"course": "second"}
    changed = await got(vector_stores.files.update(file_id, attributes=attributes, **inside))
    expect("replaced (VS-11)", changed.attributes, attributes)

    gone = await got(vector_stores.files.delete(file_id, **inside))
    shown = (gone.id, gone.object, gone.deleted)
    expect("removed (VS-10)", shown, (file_id, "vector_store.file.deleted", True))
    await refusal_of(NotFoundError, vector_stores.files.retrieve, file_id, **inside)
    expect("the file stays (VS-10)", (await got(client.files.retrieve(file_id))).id, file_id)


async def with_helpers(client, store):
    vector_stores = client.vector_stores
    inside = {"vector_store_id": store.id}
    file_id = await uploaded(client, MENU)
    one = await got(vector_stores.files.create_and_poll(file_id, **inside, **OFTEN))
    expect("created and polled (SDK-12)", (one.id, one.status), (file_id, "completed"))
    chunking = one.chunking_strategy
    expect("auto (VS-06)", (chunking.type, chunking.static.max_chunk_size_tokens), ("static", 800))

    # Here the pace is the server's `openai-poll-after-ms` (GEN-10).
    two = await got(vector_stores.files.upload_and_poll(file=PRICES, **inside))
    expect("uploaded and polled (SDK-12)", two.status, "completed")
    added = await got(vector_stores.files.upload(file=PICTURE, **inside))
    failed = await got(vector_stores.files.poll(added.id, **inside, **OFTEN))
    expect("failed alone (VS-08)", failed.status, "failed")
    shown = (failed.last_error.code, failed.last_error.message)
    expect("why (VS-08)", shown, ("unsupported_file", "The file type is not supported."))

    listed = await each(vector_stores.files.list(**inside, limit=2, order="asc"))
    expect("three over two pages", [f.id for f in listed], [one.id, two.id, added.id])
    listed = await each(vector_stores.files.list(**inside, filter="failed"))
    expect("filter (LIST-09)", [f.id for f in listed], [added.id])
    now = await got(vector_stores.retrieve(store.id))
    expect("counts (VS-01)", counted(now.file_counts), {"completed": 2, "failed": 1, "total": 3})
    expect("the store is well (VS-02)", now.status, "completed")
    expect("usage", now.usage_bytes, one.usage_bytes + two.usage_bytes)


async def from_parts(client, store):
    """A file that was uploaded in parts is read like others (UPL-02, VS-06)."""
    name, content = MENU
    upload = await got(
        client.uploads.upload_file_chunked(
            file=content,
            filename=name,
            bytes=len(content),
            mime_type="text/markdown",
            purpose="assistants",
            part_size=20,
        )
    )
    inside = {"vector_store_id": store.id}
    files = client.vector_stores.files
    added = await got(files.create_and_poll(upload.file.id, **inside, **OFTEN))
    expect("read", added.status, "completed")
    [text] = await each(files.content(upload.file.id, **inside))
    expect("whole", "pumpkin" in text.text, True)


async def batches(client, store):
    vector_stores = client.vector_stores
    inside = {"vector_store_id": store.id}
    file_ids = [await uploaded(client, file) for file in (MENU, PRICES, PICTURE)]
    made = await got(vector_stores.file_batches.create(file_ids=file_ids, **inside))
    shown = (made.object, made.vector_store_id, made.file_counts.total)
    expect("a batch (VS-09)", shown, ("vector_store.file_batch", store.id, 3))
    done = await got(vector_stores.file_batches.poll(made.id, **inside, **OFTEN))
    shown = (done.status, counted(done.file_counts))
    expect("done (VS-09)", shown, ("completed", {"completed": 2, "failed": 1, "total": 3}))
    expect("retrieved", await got(vector_stores.file_batches.retrieve(made.id, **inside)), done)
    late = await got(vector_stores.file_batches.cancel(made.id, **inside))
    expect("cancelled too late (VS-09)", late, done)
    pages = vector_stores.file_batches.list_files(made.id, **inside, limit=2, order="asc")
    expect("its files", [f.id for f in await each(pages)], file_ids)
    pages = vector_stores.file_batches.list_files(made.id, **inside, filter="failed")
    expect("its failed files (LIST-09)", [f.id for f in await each(pages)], file_ids[2:])

    again = await got(
        vector_stores.file_batches.create_and_poll(
            file_ids=[await uploaded(client, GUEST)], **inside, **OFTEN
        )
    )
    expect("created and polled (SDK-12)", counted(again.file_counts), {"completed": 1, "total": 1})
    more = await got(
        vector_stores.file_batches.upload_and_poll(
            files=[hours(), MENU],
            file_ids=[await uploaded(client, PRICES)],
            **inside,
        )
    )
    shown = (more.status, counted(more.file_counts))
    expect("uploaded and polled (SDK-12)", shown, ("completed", {"completed": 3, "total": 3}))
    now = await got(vector_stores.retrieve(store.id))
    expect("counts (VS-01)", counted(now.file_counts), {"completed": 6, "failed": 1, "total": 7})


async def scenario(client):
    await stores_themselves(client)
    await one_by_one(client, await got(client.vector_stores.create()))
    await with_helpers(client, await got(client.vector_stores.create()))
    await from_parts(client, await got(client.vector_stores.create()))
    await batches(client, await got(client.vector_stores.create()))


play(scenario)
