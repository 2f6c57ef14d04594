"""Decides what the next model call of a run may cost and which tools it may use."""

from typing import Any

from msgspec import Struct, to_builtins

from understudy.runs.state import RunState
from understudy.wire.objects.runs import Run, RunIncompleteReason
from understudy.wire.objects.tools import (
    FunctionTool,
    NamedToolChoice,
    ResponseFormat,
)


class Plan(Struct, frozen=True, kw_only=True):
    """The next model call: what is left of the budgets, and how tools are chosen."""

    prompt_tokens_max: int | None
    completion_tokens_max: int | None
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any] | None
    parallel_tool_calls: bool | None
    response_format: dict[str, Any] | None


def plan(state: RunState, window_tokens: int | None) -> Plan | RunIncompleteReason:
    """Return the plan for the next call, or the budget that is spent (RUN-30).

    ``window_tokens`` is the model's context window where it is known.
    """
    run, used = state.run, state.usage
    prompt_left = _left(run.max_prompt_tokens, used.prompt_tokens)
    completion_left = _left(run.max_completion_tokens, used.completion_tokens)
    if prompt_left is not None and prompt_left <= 0:
        return "max_prompt_tokens"
    if completion_left is not None and completion_left <= 0:
        return "max_completion_tokens"
    tools = [_chat_tool(tool) for tool in run.tools if isinstance(tool, FunctionTool)]
    return Plan(
        prompt_tokens_max=_smaller(prompt_left, window_tokens),
        completion_tokens_max=completion_left,
        tools=tools,
        tool_choice=_tool_choice(run, first_call=_is_first_call(state)) if tools else None,
        parallel_tool_calls=False if tools and not run.parallel_tool_calls else None,
        response_format=_response_format(run),
    )


def hosted_tools(run: Run) -> list[str]:
    """Return the types of the run's tools that the server itself has to execute."""
    return [to_builtins(t)["type"] for t in run.tools if not isinstance(t, FunctionTool)]


def _left(budget: int | None, used: int) -> int | None:
    return None if budget is None else budget - used


def _smaller(one: int | None, two: int | None) -> int | None:
    known = [number for number in (one, two) if number is not None]
    return min(known) if known else None


def _chat_tool(tool: FunctionTool) -> dict[str, Any]:
    function = {key: value for key, value in to_builtins(tool.function).items() if value}
    function.setdefault("parameters", {"type": "object", "properties": {}})
    return {"type": "function", "function": function}


def _is_first_call(state: RunState) -> bool:
    """Return whether no call has been answered; a first call that is made again is still first."""
    return not any(step.type == "tool_calls" and step.status == "completed" for step in state.steps)


def _tool_choice(run: Run, *, first_call: bool) -> str | dict[str, Any] | None:
    """A forced tool binds the first call only, or the run would never end (RUN-33)."""
    choice = run.tool_choice
    if choice == "none":
        return "none"
    if not first_call or choice == "auto":
        return None
    if isinstance(choice, NamedToolChoice):
        chosen: dict[str, Any] = to_builtins(choice)
        return chosen if choice.type == "function" else None
    return choice


def _response_format(run: Run) -> dict[str, Any] | None:
    wanted = run.response_format
    if not isinstance(wanted, ResponseFormat) or wanted.type == "text":
        return None
    format_: dict[str, Any] = to_builtins(wanted)
    return format_
