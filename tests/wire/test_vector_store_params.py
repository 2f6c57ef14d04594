"""Vector stores and their files as clients send them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET

from understudy.errors import InvalidRequest
from understudy.wire.objects.vector_stores import StaticChunking
from understudy.wire.params.filters import Equal
from understudy.wire.params.pages import (
    StoreFilesPage,
    parse_ordinal,
    parse_store_files_page,
)
from understudy.wire.params.vector_store_files import (
    NewStoreFile,
    parse_add,
    parse_attributes,
    parse_batch,
)
from understudy.wire.params.vector_store_search import Search, parse_search
from understudy.wire.params.vector_stores import (
    NewVectorStore,
    VectorStoreChanges,
    parse_create,
    parse_modify,
)

DEFAULT = StaticChunking(max_chunk_size_tokens=800, chunk_overlap_tokens=400)
SMALL = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 100}}


def body(**params: Any) -> bytes:
    return json.dumps(params).encode()


def chunked(size: int, overlap: int) -> dict[str, Any]:
    sizes = {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}
    return {"type": "static", "static": sizes}


def refused(parse: Callable[[bytes], object], **params: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse(body(**params))
    return caught.value


def test_a_store_needs_nothing() -> None:
    assert parse_create(b"") == parse_create(b"{}") == NewVectorStore(chunking=DEFAULT)


def test_everything_that_a_store_can_be_given() -> None:
    sent = body(
        name="Handbooks",
        description="of machines",
        file_ids=["file-1"],
        expires_after={"anchor": "last_active_at", "days": 365},
        chunking_strategy=SMALL,
        metadata={"k": "v"},
    )
    assert parse_create(sent) == NewVectorStore(
        name="Handbooks",
        description="of machines",
        file_ids=["file-1"],
        expires_after_days=365,
        chunking=StaticChunking(max_chunk_size_tokens=200, chunk_overlap_tokens=100),
        metadata={"k": "v"},
    )


def test_nulls_stand_for_what_was_not_given() -> None:
    names = ("name", "description", "file_ids", "expires_after", "chunking_strategy", "metadata")
    assert parse_create(body(**dict.fromkeys(names))) == NewVectorStore(chunking=DEFAULT)


def test_auto_is_the_default_size() -> None:
    """VS-06."""
    assert parse_create(body(chunking_strategy={"type": "auto"})).chunking == DEFAULT


@pytest.mark.parametrize(("size", "overlap"), [(100, 0), (100, 50), (4096, 2048)])
def test_sizes_at_their_bounds(size: int, overlap: int) -> None:
    """VS-07."""
    chunking = parse_create(body(chunking_strategy=chunked(size, overlap))).chunking
    assert (chunking.max_chunk_size_tokens, chunking.chunk_overlap_tokens) == (size, overlap)


@pytest.mark.parametrize(
    ("size", "overlap", "field", "code"),
    [
        (99, 0, "max_chunk_size_tokens", "integer_below_min_value"),
        (4097, 0, "max_chunk_size_tokens", "integer_above_max_value"),
        (100, -1, "chunk_overlap_tokens", "integer_below_min_value"),
        (100, 51, "chunk_overlap_tokens", "integer_above_max_value"),
        (101, 51, "chunk_overlap_tokens", "integer_above_max_value"),
    ],
)
def test_sizes_beyond_their_bounds(size: int, overlap: int, field: str, code: str) -> None:
    """VS-07: 100..4096 tokens, and an overlap of at most the half."""
    refusal = refused(parse_create, chunking_strategy=chunked(size, overlap))
    assert (refusal.param, refusal.code) == (f"chunking_strategy.static.{field}", code)


@pytest.mark.parametrize(
    ("days", "code"), [(0, "integer_below_min_value"), (366, "integer_above_max_value")]
)
def test_a_store_expires_after_one_to_365_days(days: int, code: str) -> None:
    """VS-03."""
    sent = {"anchor": "last_active_at", "days": days}
    for parse in (parse_create, parse_modify):
        refusal = refused(parse, expires_after=sent)
        assert (refusal.param, refusal.code) == ("expires_after.days", code)


def test_a_store_expires_after_its_last_use_only() -> None:
    """VS-03, ERR-23."""
    refusal = refused(parse_create, expires_after={"anchor": "created_at", "days": 1})
    assert refusal.message == (
        "Invalid value: 'created_at'. Supported values are: 'last_active_at'."
    )


def test_a_store_is_made_with_at_most_500_files() -> None:
    """VS-05, ERR-27."""
    assert len(parse_create(body(file_ids=["file-1"] * 500)).file_ids) == 500
    refusal = refused(parse_create, file_ids=["file-1"] * 501)
    assert (refusal.param, refusal.code) == ("file_ids", "array_above_max_length")


def test_what_is_not_mentioned_does_not_change() -> None:
    assert parse_modify(b"{}") == VectorStoreChanges()
    assert parse_modify(body(name=None, expires_after=None, metadata=None)) == VectorStoreChanges(
        name=None, expires_after_days=None, metadata={}
    )
    changes = parse_modify(body(expires_after={"anchor": "last_active_at", "days": 2}))
    assert (changes.name, changes.expires_after_days) == (UNSET, 2)


def test_files_of_a_store_cannot_be_changed_with_it() -> None:
    refusal = refused(parse_modify, file_ids=["file-1"])
    assert refusal.message == "Unknown parameter: 'file_ids'."


def test_a_file_needs_its_id_only() -> None:
    assert parse_add(body(file_id="file-1")) == NewStoreFile(file_id="file-1", chunking=DEFAULT)
    assert refused(parse_add).message == "Missing required parameter: 'file_id'."


def test_attributes_are_of_three_types() -> None:
    """VS-11."""
    attributes = {"text": "x" * 512, "whole": 3, "part": 0.5, "yes": True, "k" * 64: ""}
    new = parse_add(body(file_id="file-1", attributes=attributes))
    assert new.attributes == attributes
    assert [type(value) for value in new.attributes.values()] == [str, int, float, bool, str]


@pytest.mark.parametrize(
    ("attributes", "param", "code"),
    [
        ({str(n): n for n in range(17)}, "attributes", "object_above_max_properties"),
        ({"k" * 65: 1}, "attributes", "string_above_max_length"),
        ({"k": "x" * 513}, "attributes.k", "string_above_max_length"),
        ({"k": None}, "attributes.k", "invalid_type"),
        ({"k": [1]}, "attributes.k", "invalid_type"),
        ([], "attributes", "invalid_type"),
    ],
)
def test_attributes_beyond_their_bounds(attributes: Any, param: str, code: str) -> None:
    """VS-11: at most 16 keys of 64 characters, and strings of 512."""
    for parse, more in ((parse_add, {"file_id": "file-1"}), (parse_attributes, {})):
        refusal = refused(parse, attributes=attributes, **more)
        assert (refusal.param, refusal.code) == (param, code)


def test_new_attributes_are_given_or_cleared() -> None:
    """VS-11."""
    assert parse_attributes(body(attributes={"a": 1})) == {"a": 1}
    assert parse_attributes(body(attributes=None)) == {}
    assert refused(parse_attributes).message == "Missing required parameter: 'attributes'."


def test_a_batch_of_ids_shares_the_rest() -> None:
    """VS-05."""
    sent = body(file_ids=["file-1", "file-2"], attributes={"a": 1}, chunking_strategy=SMALL)
    chunking = StaticChunking(max_chunk_size_tokens=200, chunk_overlap_tokens=100)
    assert parse_batch(sent) == [
        NewStoreFile(file_id=file_id, chunking=chunking, attributes={"a": 1})
        for file_id in ("file-1", "file-2")
    ]


def test_a_batch_of_files_has_something_for_each() -> None:
    """VS-05: what stands beside ``files`` does not count."""
    files = [
        {"file_id": "file-1", "attributes": {"a": 1}},
        {"file_id": "file-2", "chunking_strategy": SMALL},
    ]
    assert parse_batch(body(files=files, attributes={"b": 2}, chunking_strategy=SMALL)) == [
        NewStoreFile(file_id="file-1", chunking=DEFAULT, attributes={"a": 1}),
        NewStoreFile(
            file_id="file-2",
            chunking=StaticChunking(max_chunk_size_tokens=200, chunk_overlap_tokens=100),
        ),
    ]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({}, "Missing required parameter: 'file_ids'."),
        (
            {"file_ids": ["file-1"], "files": [{"file_id": "file-1"}]},
            "Expected either 'file_ids' or 'files', but got both.",
        ),
        (
            {"file_ids": []},
            (
                "Invalid 'file_ids': empty array. Expected an array with minimum length 1, but got"
                " an empty array instead."
            ),
        ),
        (
            {"files": [{"file_id": "file-1"}] * 2001},
            (
                "Invalid 'files': array too long. Expected an array with maximum length 2000, but"
                " got an array with length 2001 instead."
            ),
        ),
        (
            {"files": [{"file_id": "file-1"}, {"file_id": 7}]},
            "Invalid type for 'files[1].file_id': expected a string, but got an integer instead.",
        ),
        (
            {"files": [{"file_id": "file-1", "chunking_strategy": chunked(100, 60)}]},
            (
                "Invalid 'files[0].chunking_strategy.static.chunk_overlap_tokens': integer above "
                "maximum value. Expected a value <= 50, but got 60 instead."
            ),
        ),
    ],
)
def test_batches_that_cannot_be(sent: dict[str, Any], message: str) -> None:
    """VS-05, VS-07: ids or files, one to 2000."""
    assert refused(parse_batch, **sent).message == message


def test_a_list_of_files_is_filtered_by_status() -> None:
    """LIST-09, ERR-23."""
    page = parse_store_files_page([("filter", "failed"), ("limit", "3")], "v2")
    assert page == StoreFilesPage(limit=3, status="failed")
    assert parse_store_files_page([], "v2") == StoreFilesPage()
    with pytest.raises(InvalidRequest) as caught:
        parse_store_files_page([("filter", "done")], "v2")
    assert (caught.value.message, caught.value.param) == (
        (
            "Invalid value: 'done'. Supported values are: 'in_progress', 'completed', 'failed', and"
            " 'cancelled'."
        ),
        "filter",
    )


def test_a_place_in_a_file_may_be_left_out() -> None:
    assert parse_ordinal("page", "12", default=0) == 12
    assert parse_ordinal("page", None, default=0) == parse_ordinal("page", "", default=0) == 0


NO_INTEGER = "Invalid type for 'page': expected an integer, but got a string instead."
BELOW = "Invalid 'page': integer below minimum value. Expected a value >= 0, but got -1 instead."
ABOVE = (
    "Invalid 'page': integer above maximum value. "
    "Expected a value <= 999999999, but got 1000000000 instead."
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *(("1.5", NO_INTEGER), ("x", NO_INTEGER), ("٣", NO_INTEGER)),
        *(("-1", BELOW), ("1000000000", ABOVE)),
    ],
)
def test_a_place_in_a_file_is_a_number(text: str, message: str) -> None:
    """ERR-22, ERR-29."""
    with pytest.raises(InvalidRequest) as caught:
        parse_ordinal("page", text, default=0)
    assert caught.value.message == message


def test_a_search_needs_a_question_only() -> None:
    """VS-12."""
    assert parse_search(body(query="a")) == Search(
        queries=["a"], results_max=10, ranker="auto", score_threshold=0.0
    )
    nulls = dict.fromkeys(("max_num_results", "filters", "ranking_options", "rewrite_query"))
    assert parse_search(body(query=["a"], **nulls)) == parse_search(body(query="a"))


def test_everything_that_a_search_can_be_given() -> None:
    """VS-11, VS-12."""
    weights = {"embedding_weight": 0.0, "text_weight": 2.0}
    sent = body(
        query=["a", "b"],
        rewrite_query=True,
        max_num_results=50,
        filters={"type": "eq", "key": "k", "value": "v"},
        ranking_options={"ranker": "none", "score_threshold": 1, "hybrid_search": weights},
    )
    assert parse_search(sent) == Search(
        queries=["a", "b"],
        results_max=50,
        filters=Equal(key="k", value="v"),
        ranker="none",
        score_threshold=1.0,
        hybrid=weights,
    )
