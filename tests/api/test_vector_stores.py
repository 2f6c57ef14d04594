"""Vector stores: their life, their counts and their expiry (contract section 16, VS)."""

import re
from typing import Any

import pytest

from .client import JSON, NOTHING, Client, Error
from .conftest import Build, House
from .ingested import complete, fail
from .puppet import stop_clock

KEYS = [
    "id",
    "object",
    "created_at",
    "name",
    "description",
    "usage_bytes",
    "file_counts",
    "status",
    "expires_after",
    "expires_at",
    "last_active_at",
    "metadata",
]
DAY = 86_400
UNKNOWN = "vs_000000000000000000000000"


@pytest.fixture
async def house(build: Build) -> House:
    """Return a server that leaves files as they are."""
    return await build(worker=False)


def counts(**given: int) -> JSON:
    names = ("in_progress", "completed", "failed", "cancelled")
    return {**dict.fromkeys(names, 0), **given, "total": sum(given.values())}


def days(number: int) -> JSON:
    return {"anchor": "last_active_at", "days": number}


async def uploads(client: Client, count: int) -> list[str]:
    return [(await client.upload(b"x", f"{n}.txt"))["id"] for n in range(count)]


def path(store: JSON) -> str:
    return f"/vector_stores/{store['id']}"


@pytest.mark.parametrize("era", [None, "v1", "v2"])
async def test_a_store_of_nothing(house: House, era: Any) -> None:
    """VS-01, VS-02, VS-04, GEN-15, ID-03: completed at once, for ever, whatever the header."""
    made = await house.client(era).post("/vector_stores")
    assert list(made) == KEYS
    assert re.fullmatch("vs_[A-Za-z0-9]{24}", made["id"])
    assert made == {
        "id": made["id"],
        "object": "vector_store",
        "created_at": made["created_at"],
        "name": None,
        "description": None,
        "usage_bytes": 0,
        "file_counts": counts(),
        "status": "completed",
        "expires_after": None,
        "expires_at": None,
        "last_active_at": made["created_at"],
        "metadata": {},
    }


async def test_a_store_keeps_what_it_is_given(v2: Client) -> None:
    """VS-01, VS-03."""
    sent = {"name": "Books", "description": "ours", "metadata": {"a": "b"}}
    made = await v2.post("/vector_stores", {**sent, "expires_after": days(2)})
    assert sent.items() <= made.items()
    assert made["expires_after"] == days(2)
    assert made["expires_at"] == made["last_active_at"] + 2 * DAY
    assert await v2.get(path(made)) == made


async def test_a_store_with_files_is_in_progress(v2: Client) -> None:
    """VS-02, VS-05: a file that is named twice joins once."""
    one, two = await uploads(v2, 2)
    made = await v2.post("/vector_stores", {"file_ids": [one, two, one]})
    assert (made["status"], made["file_counts"]) == ("in_progress", counts(in_progress=2))
    assert await v2.get(path(made)) == made
    joined = await v2.listed(f"{path(made)}/files?order=asc")
    assert [file["id"] for file in joined] == [one, two]


async def test_the_files_of_a_store_share_its_chunking(v2: Client) -> None:
    """VS-06, VS-07."""
    strategy = {
        "type": "static",
        "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 50},
    }
    sent = {"file_ids": await uploads(v2, 1), "chunking_strategy": strategy}
    made = await v2.post("/vector_stores", sent)
    (file,) = await v2.listed(f"{path(made)}/files")
    assert file["chunking_strategy"] == strategy


async def test_counts_status_and_usage_follow_the_files(house: House, v2: Client) -> None:
    """VS-01, VS-02, VS-08: a failed file does not make the store failed."""
    one, two, three = await uploads(v2, 3)
    made = await v2.post("/vector_stores", {"file_ids": [one, two, three]})
    await complete(house, made["id"], one, "Grüße")
    await fail(house, made["id"], two)
    halfway = await v2.get(path(made))
    assert halfway["file_counts"] == counts(in_progress=1, completed=1, failed=1)
    assert (halfway["status"], halfway["usage_bytes"]) == ("in_progress", len("Grüße".encode()))
    await complete(house, made["id"], three)
    whole = await v2.get(path(made))
    assert whole["file_counts"] == counts(completed=2, failed=1)
    assert whole["status"] == "completed"
    assert await v2.listed("/vector_stores") == [whole]


async def test_unknown_files_make_no_store(v2: Client, stranger: Client) -> None:
    """ERR-43, GEN-18: all that are missing are named, and nothing is written."""
    (own,) = await uploads(v2, 1)
    (foreign,) = await uploads(stranger, 1)
    error = await v2.refused("POST", "/vector_stores", {"file_ids": [own, foreign, "file-x"]})
    assert error == Error(404, f"Files [{foreign}, file-x] were not found")
    assert await v2.listed("/vector_stores") == []


async def test_wrong_parameters_are_refused(v2: Client) -> None:
    """ERR-21, VS-03: the first violation, in the usual words."""
    error = await v2.refused("POST", "/vector_stores", {"nam": "x"})
    text = "Unknown parameter: 'nam'. Did you mean 'name'?"
    assert error == Error(400, text, param="nam", code="unknown_parameter")
    sent = {"expires_after": {"anchor": "last_active_at", "days": 400}}
    error = await v2.refused("POST", "/vector_stores", sent)
    assert (error.param, error.code) == ("expires_after.days", "integer_above_max_value")


async def test_what_is_changed_and_what_stays(v2: Client) -> None:
    """VS-03: metadata and expiry are replaced as a whole; null clears."""
    sent = {"name": "a", "metadata": {"x": "y"}, "expires_after": days(1)}
    made = await v2.post("/vector_stores", sent)
    changed = await v2.post(path(made), {"name": "b"})
    assert changed == {**made, "name": "b"}
    changed = await v2.post(path(made), {"expires_after": days(3), "metadata": {"z": "1"}})
    assert changed == {
        **made,
        "name": "b",
        "metadata": {"z": "1"},
        "expires_after": days(3),
        "expires_at": made["last_active_at"] + 3 * DAY,
    }
    changed = await v2.post(path(made), {"name": None, "expires_after": None})
    assert (changed["name"], changed["expires_after"], changed["expires_at"]) == (None, None, None)
    assert await v2.post(path(made)) == await v2.get(path(made)) == changed


async def test_a_change_shows_the_files_too(house: House, v2: Client) -> None:
    """VS-01: what is derived is not written down."""
    made = await v2.post("/vector_stores", {"file_ids": await uploads(v2, 1)})
    changed = await v2.post(path(made), {"name": "b"})
    assert changed == {**made, "name": "b"}
    (file,) = await v2.listed(f"{path(made)}/files")
    await complete(house, made["id"], file["id"])
    assert (await v2.get(path(made)))["status"] == "completed"


async def test_a_deleted_store_is_gone_and_its_files_stay(v2: Client) -> None:
    """VS-10, ERR-41."""
    (file_id,) = await uploads(v2, 1)
    made = await v2.post("/vector_stores", {"file_ids": [file_id]})
    deleted = await v2.delete(path(made))
    assert deleted == {"id": made["id"], "object": "vector_store.deleted", "deleted": True}
    gone = Error(404, f"No vector store found with id '{made['id']}'.")
    assert await v2.refused("GET", path(made)) == gone
    assert await v2.refused("DELETE", path(made)) == gone
    assert await v2.listed("/vector_stores") == []
    assert (await v2.get(f"/files/{file_id}"))["id"] == file_id


STORE_REQUESTS = [
    ("GET", "", NOTHING),
    ("POST", "", {"name": "x"}),
    ("DELETE", "", NOTHING),
    ("GET", "/files", NOTHING),
    ("POST", "/files", {"file_id": "file-x"}),
    ("GET", "/files/file-x", NOTHING),
    ("POST", "/files/file-x", {"attributes": {}}),
    ("DELETE", "/files/file-x", NOTHING),
    ("GET", "/files/file-x/content", NOTHING),
    ("GET", "/files/file-x/chunks", NOTHING),
    ("POST", "/file_batches", {"file_ids": ["file-x"]}),
    ("GET", "/file_batches/vsfb_x", NOTHING),
    ("POST", "/file_batches/vsfb_x/cancel", NOTHING),
    ("GET", "/file_batches/vsfb_x/files", NOTHING),
]


@pytest.mark.parametrize(("method", "rest", "body"), STORE_REQUESTS)
async def test_a_store_that_is_not_there(
    v2: Client, stranger: Client, method: str, rest: str, body: Any
) -> None:
    """ERR-41, GEN-18, AUTH-08: unknown, or another project's; the store is looked up first."""
    own = await v2.post("/vector_stores", {"name": "mine"})
    for client, store_id in ((v2, UNKNOWN), (stranger, own["id"])):
        error = await client.refused(method, f"/vector_stores/{store_id}{rest}", body)
        assert error == Error(404, f"No vector store found with id '{store_id}'.")
    assert await v2.get(path(own)) == own


@pytest.mark.parametrize(
    ("rest", "name", "prefix"),
    [("", "vector_store_id", "vs"), ("/file_batches/{}", "batch_id", "vsfb")],
)
async def test_ids_are_looked_at_first(v2: Client, rest: str, name: str, prefix: str) -> None:
    """ID-05, ERR-24."""
    store_id = "undefined" if name == "vector_store_id" else UNKNOWN
    error = await v2.refused("GET", f"/vector_stores/{store_id}{rest.format('undefined')}")
    text = f"Invalid '{name}': 'undefined'. Expected an ID that begins with '{prefix}'."
    assert error == Error(400, text, param=name, code="invalid_value")


async def test_with_the_header_of_v1_an_odd_id_is_just_not_found(v1: Client) -> None:
    """GEN-15, ID-05."""
    error = await v1.refused("GET", "/vector_stores/undefined")
    assert error == Error(404, "No vector store found with id 'undefined'.")


async def test_stores_are_listed_in_pages(v2: Client, stranger: Client) -> None:
    """LIST-01 to LIST-05: whole objects (LIST-12), those of the project only (GEN-18)."""
    made = [await v2.post("/vector_stores", {"name": str(n)}) for n in range(4)]
    ids = [one["id"] for one in made]
    assert await v2.listed("/vector_stores") == made[::-1]
    page = await v2.get(f"/vector_stores?limit=2&order=asc&after={ids[0]}")
    assert page == {
        "object": "list",
        "data": made[1:3],
        "first_id": ids[1],
        "last_id": ids[2],
        "has_more": True,
    }
    page = await v2.get(f"/vector_stores?order=asc&before={ids[2]}")
    assert [one["id"] for one in page["data"]] == ids[:2]
    assert await stranger.listed("/vector_stores") == []


async def test_deleted_stores_are_cursors_and_unknown_ones_are_not(v2: Client) -> None:
    """LIST-08, ERR-41."""
    first, second = [await v2.post("/vector_stores") for _ in range(2)]
    await v2.delete(path(second))
    page = await v2.get(f"/vector_stores?after={second['id']}")
    assert page["data"] == [first]
    error = await v2.refused("GET", f"/vector_stores?after={UNKNOWN}")
    assert error == Error(404, f"No vector store found with id '{UNKNOWN}'.")


async def test_a_store_that_is_not_used_expires(house: House, v2: Client) -> None:
    """VS-02, VS-03: at the second, and only with an expiry."""
    clock = stop_clock(house)
    made = await v2.post("/vector_stores", {"expires_after": days(1)})
    other = await v2.post("/vector_stores")
    clock.advance(DAY - 1)
    assert await v2.get(path(made)) == made
    clock.advance(1)
    expired = {**made, "status": "expired"}
    assert await v2.get(path(made)) == expired
    assert await v2.listed("/vector_stores") == [other, expired]


async def test_an_expired_store_is_over_for_ever(house: House, v2: Client) -> None:
    """VS-03: neither a new expiry nor a file brings it back; its name can still change."""
    clock = stop_clock(house)
    (file_id,) = await uploads(v2, 1)
    made = await v2.post("/vector_stores", {"expires_after": days(1)})
    clock.advance(DAY)
    text = f"Vector store '{made['id']}' has expired."
    refused = Error(400, text, code="vector_store_expired")
    for rest, body in (
        ("", {"expires_after": days(9)}),
        ("", {"expires_after": None}),
        ("/files", {"file_id": file_id}),
        ("/file_batches", {"file_ids": [file_id]}),
    ):
        assert await v2.refused("POST", path(made) + rest, body) == refused
    changed = await v2.post(path(made), {"name": "old", "metadata": {"a": "b"}})
    assert changed == {**made, "status": "expired", "name": "old", "metadata": {"a": "b"}}
    assert (await v2.delete(path(made)))["deleted"] is True


async def test_adding_files_is_use(house: House, v2: Client) -> None:
    """VS-03: last_active_at moves, and expires_at with it; a change of the name is no use."""
    clock = stop_clock(house)
    one, two = await uploads(v2, 2)
    made = await v2.post("/vector_stores", {"expires_after": days(1)})
    for rest, body in (("/files", {"file_id": one}), ("/file_batches", {"file_ids": [two]})):
        clock.advance(10)
        await v2.post(path(made) + rest, body)
        used = await v2.get(path(made))
        assert used["last_active_at"] == house.ports.now
        assert used["expires_at"] == house.ports.now + DAY
    clock.advance(10)
    renamed = await v2.post(path(made), {"name": "x"})
    assert renamed == {**used, "name": "x"}


async def test_a_new_expiry_counts_from_the_last_use(house: House, v2: Client) -> None:
    """VS-03: expires_at = last_active_at + days."""
    clock = stop_clock(house)
    made = await v2.post("/vector_stores")
    clock.advance(DAY)
    changed = await v2.post(path(made), {"expires_after": days(2)})
    assert changed["expires_at"] == made["last_active_at"] + 2 * DAY
    assert changed["status"] == "completed"


async def test_pollers_are_asked_to_come_back(house: House, v2: Client) -> None:
    """GEN-10: soon after a file was added, later after that; on every store, file and batch."""
    clock = stop_clock(house)
    (file_id,) = await uploads(v2, 1)
    made = await v2.post("/vector_stores")
    clock.advance(60)
    batch = await v2.post(f"{path(made)}/file_batches", {"file_ids": [file_id]})
    paths = ["", f"/files/{file_id}", f"/file_batches/{batch['id']}"]
    for expected in ("50", "100", "150"):
        for rest in paths:
            answer = await v2.send("GET", path(made) + rest)
            assert answer.headers["openai-poll-after-ms"] == expected
        clock.advance(1)
    clock.advance(60)
    longest = str(house.ports.settings.poll_after_ms)
    answer = await v2.send("GET", path(made))
    assert answer.headers["openai-poll-after-ms"] == longest


@pytest.mark.parametrize(
    ("rest", "body"),
    [
        (None, {"name": "x"}),
        (None, {"file_ids": ["{two}"]}),
        ("", {"name": "x"}),
        ("/files", {"file_id": "{two}"}),
        ("/files/{one}", {"attributes": {"a": 1}}),
        ("/file_batches", {"file_ids": ["{two}"]}),
    ],
)
async def test_a_repeated_request_is_done_once(v2: Client, rest: str | None, body: JSON) -> None:
    """The same key gets the same answer, whatever has happened to the object since."""
    one, two = await uploads(v2, 2)
    store = await v2.post("/vector_stores", {"file_ids": [one]})
    where = "/vector_stores" if rest is None else path(store) + rest.format(one=one)
    sent = {k: [two] if v == ["{two}"] else two if v == "{two}" else v for k, v in body.items()}
    headers = {"Idempotency-Key": "key-1"}
    first = await v2.send("POST", where, sent, headers=headers)
    assert first.status == 200, first.body
    before = await v2.listed("/vector_stores"), await v2.listed(f"{path(store)}/files")
    again = await v2.send("POST", where, sent, headers=headers)
    assert (again.status, again.body) == (200, first.body)
    assert (await v2.listed("/vector_stores"), await v2.listed(f"{path(store)}/files")) == before
    await v2.delete(path(store))
    assert (await v2.send("POST", where, sent, headers=headers)).body == first.body


async def test_the_path_is_the_same_for_every_sdk(v2: Client) -> None:
    """VS-15: /v1/vector_stores, below each of the prefixes (GEN-01)."""
    made = await v2.post("/vector_stores")
    for prefix in ("/v1", "/openai/v1", "/openai"):
        assert (await v2.get(path(made), prefix=prefix))["id"] == made["id"]
