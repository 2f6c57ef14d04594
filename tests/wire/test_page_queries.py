"""Query strings and the fields of uploads."""

import pytest

from understudy.errors import InvalidRequest
from understudy.wire.params.files import NewFile, parse_upload
from understudy.wire.params.pages import (
    SEARCH_CONTENT,
    FilesPage,
    MessagePage,
    Page,
    parse_files_page,
    parse_include,
    parse_message_page,
    parse_page,
)


def test_list_02_defaults() -> None:
    assert parse_page([], "v2") == Page(limit=20, order="desc", after=None, before=None)


def test_list_02_all_parameters_are_read_and_unknown_ones_ignored() -> None:
    query = [("limit", "100"), ("order", "asc"), ("after", "a"), ("before", "b"), ("x", "y")]
    assert parse_page(query, "v1") == Page(limit=100, order="asc", after="a", before="b")


def test_empty_cursors_are_not_given() -> None:
    assert parse_page([("after", ""), ("before", "")], "v2") == Page()


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        ("0", "integer below minimum value. Expected a value >= 1, but got 0", "below_min_value"),
        ("101", "integer above maximum value. Expected a value <= 100, but got 101", "above_max"),
    ],
)
def test_list_02_a_limit_out_of_range_is_err_29(text: str, message: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_page([("limit", text)], "v2")
    assert caught.value.message == f"Invalid 'limit': {message} instead."
    assert caught.value.param == "limit"
    assert code in str(caught.value.code)


@pytest.mark.parametrize("text", ["", "x", "1.5", " 1", "1_0", "\u0661", "9" * 5_000])
def test_list_02_a_limit_that_is_no_integer_is_err_22(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_page([("limit", text)], "v2")
    assert caught.value.message == (
        "Invalid type for 'limit': expected an integer, but got a string instead."
    )


def test_list_02_another_order_is_err_23() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_page([("order", "up")], "v2")
    assert caught.value.message == "Invalid value: 'up'. Supported values are: 'asc' and 'desc'."
    assert caught.value.param == "order"


def test_list_09_messages_can_be_those_of_one_run() -> None:
    assert parse_message_page([("run_id", "run_1")], "v2") == MessagePage(run_id="run_1")
    assert parse_message_page([("run_id", "")], "v2") == MessagePage()


def test_list_11_files_have_a_page_of_their_own() -> None:
    assert parse_files_page([]) == FilesPage(limit=10_000)
    query = [("limit", "10000"), ("purpose", "vision"), ("after", "file-1"), ("before", "x")]
    assert parse_files_page(query) == FilesPage(limit=10_000, purpose="vision", after="file-1")
    with pytest.raises(InvalidRequest, match="Expected a value <= 10000"):
        parse_files_page([("limit", "10001")])


@pytest.mark.parametrize(
    "query",
    [
        [("include[]", SEARCH_CONTENT)],
        [("include", SEARCH_CONTENT)],
        [("include", f"{SEARCH_CONTENT},{SEARCH_CONTENT}")],
        [("include[]", SEARCH_CONTENT), ("include[]", SEARCH_CONTENT)],
    ],
)
def test_gen_12_include_is_read_in_each_spelling(query: list[tuple[str, str]]) -> None:
    assert parse_include(query) == {SEARCH_CONTENT}


def test_step_13_other_things_cannot_be_included() -> None:
    assert parse_include([("limit", "1")]) == frozenset()
    with pytest.raises(InvalidRequest) as caught:
        parse_include([("include[]", "logprobs")])
    assert caught.value.message == (
        f"Invalid value: 'logprobs'. Supported values are: '{SEARCH_CONTENT}'."
    )


def test_file_03_an_upload_names_its_purpose() -> None:
    assert parse_upload({"purpose": "assistants"}) == NewFile(purpose="assistants")


def test_err_31_another_purpose_is_refused_in_the_files_dialect() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_upload({"purpose": "x"})
    assert caught.value.message == (
        "'x' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals']"
        " - 'purpose'"
    )
    assert (caught.value.param, caught.value.code) == ("purpose", None)


def test_file_08_a_file_can_expire() -> None:
    fields = {"purpose": "vision", "expires_after[anchor]": "created_at"}
    made = parse_upload({**fields, "expires_after[seconds]": "3600"})
    assert made.expires_after_seconds == 3600
    for seconds in ("3599", "2592001", "soon"):
        with pytest.raises(InvalidRequest) as caught:
            parse_upload({**fields, "expires_after[seconds]": seconds})
        assert caught.value.param == "expires_after.seconds"
