"""Files in vector stores: adding, attributes, text and chunks (contract section 16, VS)."""

import asyncio
from typing import Any

import pytest

from understudy.operations import vector_store_content
from understudy.operations.vector_store_files import FILES_MAX
from understudy.storage.changes import AddEntries, Insert, NewEntry
from understudy.storage.chunks import Chunk

from .client import JSON, Client, Error
from .conftest import Build, House
from .ingested import complete, fail, overlapping
from .puppet import stop_clock

KEYS = [
    "id",
    "object",
    "usage_bytes",
    "created_at",
    "vector_store_id",
    "status",
    "last_error",
    "chunking_strategy",
    "attributes",
]
AUTO = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
UNKNOWN = "file-000000000000000000000000"


@pytest.fixture
async def house(build: Build) -> House:
    """Return a server that leaves files as they are."""
    return await build(worker=False)


@pytest.fixture
async def store(v2: Client) -> JSON:
    """Return an empty store."""
    return await v2.post("/vector_stores")


def files_of(store: JSON) -> str:
    return f"/vector_stores/{store['id']}/files"


async def added(client: Client, store: JSON, name: str = "a.txt", **fields: Any) -> JSON:
    """Upload a file and add it to the store."""
    file_id = (await client.upload(b"x", name))["id"]
    return await client.post(files_of(store), {"file_id": file_id, **fields})


async def ids(client: Client, path: str) -> list[str]:
    return [one["id"] for one in (await client.get(path))["data"]]


@pytest.mark.parametrize("era", [None, "v1", "v2"])
async def test_an_added_file_is_in_progress(house: House, store: JSON, era: Any) -> None:
    """VS-06, ID-04, GEN-15: under the file's own id; auto is echoed as its sizes."""
    client = house.client(era)
    file = await added(client, store, chunking_strategy={"type": "auto"})
    assert list(file) == KEYS
    assert file == {
        "id": file["id"],
        "object": "vector_store.file",
        "usage_bytes": 0,
        "created_at": file["created_at"],
        "vector_store_id": store["id"],
        "status": "in_progress",
        "last_error": None,
        "chunking_strategy": AUTO,
        "attributes": {},
    }
    assert (await client.get(f"/files/{file['id']}"))["id"] == file["id"]
    assert await client.get(f"{files_of(store)}/{file['id']}") == file


async def test_a_file_keeps_what_it_is_given(v2: Client, store: JSON) -> None:
    """VS-06, VS-07, VS-11."""
    strategy = {
        "type": "static",
        "static": {"max_chunk_size_tokens": 4096, "chunk_overlap_tokens": 0},
    }
    attributes = {"name": "é", "year": 2024, "price": 0.5, "sold": True}
    file = await added(v2, store, chunking_strategy=strategy, attributes=attributes)
    assert (file["chunking_strategy"], file["attributes"]) == (strategy, attributes)
    assert await v2.get(f"{files_of(store)}/{file['id']}") == file


async def test_a_completed_file_shows_its_size(house: House, v2: Client, store: JSON) -> None:
    """VS-06."""
    file = await added(v2, store)
    await complete(house, store["id"], file["id"], "Grüße")
    shown = await v2.get(f"{files_of(store)}/{file['id']}")
    assert shown == {**file, "status": "completed", "usage_bytes": len("Grüße".encode())}


async def test_a_failed_file_says_why(house: House, v2: Client, store: JSON) -> None:
    """VS-08."""
    file = await added(v2, store)
    await fail(house, store["id"], file["id"])
    shown = await v2.get(f"{files_of(store)}/{file['id']}")
    error = {"code": "invalid_file", "message": "The file could not be parsed."}
    assert shown == {**file, "status": "failed", "last_error": error}


async def test_an_unknown_file_is_not_added(v2: Client, stranger: Client, store: JSON) -> None:
    """ERR-43, GEN-18."""
    foreign = (await stranger.upload())["id"]
    for file_id in (UNKNOWN, foreign):
        error = await v2.refused("POST", files_of(store), {"file_id": file_id})
        assert error == Error(404, f"Files [{file_id}] were not found")
    assert await v2.listed(files_of(store)) == []
    assert await v2.get(f"/vector_stores/{store['id']}") == store


async def test_what_is_no_id_of_a_file_is_not_looked_for(v2: Client, store: JSON) -> None:
    """ERR-24."""
    text = "Invalid '{}': ''. Expected an ID that begins with 'file'."
    error = await v2.refused("POST", files_of(store), {"file_id": ""})
    assert error == Error(400, text.format("file_id"), param="file_id", code="invalid_value")
    batches = f"/vector_stores/{store['id']}/file_batches"
    name = "files[0].file_id"
    error = await v2.refused("POST", batches, {"files": [{"file_id": ""}]})
    assert error == Error(400, text.format(name), param=name, code="invalid_value")


async def test_a_file_that_is_added_again_is_read_again(
    house: House, v2: Client, store: JSON
) -> None:
    """VS-06: in place of what was there."""
    file = await added(v2, store, attributes={"version": 1})
    await complete(house, store["id"], file["id"], "old")
    again = {"file_id": file["id"], "attributes": {"version": 2}}
    anew = await v2.post(files_of(store), again)
    assert (anew["status"], anew["usage_bytes"]) == ("in_progress", 0)
    assert anew["attributes"] == {"version": 2}
    assert await v2.listed(files_of(store)) == [anew]
    await complete(house, store["id"], file["id"], "newer")
    content = await v2.get(f"{files_of(store)}/{file['id']}/content")
    assert content["data"] == [{"type": "text", "text": "newer"}]


async def test_attributes_are_replaced(v2: Client, store: JSON) -> None:
    """VS-11: as a whole; null clears them."""
    file = await added(v2, store, attributes={"a": 1, "b": 2})
    path = f"{files_of(store)}/{file['id']}"
    for sent, shown in (({"b": "x"}, {"b": "x"}), (None, {}), ({"c": False}, {"c": False})):
        changed = await v2.post(path, {"attributes": sent})
        assert changed == {**file, "attributes": shown}
        assert await v2.get(path) == changed


async def test_files_that_are_added_at_once_all_join(house: House, v2: Client) -> None:
    """VS-03, VS-06: they and a change of the store do not get into each other's way."""
    clock = stop_clock(house)
    store = await v2.post("/vector_stores")
    uploaded = [(await v2.upload())["id"] for _ in range(12)]
    clock.advance(1)
    adding = (v2.post(files_of(store), {"file_id": file_id}) for file_id in uploaded)
    naming = (v2.post(f"/vector_stores/{store['id']}", {"name": name}) for name in ("a", "a", "a"))
    await asyncio.gather(*adding, *naming)
    assert set(await ids(v2, files_of(store))) == {*uploaded}
    shown = await v2.get(f"/vector_stores/{store['id']}")
    assert (shown["name"], shown["last_active_at"]) == ("a", house.ports.now)


async def test_a_removed_file_leaves_the_store_only(v2: Client, store: JSON) -> None:
    """VS-10, ERR-41: the file object stays, and stays in other stores."""
    file = await added(v2, store)
    other = await v2.post("/vector_stores", {"file_ids": [file["id"]]})
    path = f"{files_of(store)}/{file['id']}"
    deleted = await v2.delete(path)
    assert deleted == {"id": file["id"], "object": "vector_store.file.deleted", "deleted": True}
    gone = f"No file found with id '{file['id']}' in vector store '{store['id']}'."
    assert await v2.refused("GET", path) == Error(404, gone)
    assert await v2.refused("DELETE", path) == Error(404, gone)
    assert await v2.refused("POST", path, {"attributes": {}}) == Error(404, gone)
    assert await v2.refused("GET", f"{path}/chunks") == Error(404, gone)
    assert (await v2.get(f"/files/{file['id']}"))["id"] == file["id"]
    assert await ids(v2, files_of(other)) == [file["id"]]


async def test_a_deleted_file_leaves_every_store(v2: Client, store: JSON) -> None:
    """FILE-07."""
    file, kept = await added(v2, store), await added(v2, store)
    other = await v2.post("/vector_stores", {"file_ids": [file["id"]]})
    await v2.delete(f"/files/{file['id']}")
    assert await ids(v2, files_of(store)) == [kept["id"]]
    assert await ids(v2, files_of(other)) == []
    shown = await v2.get(f"/vector_stores/{other['id']}")
    assert (shown["file_counts"]["total"], shown["status"]) == (0, "completed")


async def test_files_are_listed_in_pages(v2: Client, store: JSON) -> None:
    """LIST-01 to LIST-06, LIST-12: whole objects, newest first; cursors are file ids (ID-04)."""
    made = [await added(v2, store, f"{n}.txt") for n in range(4)]
    oldest_first = [one["id"] for one in made]
    assert await v2.listed(files_of(store)) == made[::-1]
    page = await v2.get(f"{files_of(store)}?order=asc&limit=2&after={oldest_first[0]}")
    assert page == {
        "object": "list",
        "data": made[1:3],
        "first_id": oldest_first[1],
        "last_id": oldest_first[2],
        "has_more": True,
    }
    page = await v2.get(f"{files_of(store)}?order=asc&before={oldest_first[2]}&limit=1")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([oldest_first[1]], True)


async def test_files_are_filtered_by_status(house: House, v2: Client, store: JSON) -> None:
    """LIST-09."""
    one, two, three = [(await added(v2, store))["id"] for _ in range(3)]
    await complete(house, store["id"], one)
    await fail(house, store["id"], two)
    path = files_of(store)
    assert await ids(v2, f"{path}?filter=completed") == [one]
    assert await ids(v2, f"{path}?filter=failed") == [two]
    assert await ids(v2, f"{path}?filter=in_progress") == [three]
    assert await ids(v2, f"{path}?filter=cancelled") == []
    assert await ids(v2, f"{path}?filter=") == [three, two, one]
    error = await v2.refused("GET", f"{path}?filter=done")
    assert (error.status, error.param, error.code) == (400, "filter", "invalid_value")


async def test_a_removed_file_is_a_cursor_and_an_unknown_one_is_not(
    v2: Client, store: JSON
) -> None:
    """LIST-08, ERR-41."""
    one, two = [(await added(v2, store))["id"] for _ in range(2)]
    await v2.delete(f"{files_of(store)}/{two}")
    assert await ids(v2, f"{files_of(store)}?after={two}") == [one]
    elsewhere = (await v2.upload())["id"]
    error = await v2.refused("GET", f"{files_of(store)}?after={elsewhere}")
    text = f"No file found with id '{elsewhere}' in vector store '{store['id']}'."
    assert error == Error(404, text)


async def test_a_store_has_a_limit(house: House, v2: Client, store: JSON) -> None:
    """VS-14: what it has already may be read again; nothing of a batch too large is added."""
    one, two = [(await added(v2, store))["id"] for _ in range(2)]
    await fill_up(house, store, FILES_MAX - 2)
    await v2.post(files_of(store), {"file_id": one})
    three = (await v2.upload())["id"]
    text = f"Vector store '{store['id']}' can have at most 10000 files."
    full = Error(400, text, code="vector_store_files_limit_exceeded")
    assert await v2.refused("POST", files_of(store), {"file_id": three}) == full
    batches = f"/vector_stores/{store['id']}/file_batches"
    assert await v2.refused("POST", batches, {"file_ids": [two, three]}) == full
    await v2.delete(f"{files_of(store)}/{one}")
    await v2.post(batches, {"file_ids": [two, three]})
    assert await ids(v2, f"{files_of(store)}?limit=2") == [three, two]


async def fill_up(house: House, store: JSON, count: int) -> None:
    """Write so many files into the store without asking."""
    now, ids = house.ports.now, [f"file-{n}" for n in range(count)]
    project_id = await house.ports.storage.default_project(now)
    files = (
        Insert(
            kind="file",
            project_id=project_id,
            id=file_id,
            created_at=now,
            body=b"{}",
            purpose="assistants",
        )
        for file_id in ids
    )
    order = AddEntries(
        project_id=project_id,
        store_id=store["id"],
        created_at=now,
        entries=tuple(NewEntry(file_id=file_id, filename="a.txt") for file_id in ids),
    )
    await house.ports.storage.write(*files, order)


TEXT = "It was a dark and stormy night — 暗い嵐の夜でした。" * 100


async def pages(client: Client, store: JSON, file_id: str) -> list[str]:
    """Return the text of each page."""
    path = f"{files_of(store)}/{file_id}/content"
    page = await client.get(path)
    texts: list[str] = []
    for _ in range(100):
        assert list(page) == ["object", "data", "has_more", "next_page"]
        assert page["object"] == "vector_store.file_content.page"
        texts.append("".join(part["text"] for part in page["data"]))
        if not page["has_more"]:
            assert page["next_page"] is None
            return texts
        page = await client.get(f"{path}?page={page['next_page']}")
    raise AssertionError("the text has no end")


@pytest.mark.parametrize(("size", "overlap"), [(100, 50), (100, 0), (20, 10), (5, 1), (7_000, 0)])
async def test_the_text_of_a_file_comes_without_overlaps(
    house: House, v2: Client, store: JSON, size: int, overlap: int
) -> None:
    """VS-13: in one page, each place once."""
    file = await added(v2, store)
    await complete(house, store["id"], file["id"], *overlapping(TEXT, size, overlap))
    assert await pages(v2, store, file["id"]) == [TEXT]


@pytest.mark.parametrize(("size", "overlap"), [(100, 50), (100, 0), (20, 10), (5, 1)])
async def test_a_very_long_text_comes_in_pages(
    house: House,
    v2: Client,
    store: JSON,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    overlap: int,
) -> None:
    """An extension of VS-13: each place is on one of them."""
    monkeypatch.setattr(vector_store_content, "TEXT_BYTES_MAX", 1_000)
    file = await added(v2, store)
    await complete(house, store["id"], file["id"], *overlapping(TEXT, size, overlap))
    texts = await pages(v2, store, file["id"])
    assert "".join(texts) == TEXT
    assert all(len(text.encode()) <= 1_000 for text in texts)


@pytest.mark.parametrize(("count", "page_count"), [(10, 1), (11, 2), (20, 2)])
async def test_the_last_page_is_known_as_such(
    house: House,
    v2: Client,
    store: JSON,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    page_count: int,
) -> None:
    """VS-13: no empty page comes after it."""
    monkeypatch.setattr(vector_store_content, "TEXT_BYTES_MAX", 50)
    file = await added(v2, store)
    await complete(house, store["id"], file["id"], *["word "] * count)
    texts = await pages(v2, store, file["id"])
    assert "".join(texts) == "word " * count
    assert len(texts) == page_count


async def test_blanks_that_no_chunk_has_become_a_line_end(
    house: House, v2: Client, store: JSON
) -> None:
    """VS-13: words of two chunks are never joined to one."""
    file = await added(v2, store)
    first = Chunk(text="one", start=4, end=7, tokens=1)
    second = Chunk(text="two", start=99, end=102, tokens=1)
    await complete(house, store["id"], file["id"], first, second)
    assert await pages(v2, store, file["id"]) == ["one\ntwo"]


async def test_a_file_without_text_has_an_empty_page(house: House, v2: Client, store: JSON) -> None:
    """VS-13."""
    file = await added(v2, store)
    await complete(house, store["id"], file["id"])
    assert await v2.get(f"{files_of(store)}/{file['id']}/content") == {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": ""}],
        "has_more": False,
        "next_page": None,
    }


async def test_the_text_of_a_file_that_is_not_in_the_store(v2: Client, store: JSON) -> None:
    """ERR-65: in the two words of the hosted API."""
    elsewhere = (await v2.upload())["id"]
    for file_id in (elsewhere, UNKNOWN):
        error = await v2.refused("GET", f"{files_of(store)}/{file_id}/content")
        assert error == Error(404, "Not found")


@pytest.mark.parametrize("what", ["content", "chunks"])
async def test_the_text_of_a_file_that_has_none_yet(
    house: House, v2: Client, store: JSON, what: str
) -> None:
    """VS-13: a clear refusal, with the reason for a file that failed (VS-08)."""
    file = await added(v2, store)
    path = f"{files_of(store)}/{file['id']}/{what}"
    told = f"The file '{file['id']}' in vector store '{store['id']}' has status"
    later = "Its text can be read when it is completed."
    error = await v2.refused("GET", path)
    assert error == Error(400, f"{told} 'in_progress'. {later}")
    await fail(house, store["id"], file["id"])
    error = await v2.refused("GET", path)
    assert error == Error(400, f"{told} 'failed'. The file could not be parsed. {later}")


async def test_an_expired_store_has_no_texts(house: House, v2: Client) -> None:
    """VS-03: they may have been removed already; the list of files stays."""
    clock = stop_clock(house)
    store = await v2.post(
        "/vector_stores", {"expires_after": {"anchor": "last_active_at", "days": 1}}
    )
    file = await added(v2, store)
    await complete(house, store["id"], file["id"], "something")
    clock.advance(86_400)
    text = f"Vector store '{store['id']}' has expired."
    for what in ("content", "chunks"):
        error = await v2.refused("GET", f"{files_of(store)}/{file['id']}/{what}")
        assert error == Error(400, text, code="vector_store_expired")
    assert await ids(v2, files_of(store)) == [file["id"]]


async def test_chunks_say_where_they_stand(house: House, v2: Client, store: JSON) -> None:
    """An extension: code points of the text, and pages where there are pages."""
    file = await added(v2, store)
    paged = Chunk(text="on page two", start=10, end=21, tokens=3, page_first=2, page_last=2)
    await complete(house, store["id"], file["id"], "0123456789", paged)
    chunks = await v2.listed(f"{files_of(store)}/{file['id']}/chunks")
    assert chunks == [
        {
            "object": "vector_store.file.chunk",
            "index": 0,
            "text": "0123456789",
            "tokens": 1,
            "start": 0,
            "end": 10,
            "page_first": None,
            "page_last": None,
        },
        {
            "object": "vector_store.file.chunk",
            "index": 1,
            "text": "on page two",
            "tokens": 3,
            "start": 10,
            "end": 21,
            "page_first": 2,
            "page_last": 2,
        },
    ]


async def test_chunks_come_in_pages(house: House, v2: Client, store: JSON) -> None:
    """LIST-01, LIST-04: in the order of the text; the index is the cursor."""
    file = await added(v2, store)
    await complete(house, store["id"], file["id"], *(f"passage {n} " for n in range(25)))
    path = f"{files_of(store)}/{file['id']}/chunks"
    seen: list[int] = []
    after = ""
    for _ in range(5):
        page = await v2.get(f"{path}?limit=10{after}")
        indexes = [one["index"] for one in page["data"]]
        seen += indexes
        assert (page["first_id"], page["last_id"]) == (str(indexes[0]), str(indexes[-1]))
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    assert seen == [*range(25)]
    assert len((await v2.get(path))["data"]) == 20
    beyond = await v2.get(f"{path}?after=999999")
    assert (beyond["data"], beyond["last_id"]) == ([], None)
    for query in ("after=x", "after=-2", "limit=0", "limit=101"):
        error = await v2.refused("GET", f"{path}?{query}")
        assert (error.status, error.param) == (400, query.partition("=")[0])


async def test_another_project_reads_nothing(
    house: House, v2: Client, stranger: Client, store: JSON
) -> None:
    """GEN-18."""
    file = await added(v2, store)
    await complete(house, store["id"], file["id"], "secret")
    for rest in ("", "/content", "/chunks"):
        error = await stranger.refused("GET", f"{files_of(store)}/{file['id']}{rest}")
        assert error == Error(404, f"No vector store found with id '{store['id']}'.")
