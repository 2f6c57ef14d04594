"""Assistants as clients of both eras send them."""

import json
from typing import Any

import pytest
from msgspec import UNSET

from understudy.errors import InvalidRequest
from understudy.wire.era import Era
from understudy.wire.objects.tools import (
    CodeInterpreterResources,
    CodeInterpreterTool,
    FileSearchOptions,
    FileSearchResources,
    FileSearchTool,
    FunctionDefinition,
    FunctionTool,
    JsonSchemaFormat,
    RankingOptions,
    ResponseFormat,
    ToolResources,
)
from understudy.wire.objects.vector_stores import StaticChunking
from understudy.wire.params.assistants import (
    AssistantChanges,
    NewAssistant,
    parse_create,
    parse_create_file,
    parse_modify,
)
from understudy.wire.params.response_formats import check_response_format
from understudy.wire.params.vector_stores import NewVectorStore


def _created(era: Era = "v2", **params: Any) -> NewAssistant:
    return parse_create(json.dumps({"model": "m", **params}).encode(), era)


def _changed(era: Era = "v2", **params: Any) -> AssistantChanges:
    return parse_modify(json.dumps(params).encode(), era)


def test_asst_03_only_the_model_is_required_and_the_rest_has_defaults() -> None:
    expected = NewAssistant(model="m", temperature=1.0, top_p=1.0, response_format="auto")
    assert _created("v1") == _created("v2") == expected


def test_asst_12_retrieval_of_v1_and_file_search_of_v2_are_one_tool() -> None:
    older = _created("v1", tools=[{"type": "retrieval"}])
    newer = _created("v2", tools=[{"type": "file_search"}])
    assert older.tools == newer.tools == [FileSearchTool()]


def test_asst_05_a_function_without_parameters_takes_none() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    expected = FunctionTool(
        FunctionDefinition(name="f", parameters={"type": "object", "properties": {}}, strict=False)
    )
    assert _created("v1", tools=tools).tools == _created("v2", tools=tools).tools == [expected]


def test_asst_05_strict_is_unknown_in_v1() -> None:
    tools = [{"type": "function", "function": {"name": "f", "strict": True}}]
    assert _created("v2", tools=tools).tools == [
        FunctionTool(FunctionDefinition(name="f", strict=True))
    ]
    with pytest.raises(InvalidRequest, match=r"Unknown parameter: 'tools\[0\].function.strict'"):
        _created("v1", tools=tools)


def test_asst_06_the_echo_of_a_file_search_tool_can_be_sent_back() -> None:
    ranking = {
        "ranker": "default_2024_08_21",
        "score_threshold": 0.5,
        "hybrid_search": None,
    }
    tool = {
        "type": "file_search",
        "file_search": {"max_num_results": 3, "ranking_options": ranking},
    }
    assert _created(tools=[tool]).tools == [
        FileSearchTool(
            FileSearchOptions(
                max_num_results=3, ranking_options=RankingOptions(score_threshold=0.5)
            )
        )
    ]


@pytest.mark.parametrize("number", [0, 51])
def test_vs_14_max_num_results_has_bounds(number: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        _created(tools=[{"type": "file_search", "file_search": {"max_num_results": number}}])
    assert caught.value.param == "tools[0].file_search.max_num_results"


def test_asst_07_a_vector_store_can_come_along() -> None:
    store = {
        "file_ids": ["file-1"],
        "chunking_strategy": {
            "type": "static",
            "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 100},
        },
        "metadata": {"a": "b"},
    }
    made = _created(tool_resources={"file_search": {"vector_stores": [store]}})
    assert made.tool_resources == ToolResources(file_search=FileSearchResources())
    assert made.new_vector_stores == [
        NewVectorStore(
            file_ids=["file-1"],
            chunking=StaticChunking(max_chunk_size_tokens=200, chunk_overlap_tokens=100),
            metadata={"a": "b"},
        )
    ]


def test_asst_07_a_vector_store_is_named_or_made_but_not_both() -> None:
    both = {"vector_store_ids": ["vs_1"], "vector_stores": [{}]}
    with pytest.raises(InvalidRequest) as caught:
        _created(tool_resources={"file_search": both})
    assert caught.value.param == "tool_resources.file_search"


@pytest.mark.parametrize(
    ("resources", "path"),
    [
        ({"code_interpreter": {"file_ids": ["f"] * 21}}, "code_interpreter.file_ids"),
        ({"file_search": {"vector_store_ids": ["vs"] * 2}}, "file_search.vector_store_ids"),
        ({"file_search": {"vector_stores": [{}, {}]}}, "file_search.vector_stores"),
    ],
)
def test_asst_07_resources_have_limits(resources: Any, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        _created(tool_resources=resources)
    assert caught.value.param == f"tool_resources.{path}"
    assert caught.value.code == "array_above_max_length"


def test_vs_07_chunks_overlap_by_at_most_half() -> None:
    static = {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 101}
    store = {"chunking_strategy": {"type": "static", "static": static}}
    with pytest.raises(InvalidRequest, match="Expected a value <= 100, but got 101"):
        _created(tool_resources={"file_search": {"vector_stores": [store]}})


def test_asst_08_modify_tells_omitted_from_null() -> None:
    assert _changed() == AssistantChanges()
    changes = _changed(name=None, temperature=None, metadata=None, tool_resources=None)
    assert (changes.name, changes.temperature, changes.metadata) == (None, 1.0, {})
    assert changes.tool_resources is None
    assert changes.description is UNSET


def test_asst_08_modify_names_the_resources_that_it_replaces() -> None:
    changes = _changed(tool_resources={"code_interpreter": {"file_ids": ["file-1"]}})
    assert changes.tool_resources == ToolResources(
        code_interpreter=CodeInterpreterResources(["file-1"]), file_search=None
    )


def test_asst_08_the_model_cannot_be_cleared() -> None:
    with pytest.raises(InvalidRequest, match="expected a string, but got null instead"):
        _changed(model=None)


def test_asst_09_v1_file_ids_have_a_field_of_their_own() -> None:
    assert _created("v1", file_ids=["file-1"]).file_ids == ["file-1"]
    assert _changed("v1").file_ids is UNSET
    assert _changed("v1", file_ids=[]).file_ids == []
    with pytest.raises(InvalidRequest, match="maximum length 20"):
        _created("v1", file_ids=["f"] * 21)


def test_asst_10_an_assistant_file_is_created_from_an_id() -> None:
    assert parse_create_file(b'{"file_id":"file-1"}') == "file-1"


def test_asst_14_reasoning_effort_is_v2_only() -> None:
    assert _created(reasoning_effort="xhigh").reasoning_effort == "xhigh"
    with pytest.raises(InvalidRequest, match="Unknown parameter: 'reasoning_effort'"):
        _created("v1", reasoning_effort="low")


def test_d_18_v1_turns_scalars_in_metadata_into_strings_as_python_does() -> None:
    made = _created("v1", metadata={"a": True, "b": 1, "c": 1.5, "d": "x"})
    assert made.metadata == {"a": "True", "b": "1", "c": "1.5", "d": "x"}


def test_asst_03_a_key_of_metadata_has_at_most_64_characters() -> None:
    with pytest.raises(InvalidRequest, match="maximum length 64, but got a string with length 65"):
        _created(metadata={"k" * 65: "v"})


def test_run_34_response_formats_of_v2() -> None:
    schema = {"name": "answer", "schema": {"type": "object"}, "strict": True}
    made = _created(response_format={"type": "json_schema", "json_schema": schema})
    assert made.response_format == ResponseFormat(
        "json_schema", JsonSchemaFormat(name="answer", schema={"type": "object"}, strict=True)
    )
    with pytest.raises(
        InvalidRequest, match=r"Missing required parameter: 'response_format\.json_"
    ):
        _created(response_format={"type": "json_schema"})


def test_run_34_response_formats_of_v1() -> None:
    assert _created("v1", response_format="none").response_format == "none"
    assert _created("v1", response_format={}).response_format == ResponseFormat("text")
    with pytest.raises(InvalidRequest, match="Supported values are: 'text' and 'json_object'"):
        _created("v1", response_format={"type": "json_schema"})


@pytest.mark.parametrize("kind", ["json_object", "json_schema"])
def test_err_60_json_answers_exclude_hosted_tools(kind: Any) -> None:
    function = FunctionTool(FunctionDefinition(name="f"))
    check_response_format(ResponseFormat(kind), [function])
    with pytest.raises(InvalidRequest) as caught:
        check_response_format(ResponseFormat(kind), [function, CodeInterpreterTool()])
    assert caught.value.message == (
        "Invalid tools: all tools must be of type `function` when `response_format` is of type"
        f" `{kind}`."
    )


def test_err_60_leaves_text_and_auto_alone() -> None:
    for response_format in (None, "auto", ResponseFormat("text")):
        check_response_format(response_format, [FileSearchTool()])
