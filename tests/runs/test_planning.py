"""What the next model call may cost, and which tools it may use."""

from typing import Any

import pytest

from understudy.runs.happenings import FunctionsCalled
from understudy.runs.planning import HOSTED_ROUNDS_MAX, Plan, hosted_rounds, plan
from understudy.wire.objects.tools import (
    FileSearchTool,
    FunctionDefinition,
    FunctionTool,
    JsonSchemaFormat,
    NamedFunction,
    NamedToolChoice,
    ResponseFormat,
)
from understudy.wire.objects.usage import Usage

from .playing import Play, function_call, search_call

WEATHER = FunctionTool(FunctionDefinition(name="get_weather", parameters={"type": "object"}))
NAMED = NamedToolChoice("function", NamedFunction("get_weather"))


def after_a_round(**fields: Any) -> Play:
    """Return a run whose first call used 200 and 300 tokens, and whose client has answered."""
    play = Play(**fields).until_calls()
    used = Usage(prompt_tokens=200, completion_tokens=300, total_tokens=500)
    play.happen(FunctionsCalled(calls=(function_call("call_1"),), usage=used))
    play.submit(call_1="x")
    play.claim()
    return play


def planned(play: Play, window_tokens: int | None = None) -> Plan:
    """Return the plan for the next call, which has to be possible."""
    next_ = plan(play.state, window_tokens)
    assert isinstance(next_, Plan)
    return next_


def test_budgets_are_of_the_run_and_shrink_with_every_call() -> None:
    """RUN-30, the worked example of the hosted guide: 500/1000, then 300/700."""
    fields = {"max_prompt_tokens": 500, "max_completion_tokens": 1000}
    first = planned(Play(**fields))
    assert (first.prompt_tokens_max, first.completion_tokens_max) == (500, 1000)
    second = planned(after_a_round(**fields))
    assert (second.prompt_tokens_max, second.completion_tokens_max) == (300, 700)


def test_a_run_without_budgets_has_no_limit_but_the_window() -> None:
    assert (planned(Play()).prompt_tokens_max, planned(Play()).completion_tokens_max) == (
        None,
        None,
    )
    assert planned(Play(), 8_000).prompt_tokens_max == 8_000


@pytest.mark.parametrize(("window", "expected"), [(100, 100), (9_000, 500)])
def test_the_smaller_of_budget_and_window_holds(window: int, expected: int) -> None:
    """RUN-31."""
    assert planned(Play(max_prompt_tokens=500), window).prompt_tokens_max == expected


@pytest.mark.parametrize("budget", ["max_prompt_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("tokens", [1, 200])
def test_a_spent_budget_names_itself(budget: str, tokens: int) -> None:
    """RUN-30, RUN-1F: the true reason."""
    assert plan(after_a_round(**{budget: tokens}).state, None) == budget


def test_the_last_token_of_a_budget_may_be_used() -> None:
    assert planned(after_a_round(max_completion_tokens=301)).completion_tokens_max == 1


@pytest.mark.parametrize(
    ("choice", "first", "later"),
    [
        ("auto", None, None),
        ("none", "none", "none"),
        ("required", "required", None),
        (NAMED, {"type": "function", "function": {"name": "get_weather"}}, None),
    ],
)
def test_a_forced_tool_binds_the_first_call_only(choice: Any, first: Any, later: Any) -> None:
    """RUN-33: and ``none`` binds every call."""
    fields = {"tools": [WEATHER], "tool_choice": choice}
    assert planned(Play(**fields)).tool_choice == first
    assert planned(after_a_round(**fields)).tool_choice == later


@pytest.mark.parametrize("begin", ["start_message", "start_calls"])
def test_a_first_call_that_is_made_again_is_still_forced(begin: str) -> None:
    """RUN-33: the worker died in the middle of the first call; its successor repeats it."""
    play = Play(tools=[WEATHER], tool_choice="required")
    play.claim()
    getattr(play, begin)()
    play.crash()
    play.claim()
    assert planned(play).tool_choice == "required"


def test_without_functions_nothing_is_said_about_tools() -> None:
    next_ = planned(Play(tool_choice="required", parallel_tool_calls=False))
    assert (next_.tools, next_.tool_choice, next_.parallel_tool_calls) == ([], None, None)


@pytest.mark.parametrize(("parallel", "expected"), [(True, None), (False, False)])
def test_parallel_calls_are_forbidden_only_on_request(
    parallel: bool,  # noqa: FBT001 -- a case, not a switch
    expected: bool | None,  # noqa: FBT001
) -> None:
    """RUN-35."""
    play = Play(tools=[WEATHER], parallel_tool_calls=parallel)
    assert planned(play).parallel_tool_calls is expected


def test_functions_go_to_the_model_as_chat_completions_spells_them() -> None:
    """ASST-05: what is empty is left out, parameters never."""
    bare = FunctionTool(FunctionDefinition(name="get_time", parameters={}))
    strict = FunctionDefinition(
        name="f", description="d", parameters={"type": "object"}, strict=True
    )
    assert planned(Play(tools=[bare, FunctionTool(strict)])).tools == [
        {
            "type": "function",
            "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}},
        },
        {
            "type": "function",
            "function": {
                "name": "f",
                "description": "d",
                "parameters": {"type": "object"},
                "strict": True,
            },
        },
    ]


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ("auto", None),
        ("none", None),
        (ResponseFormat("text"), None),
        (ResponseFormat("json_object"), {"type": "json_object"}),
        (
            ResponseFormat("json_schema", JsonSchemaFormat("answer", schema={"type": "object"})),
            {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": {"type": "object"}},
            },
        ),
    ],
)
def test_the_form_of_the_answer_is_sent_when_it_is_not_plain_text(wanted: Any, sent: Any) -> None:
    """RUN-34."""
    assert planned(Play(response_format=wanted)).response_format == sent


SEARCH: dict[str, Any] = {
    "type": "function",
    "function": {"name": "?", "description": "Look it up.", "parameters": {"type": "object"}},
}


def after_searches(rounds: int, **fields: Any) -> Play:
    """Return a run that has made so many rounds of one search each."""
    play = Play(**{"tools": [FileSearchTool()], **fields})
    play.claim()
    for number in range(rounds):
        play.start_calls(number)
        play.search(search_call(f"call_{number}"))
    return play


def with_search(play: Play) -> Plan:
    """Return the plan when a search is on offer."""
    next_ = plan(play.state, None, {"file_search": SEARCH})
    assert isinstance(next_, Plan)
    return next_


def test_a_hosted_tool_on_offer_stands_behind_the_functions_by_its_free_name() -> None:
    taken = FunctionTool(FunctionDefinition(name="file_search"))
    for tools, names in (
        ([FileSearchTool(), WEATHER], ["get_weather", "file_search"]),
        ([FileSearchTool(), FileSearchTool()], ["file_search"]),
        ([FileSearchTool(), taken], ["file_search", "hosted_file_search"]),
    ):
        next_ = with_search(Play(tools=tools))
        assert [tool["function"]["name"] for tool in next_.tools] == names
    assert next_.tools[1]["function"]["description"] == "Look it up."


def test_a_hosted_tool_that_is_not_on_offer_is_not_spoken_of() -> None:
    """RUN-33: nor can it be forced."""
    fields = {"tools": [FileSearchTool(), WEATHER], "tool_choice": NamedToolChoice("file_search")}
    next_ = planned(Play(**fields))
    assert [tool["function"]["name"] for tool in next_.tools] == ["get_weather"]
    assert next_.tool_choice is None


def test_a_forced_search_binds_the_first_call_only() -> None:
    """RUN-33."""
    choice = NamedToolChoice("file_search")
    forced = {"type": "function", "function": {"name": "file_search"}}
    assert with_search(after_searches(0, tool_choice=choice)).tool_choice == forced
    assert with_search(after_searches(1, tool_choice=choice)).tool_choice is None


def test_a_search_that_is_alone_when_one_call_at_a_time_is_asked_for() -> None:
    """RUN-35."""
    assert with_search(after_searches(0, parallel_tool_calls=False)).parallel_tool_calls is False


def test_a_model_that_only_searches_is_told_to_stop_and_then_offered_nothing() -> None:
    """Not every server honours the choice of no tool; none can call what it has not heard of."""
    last = with_search(after_searches(HOSTED_ROUNDS_MAX - 1))
    assert (last.tool_choice, len(last.tools)) == (None, 1)
    told = with_search(after_searches(HOSTED_ROUNDS_MAX))
    assert (told.tool_choice, len(told.tools)) == ("none", 1)
    bare = with_search(after_searches(HOSTED_ROUNDS_MAX + 1))
    assert (bare.tool_choice, bare.tools) == (None, [])


def test_rounds_are_counted_anew_behind_a_call_of_a_function_and_across_attempts() -> None:
    play = after_searches(3)
    play.start_calls(3)
    play.claim()
    assert hosted_rounds(play.state) == 3
    play.call(function_call("call_f"), search_call("call_s"))
    play.submit(call_f="x")
    play.claim()
    assert hosted_rounds(play.state) == 0


def test_tokens_of_searches_count_against_the_budgets() -> None:
    """RUN-30: over all calls of the loop."""
    play = after_searches(2, max_prompt_tokens=100, max_completion_tokens=11)
    next_ = with_search(play)
    assert (next_.prompt_tokens_max, next_.completion_tokens_max) == (60, 1)
    assert plan(after_searches(2, max_prompt_tokens=40).state, None) == "max_prompt_tokens"
