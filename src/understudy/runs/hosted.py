"""The hosted tools of a run: which there are, what its model calls them, how their calls begin."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import to_builtins

from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import FileSearchCall, FileSearchToolCall, StepRankingOptions
from understudy.wire.objects.tools import FileSearchTool, FunctionTool

HostedType = Literal["file_search", "code_interpreter"]
# What hosted tools the model is offered: Chat Completions tools by type.
Offers = Mapping[HostedType, dict[str, Any]]


def hosted_types(run: Run) -> list[HostedType]:
    """Return the types of the run's tools that the server itself has to execute, each once."""
    types = (to_builtins(one)["type"] for one in run.tools if not isinstance(one, FunctionTool))
    return list(dict.fromkeys(types))


def hosted_names(run: Run) -> dict[HostedType, str]:
    """Return the names that the model knows the hosted tools by: functions keep theirs."""
    taken = {one.function.name for one in run.tools if isinstance(one, FunctionTool)}
    return {type_: _free_name(type_, taken) for type_ in hosted_types(run)}


def _free_name(type_: HostedType, taken: set[str]) -> str:
    name: str = type_
    while name in taken:
        name = f"hosted_{name}"
    return name


def begun_search(run: Run, call_id: str) -> FileSearchToolCall:
    """Return a search of the run before it has found anything (STR-08)."""
    options = ranking_options(run)
    return FileSearchToolCall(id=call_id, file_search=FileSearchCall(ranking_options=options))


def ranking_options(run: Run) -> StepRankingOptions:
    """Return how the run's searches are ranked, as their calls show it (STEP-08)."""
    tools = (one.file_search for one in run.tools if isinstance(one, FileSearchTool))
    options = next((tool.ranking_options for tool in tools), None)
    if options is None:
        return StepRankingOptions()
    return StepRankingOptions(ranker=options.ranker, score_threshold=options.score_threshold)
