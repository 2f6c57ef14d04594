"""The search endpoint of vector stores (contract section 16, VS)."""

from typing import Any

import pytest

from .client import JSON, Client, Error
from .conftest import Build, House
from .ingested import complete, filled
from .puppet import stop_clock

UNKNOWN = "vs_000000000000000000000000"
DAY = 86_400


@pytest.fixture
async def house(build: Build) -> House:
    """Return a server that leaves files as they are."""
    return await build(worker=False)


async def searched(client: Client, store: JSON, query: Any, **fields: Any) -> JSON:
    """Search the store and return the page."""
    return await client.post(f"/vector_stores/{store['id']}/search", {"query": query, **fields})


async def found(client: Client, store: JSON, query: Any, **fields: Any) -> list[str]:
    """Return the texts of the passages, best first."""
    page = await searched(client, store, query, **fields)
    return [part["text"] for one in page["data"] for part in one["content"]]


@pytest.mark.parametrize("era", [None, "v1", "v2"])
async def test_a_passage_is_found(house: House, v2: Client, era: Any) -> None:
    """VS-12, GEN-15: the page and its passages, key by key."""
    texts = "The pump needs oil every week.", "Cats sleep all day."
    attributes = [{"machine": "pump", "year": 2024}, {}]
    store, (pump, _) = await filled(house, v2, *texts, attributes=attributes)
    page = await searched(house.client(era), store, "When does the pump need oil?")
    assert list(page) == ["object", "search_query", "data", "has_more", "next_page"]
    (passage,) = page.pop("data")
    assert page == {
        "object": "vector_store.search_results.page",
        "search_query": ["When does the pump need oil?"],
        "has_more": False,
        "next_page": None,
    }
    assert list(passage) == ["file_id", "filename", "score", "attributes", "content"]
    assert 0 < passage.pop("score") <= 1
    assert passage == {
        "file_id": pump,
        "filename": "0.txt",
        "attributes": {"machine": "pump", "year": 2024},
        "content": [{"type": "text", "text": texts[0]}],
    }


async def test_several_queries_are_one_search(house: House, v2: Client) -> None:
    """VS-12: each is answered, and echoed; rewrite_query changes nothing."""
    texts = "The pump needs oil.", "Cats sleep all day.", "Rain fell in May."
    store, _ = await filled(house, v2, *texts)
    page = await searched(v2, store, ["pump oil", "sleeping cats"], rewrite_query=True)
    assert page["search_query"] == ["pump oil", "sleeping cats"]
    assert {one["filename"] for one in page["data"]} == {"0.txt", "1.txt"}


async def test_the_best_come_first_and_only_so_many(house: House, v2: Client) -> None:
    """VS-12: ten by default, one to fifty."""
    store, (file_id, *_) = await filled(house, v2, "A pump.")
    passages = ["Pumps and oil. ", *(f"Something of a pump, number {n}. " for n in range(59))]
    await v2.post(f"/vector_stores/{store['id']}/files", {"file_id": file_id})
    await complete(house, store["id"], file_id, *passages)
    for fields, count in (({}, 10), ({"max_num_results": 50}, 50), ({"max_num_results": 1}, 1)):
        page = await searched(v2, store, "oil for pumps", **fields)
        scores = [one["score"] for one in page["data"]]
        assert len(scores) == count
        assert scores == sorted(scores, reverse=True)
        assert page["data"][0]["content"][0]["text"] == passages[0]


async def test_a_threshold_cuts_the_rest_off(house: House, v2: Client) -> None:
    """VS-12: score_threshold lies in 0..1, as scores do."""
    store, _ = await filled(house, v2, "Pumps need oil and grease.", "A pump in the garden.")
    page = await searched(v2, store, "oil and grease for pumps")
    best, other = (one["score"] for one in page["data"])
    assert best > other
    options = {"ranker": "auto", "score_threshold": (best + other) / 2}
    kept = await found(v2, store, "oil and grease for pumps", ranking_options=options)
    assert kept == ["Pumps need oil and grease."]


async def test_options_of_newer_clients_are_taken(house: House, v2: Client) -> None:
    """VS-12: weights of words and meaning; every ranker that was ever named."""
    store, _ = await filled(house, v2, "Pumps need oil.")
    weights = {"embedding_weight": 0.3, "text_weight": 0.7}
    for options in (
        {"ranker": "none"},
        {"ranker": "default-2024-11-15", "score_threshold": 0},
        {"hybrid_search": weights},
        {"ranker": None, "score_threshold": None, "hybrid_search": None},
    ):
        assert await found(v2, store, "oil", ranking_options=options) == ["Pumps need oil."]


FILTERS: list[tuple[JSON, set[int]]] = [
    ({"type": "eq", "key": "year", "value": 2023}, {0}),
    ({"type": "ne", "key": "year", "value": 2023}, {1, 2}),
    ({"type": "gte", "key": "year", "value": 2023}, {0, 1}),
    ({"type": "gt", "key": "year", "value": 2023}, {1}),
    ({"type": "in", "key": "town", "value": ["Rome", "Oslo"]}, {0, 2}),
    ({"type": "nin", "key": "town", "value": ["Rome", "Oslo"]}, {1}),
    (
        {
            "type": "or",
            "filters": [
                {"type": "eq", "key": "town", "value": "Rome"},
                {
                    "type": "and",
                    "filters": [
                        {"type": "lt", "key": "year", "value": 2025},
                        {"type": "eq", "key": "sold", "value": True},
                    ],
                },
            ],
        },
        {1, 2},
    ),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERS)
async def test_attributes_filter(
    house: House, v2: Client, filters: JSON, expected: set[int]
) -> None:
    """VS-11: comparisons and what combines them."""
    attributes: list[JSON] = [
        {"year": 2023, "town": "Oslo"},
        {"year": 2024, "sold": True},
        {"town": "Rome"},
    ]
    texts = [f"A pump, number {n}." for n in range(3)]
    store, _ = await filled(house, v2, *texts, attributes=attributes)
    assert set(await found(v2, store, "pump", filters=filters)) == {texts[n] for n in expected}


async def test_changed_attributes_count_at_once(house: House, v2: Client) -> None:
    """VS-11."""
    store, (file_id,) = await filled(house, v2, "A pump.", attributes=[{"year": 1}])
    wanted = {"type": "eq", "key": "year", "value": 2}
    assert await found(v2, store, "pump", filters=wanted) == []
    path = f"/vector_stores/{store['id']}/files/{file_id}"
    await v2.post(path, {"attributes": {"year": 2}})
    assert await found(v2, store, "pump", filters=wanted) == ["A pump."]


async def test_only_completed_files_of_the_store_are_found(house: House, v2: Client) -> None:
    """VS-10, VS-12, FILE-07: not what was removed, deleted, is read again, or is elsewhere."""
    texts = [f"A pump, number {n}." for n in range(4)]
    store, (removed, deleted, again, _) = await filled(house, v2, *texts)
    await filled(house, v2, "A pump in another store.")
    await v2.delete(f"/vector_stores/{store['id']}/files/{removed}")
    await v2.delete(f"/files/{deleted}")
    await v2.post(f"/vector_stores/{store['id']}/files", {"file_id": again})
    assert await found(v2, store, "pump") == [texts[3]]
    await complete(house, store["id"], again, "A newer pump.")
    assert set(await found(v2, store, "pump")) == {texts[3], "A newer pump."}


async def test_an_empty_store_has_no_results(v2: Client) -> None:
    """VS-12."""
    store = await v2.post("/vector_stores")
    assert await found(v2, store, "pump") == []


async def test_a_search_is_use_until_the_store_expires(house: House, v2: Client) -> None:
    """VS-03: it moves last_active_at; an expired store cannot be searched."""
    clock = stop_clock(house)
    expiry = {"anchor": "last_active_at", "days": 1}
    store = await v2.post("/vector_stores", {"expires_after": expiry})
    clock.advance(DAY - 1)
    await found(v2, store, "pump")
    used = await v2.get(f"/vector_stores/{store['id']}")
    assert (used["last_active_at"], used["expires_at"]) == (house.ports.now, house.ports.now + DAY)
    clock.advance(DAY)
    error = await v2.refused("POST", f"/vector_stores/{store['id']}/search", {"query": "pump"})
    text = f"Vector store '{store['id']}' has expired."
    assert error == Error(400, text, code="vector_store_expired")


async def test_a_store_that_is_not_there_is_not_searched(
    house: House, v2: Client, stranger: Client
) -> None:
    """ERR-41, GEN-18."""
    store, _ = await filled(house, v2, "A pump.")
    for client, store_id in ((v2, UNKNOWN), (stranger, store["id"])):
        error = await client.refused("POST", f"/vector_stores/{store_id}/search", {"query": "x"})
        assert error == Error(404, f"No vector store found with id '{store_id}'.")


@pytest.mark.parametrize(
    ("sent", "param", "code"),
    [
        ({}, "query", "missing_required_parameter"),
        ({"query": ""}, "query", "string_below_min_length"),
        ({"query": []}, "query", "empty_array"),
        ({"query": ["a", 3]}, "query[1]", "invalid_type"),
        ({"query": "x" * 4097}, "query", "string_above_max_length"),
        ({"query": "a", "max_num_results": 0}, "max_num_results", "integer_below_min_value"),
        ({"query": "a", "max_num_results": 51}, "max_num_results", "integer_above_max_value"),
        (
            {"query": "a", "ranking_options": {"score_threshold": 1.1}},
            "ranking_options.score_threshold",
            "decimal_above_max_value",
        ),
        (
            {"query": "a", "ranking_options": {"ranker": "best"}},
            "ranking_options.ranker",
            "invalid_value",
        ),
        (
            {
                "query": "a",
                "ranking_options": {"hybrid_search": {"embedding_weight": 0, "text_weight": 0}},
            },
            "ranking_options.hybrid_search",
            "invalid_value",
        ),
        ({"query": "a", "filters": {"type": "like"}}, "filters.type", "invalid_value"),
        (
            {"query": "a", "filters": {"type": "eq", "key": "k"}},
            "filters.value",
            "missing_required_parameter",
        ),
    ],
)
async def test_wrong_searches_are_refused(v2: Client, sent: JSON, param: str, code: str) -> None:
    """VS-11, VS-12: the first violation, in the usual words."""
    store = await v2.post("/vector_stores")
    error = await v2.refused("POST", f"/vector_stores/{store['id']}/search", sent)
    assert (error.status, error.param, error.code) == (400, param, code)
