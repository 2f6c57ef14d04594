"""The hosted tools of a run, and what its model calls them."""

from understudy.runs.hosted import begun_search, hosted_names, hosted_types, ranking_options
from understudy.wire.objects.steps import StepRankingOptions
from understudy.wire.objects.tools import (
    CodeInterpreterTool,
    FileSearchOptions,
    FileSearchTool,
    FunctionDefinition,
    FunctionTool,
    RankingOptions,
)

from .playing import new_run

RANKED = FileSearchTool(
    FileSearchOptions(ranking_options=RankingOptions(ranker="auto", score_threshold=0.4))
)


def function(name: str) -> FunctionTool:
    return FunctionTool(FunctionDefinition(name=name))


def test_hosted_tools_are_those_that_the_client_does_not_run() -> None:
    tools = [function("f"), CodeInterpreterTool(), FileSearchTool(), FileSearchTool()]
    assert hosted_types(new_run(tools=tools)) == ["code_interpreter", "file_search"]
    assert hosted_types(new_run(tools=[function("f")])) == []


def test_a_hosted_tool_is_known_by_its_type() -> None:
    assert hosted_names(new_run(tools=[FileSearchTool()])) == {"file_search": "file_search"}


def test_functions_of_the_client_keep_their_names() -> None:
    tools = [function("file_search"), FileSearchTool()]
    assert hosted_names(new_run(tools=tools)) == {"file_search": "hosted_file_search"}
    tools = [function("hosted_file_search"), *tools]
    assert hosted_names(new_run(tools=tools)) == {"file_search": "hosted_hosted_file_search"}


def test_a_search_begins_with_the_ranking_of_its_tool_and_no_results() -> None:
    """STR-08."""
    call = begun_search(new_run(tools=[RANKED]), "call_1")
    options = StepRankingOptions(ranker="auto", score_threshold=0.4)
    assert (call.id, call.file_search.ranking_options) == ("call_1", options)
    assert call.file_search.results == []


def test_a_run_without_the_tool_ranks_by_default() -> None:
    assert ranking_options(new_run()) == StepRankingOptions()
