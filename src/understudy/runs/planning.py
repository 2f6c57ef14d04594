"""Decides what the next model call of a run may cost and which tools it may use."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

from msgspec import Struct, to_builtins

from understudy.runs.hosted import Offers, hosted_names
from understudy.runs.state import RunState
from understudy.wire.objects.runs import Run, RunIncompleteReason
from understudy.wire.objects.steps import FunctionToolCall, ToolCallsDetails
from understudy.wire.objects.tools import (
    FunctionTool,
    NamedToolChoice,
    ResponseFormat,
)

# So many turns in a row a model may spend on hosted tools. Then it is told to call none, which not
# every server honours, and after one more turn none is offered.
HOSTED_ROUNDS_MAX = 12
NO_OFFERS: Offers = MappingProxyType({})


class Plan(Struct, frozen=True, kw_only=True):
    """The next model call: what is left of the budgets, and how tools are chosen."""

    prompt_tokens_max: int | None
    completion_tokens_max: int | None
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any] | None
    parallel_tool_calls: bool | None
    response_format: dict[str, Any] | None


def plan(
    state: RunState, window_tokens: int | None, offers: Offers = NO_OFFERS
) -> Plan | RunIncompleteReason:
    """Return the plan for the next call, or the budget that is spent (RUN-30).

    ``window_tokens`` is the model's context window where it is known; ``offers`` are the hosted
    tools that this run can use.
    """
    run, used = state.run, state.usage
    prompt_left = _left(run.max_prompt_tokens, used.prompt_tokens)
    completion_left = _left(run.max_completion_tokens, used.completion_tokens)
    if prompt_left is not None and prompt_left <= 0:
        return "max_prompt_tokens"
    if completion_left is not None and completion_left <= 0:
        return "max_completion_tokens"
    rounds = hosted_rounds(state)
    tools = list(_chat_tools(run, offers)) if rounds <= HOSTED_ROUNDS_MAX else []
    return Plan(
        prompt_tokens_max=_smaller(prompt_left, window_tokens),
        completion_tokens_max=completion_left,
        tools=tools,
        tool_choice=_tool_choice(state, tools, rounds) if tools else None,
        parallel_tool_calls=False if tools and not run.parallel_tool_calls else None,
        response_format=_response_format(run),
    )


def _left(budget: int | None, used: int) -> int | None:
    return None if budget is None else budget - used


def _smaller(one: int | None, two: int | None) -> int | None:
    known = [number for number in (one, two) if number is not None]
    return min(known) if known else None


def hosted_rounds(state: RunState) -> int:
    """Return how many turns in a row, up to now, the model has spent on hosted tools alone."""
    rounds = 0
    for step in reversed(state.steps):
        if isinstance(step.step_details, ToolCallsDetails):
            calls = step.step_details.tool_calls
            if any(isinstance(call, FunctionToolCall) for call in calls):
                break
            rounds += step.status == "completed"
    return rounds


def _chat_tools(run: Run, offers: Offers) -> Iterator[dict[str, Any]]:
    """Yield the client's functions and the hosted tools, each hosted one once, by its free name."""
    for tool in run.tools:
        if isinstance(tool, FunctionTool):
            yield _chat_tool(tool)
    for type_, name in hosted_names(run).items():
        if type_ in offers:
            offered = offers[type_]
            yield {**offered, "function": {**offered["function"], "name": name}}


def _chat_tool(tool: FunctionTool) -> dict[str, Any]:
    function = {key: value for key, value in to_builtins(tool.function).items() if value}
    function.setdefault("parameters", {"type": "object", "properties": {}})
    return {"type": "function", "function": function}


def _is_first_call(state: RunState) -> bool:
    """Return whether no call has been answered; a first call that is made again is still first."""
    return not any(step.type == "tool_calls" and step.status == "completed" for step in state.steps)


def _tool_choice(
    state: RunState, tools: list[dict[str, Any]], rounds: int
) -> str | dict[str, Any] | None:
    """A forced tool binds the first call only, or the run would never end (RUN-33)."""
    choice = state.run.tool_choice
    if choice == "none" or rounds == HOSTED_ROUNDS_MAX:
        return "none"
    if choice == "auto" or not _is_first_call(state):
        return None
    return _forced(choice, state.run, tools) if isinstance(choice, NamedToolChoice) else choice


def _forced(
    choice: NamedToolChoice, run: Run, tools: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the choice in the model's words; a hosted tool that is not offered binds nobody."""
    if choice.type == "function":
        chosen: dict[str, Any] = to_builtins(choice)
        return chosen
    name = hosted_names(run).get(choice.type)
    is_offered = any(tool["function"]["name"] == name for tool in tools)
    return {"type": "function", "function": {"name": name}} if is_offered else None


def _response_format(run: Run) -> dict[str, Any] | None:
    wanted = run.response_format
    if not isinstance(wanted, ResponseFormat) or wanted.type == "text":
        return None
    format_: dict[str, Any] = to_builtins(wanted)
    return format_
