"""Files that are added to a vector store together (contract section 16, VS)."""

import re
from typing import Any

import pytest

from .client import JSON, NOTHING, Client, Error
from .conftest import Build, House
from .ingested import complete, fail

KEYS = ["id", "object", "created_at", "status", "vector_store_id", "file_counts"]
UNKNOWN = "vsfb_000000000000000000000000"


@pytest.fixture
async def house(build: Build) -> House:
    """Return a server that leaves files as they are."""
    return await build(worker=False)


@pytest.fixture
async def store(v2: Client) -> JSON:
    """Return an empty store."""
    return await v2.post("/vector_stores")


def batches(store: JSON) -> str:
    return f"/vector_stores/{store['id']}/file_batches"


def counts(**given: int) -> JSON:
    names = ("in_progress", "completed", "failed", "cancelled")
    return {**dict.fromkeys(names, 0), **given, "total": sum(given.values())}


async def uploads(client: Client, count: int) -> list[str]:
    return [(await client.upload(b"x", f"{n}.txt"))["id"] for n in range(count)]


async def ids(client: Client, path: str) -> list[str]:
    return [one["id"] for one in (await client.get(path))["data"]]


@pytest.mark.parametrize("era", [None, "v1", "v2"])
async def test_a_new_batch_is_in_progress(house: House, store: JSON, era: Any) -> None:
    """VS-09, ID-03, GEN-15: the object is vector_store.file_batch, as on the wire."""
    client = house.client(era)
    one, two = await uploads(client, 2)
    batch = await client.post(batches(store), {"file_ids": [one, two, one]})
    assert list(batch) == KEYS
    assert re.fullmatch("vsfb_[0-9a-f]{32}", batch["id"])
    assert batch == {
        "id": batch["id"],
        "object": "vector_store.file_batch",
        "created_at": batch["created_at"],
        "status": "in_progress",
        "vector_store_id": store["id"],
        "file_counts": counts(in_progress=2),
    }
    assert await client.get(f"{batches(store)}/{batch['id']}") == batch
    listed = await ids(client, f"/vector_stores/{store['id']}/files?order=asc")
    assert listed == [one, two]


async def test_each_file_of_a_batch_has_its_own(v2: Client, store: JSON) -> None:
    """VS-05: attributes and sizes; of a file that is named twice the last mention counts."""
    one, two = await uploads(v2, 2)
    strategy = {
        "type": "static",
        "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0},
    }
    files = [
        {"file_id": one, "attributes": {"a": 1}},
        {"file_id": two, "chunking_strategy": strategy},
        {"file_id": one, "attributes": {"a": 2}},
    ]
    batch = await v2.post(batches(store), {"files": files, "attributes": {"b": 3}})
    assert batch["file_counts"] == counts(in_progress=2)
    path = f"/vector_stores/{store['id']}/files"
    assert (await v2.get(f"{path}/{one}"))["attributes"] == {"a": 2}
    other = await v2.get(f"{path}/{two}")
    assert (other["attributes"], other["chunking_strategy"]) == ({}, strategy)


async def test_files_by_id_share_what_stands_beside_them(v2: Client, store: JSON) -> None:
    """VS-05."""
    sent = {"file_ids": await uploads(v2, 2), "attributes": {"year": 2024}}
    await v2.post(batches(store), sent)
    files = await v2.listed(f"/vector_stores/{store['id']}/files")
    assert [file["attributes"] for file in files] == [{"year": 2024}] * 2


async def test_a_batch_has_two_thousand_files_at_most(v2: Client, store: JSON) -> None:
    """VS-05, ERR-27: none is looked up before the others are counted."""
    sent = {"file_ids": ["file-x"] * 2001}
    error = await v2.refused("POST", batches(store), sent)
    assert (error.status, error.param, error.code) == (400, "file_ids", "array_above_max_length")


async def test_a_batch_with_an_unknown_file_is_refused_as_a_whole(
    v2: Client, stranger: Client, store: JSON
) -> None:
    """ERR-43, GEN-18."""
    (own,), (foreign,) = await uploads(v2, 1), await uploads(stranger, 1)
    error = await v2.refused("POST", batches(store), {"file_ids": [own, foreign]})
    assert error == Error(404, f"Files [{foreign}] were not found")
    assert await v2.listed(f"/vector_stores/{store['id']}/files") == []


async def test_a_batch_is_completed_with_its_last_file(
    house: House, v2: Client, store: JSON
) -> None:
    """VS-09: with failed files, too; only its own files count."""
    one, two, other = await uploads(v2, 3)
    await v2.post(f"/vector_stores/{store['id']}/files", {"file_id": other})
    batch = await v2.post(batches(store), {"file_ids": [one, two]})
    path = f"{batches(store)}/{batch['id']}"
    await complete(house, store["id"], one)
    halfway = await v2.get(path)
    assert halfway == {**batch, "file_counts": counts(in_progress=1, completed=1)}
    await fail(house, store["id"], two)
    whole = {**batch, "status": "completed", "file_counts": counts(completed=1, failed=1)}
    assert await v2.get(path) == whole


async def test_a_cancelled_batch_keeps_what_is_completed(
    house: House, v2: Client, store: JSON
) -> None:
    """VS-09."""
    one, two = await uploads(v2, 2)
    batch = await v2.post(batches(store), {"file_ids": [one, two]})
    path = f"{batches(store)}/{batch['id']}"
    await complete(house, store["id"], one)
    cancelled = await v2.post(f"{path}/cancel")
    shown = {**batch, "status": "cancelled", "file_counts": counts(completed=1, cancelled=1)}
    assert cancelled == await v2.get(path) == shown
    assert await v2.post(f"{path}/cancel", {}) == shown
    assert await ids(v2, f"{path}/files?filter=cancelled") == [two]
    assert (await v2.get(f"/vector_stores/{store['id']}"))["status"] == "completed"


async def test_a_completed_batch_is_not_cancelled_any_more(
    house: House, v2: Client, store: JSON
) -> None:
    """VS-09: 200, unchanged, with status completed."""
    (one,) = await uploads(v2, 1)
    batch = await v2.post(batches(store), {"file_ids": [one]})
    await complete(house, store["id"], one)
    completed = await v2.get(f"{batches(store)}/{batch['id']}")
    cancelled = await v2.post(f"{batches(store)}/{batch['id']}/cancel")
    assert cancelled == completed
    assert cancelled["status"] == "completed"


async def test_the_files_of_a_batch_are_listed_in_pages(
    house: House, v2: Client, store: JSON
) -> None:
    """LIST-09, LIST-10, LIST-13: order counts, and the files are whole objects."""
    await v2.post(f"/vector_stores/{store['id']}/files", {"file_id": (await v2.upload())["id"]})
    one, two, three = await uploads(v2, 3)
    batch = await v2.post(batches(store), {"file_ids": [one, two, three]})
    path = f"{batches(store)}/{batch['id']}/files"
    assert await ids(v2, path) == await ids(v2, f"{path}?order=desc") == [three, two, one]
    assert await ids(v2, f"{path}?order=asc") == [one, two, three]
    page = await v2.get(f"{path}?limit=1&after={three}")
    assert (page["first_id"], page["last_id"], page["has_more"]) == (two, two, True)
    assert await ids(v2, f"{path}?order=asc&before={three}") == [one, two]
    await complete(house, store["id"], two)
    (completed,) = await v2.listed(f"{path}?filter=completed")
    assert completed == await v2.get(f"/vector_stores/{store['id']}/files/{two}")


@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("POST", "/cancel"), ("GET", "/files")])
async def test_a_batch_that_is_not_there(v2: Client, store: JSON, method: str, rest: str) -> None:
    """ERR-41: unknown, or of another store."""
    other = await v2.post("/vector_stores")
    elsewhere = await v2.post(batches(other), {"file_ids": await uploads(v2, 1)})
    for batch_id in (UNKNOWN, elsewhere["id"]):
        error = await v2.refused(method, f"{batches(store)}/{batch_id}{rest}", NOTHING)
        text = f"No file batch found with id '{batch_id}' in vector store '{store['id']}'."
        assert error == Error(404, text)
    assert await v2.get(f"{batches(other)}/{elsewhere['id']}") == elsewhere
