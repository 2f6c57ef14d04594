"""The tool loop: runs whose model searches, is interrupted, dies, and cites what it has found."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from understudy.clock import ManualClock
from understudy.errors import UpstreamBusy
from understudy.runs.happenings import Claimed
from understudy.runs.machine import apply
from understudy.runs.planning import HOSTED_ROUNDS_MAX
from understudy.storage.changes import CommitRun
from understudy.tools.base import ToolFailed
from understudy.upstream.base import Usage
from understudy.wire.objects.messages import FileCitationAnnotation, Message, TextContent
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import FileSearchToolCall, RunStep, ToolCall, ToolCallsDetails
from understudy.wire.objects.tools import (
    FileSearchTool,
    FunctionDefinition,
    FunctionTool,
    NamedToolChoice,
)

from .library import Library
from .puppet import BOUND, Puppet
from .stage import Client, F, Stage, staged
from .test_workers import LEASE_SECONDS, kill, lose_lease

SEARCH = FileSearchTool()
SEARCHING = [
    "run.created",
    "run.queued",
    "run.in_progress",
    "run.step.created",
    "run.step.in_progress",
    "run.step.delta",
    "run.step.completed",
]
ANSWERING = [
    "run.step.created",
    "run.step.in_progress",
    "message.created",
    "message.in_progress",
    "message.delta",
    "message.completed",
    "run.step.completed",
    "run.completed",
]


@pytest.fixture
def model() -> Puppet:
    """Give a model that waits for the test."""
    return Puppet()


@pytest.fixture
def library() -> Library:
    """Give a search over two passages."""
    return Library()


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands still."""
    return ManualClock()


@pytest.fixture
async def stage(
    tmp_path: Path, model: Puppet, library: Library, clock: ManualClock
) -> AsyncIterator[Stage]:
    """Give a stage with one worker who can search."""
    async with staged(tmp_path, model, clock=clock, tools=[library]) as stage:
        yield stage


async def searched(stage: Stage, model: Puppet, query: str = "Oslo", **more: Any) -> Client:
    """Ask for a run and let its model search once."""
    client = await stage.ask("What is the weather?", **{"tools": [SEARCH], **more})
    (await model.called()).search(query).finish("tool_calls")
    await client.hears("run.step.completed")
    return client


def calls_of(step: RunStep) -> list[ToolCall]:
    assert isinstance(step.step_details, ToolCallsDetails)
    return step.step_details.tool_calls


def cited(message: Message) -> list[tuple[str, str, str]]:
    """Return marker, file and quote of each citation; the indices have to fit (ANN-02)."""
    found = []
    for part in message.content:
        assert isinstance(part, TextContent)
        for one in part.text.annotations:
            assert isinstance(one, FileCitationAnnotation)
            assert part.text.value[one.start_index : one.end_index] == one.text
            found.append((one.text, one.file_citation.file_id, str(one.file_citation.quote)))
    return found


def reason_of(run: Run) -> str:
    assert run.last_error is not None
    assert run.last_error.code == "server_error"
    return run.last_error.message


async def test_a_model_searches_reads_and_cites(
    stage: Stage, model: Puppet, library: Library
) -> None:
    """STR-08, STR-11, STEP-08, ANN-02, ANN-03: one leg, two turns of the model."""
    client = await searched(stage, model)
    call = await model.called()
    asked, found = call.request.messages[-2:]
    assert asked["tool_calls"][0]["function"]["name"] == "file_search"
    assert "【1:0†source】 rain.txt\nIt rains in Oslo." in found["content"]
    call.say("Né: it rains 【1", ":0†sou", "rce】 and snows【1:1】.").finish()
    run = await client.stops()
    assert (run.status, client.names) == ("completed", [*SEARCHING, *ANSWERING])
    assert client.text == "Né: it rains 【1:0†source】 and snows【1:1†source】."
    _, answer = await stage.messages(client)
    assert cited(answer) == [
        ("【1:0†source】", "file-rain", "It rains in Oslo."),
        ("【1:1†source】", "file-snow", "It snows in Oslo."),
    ]
    assert run.usage is not None
    assert run.usage.total_tokens == 50
    assert (await stage.record(client)).state.attempt == 1
    (use,) = library.uses
    assert (use.project_id, use.run.id, use.place) == ("proj_1", run.id, 1)


async def test_the_step_of_a_search_keeps_all_that_the_model_reads_again(
    stage: Stage, model: Puppet
) -> None:
    """STEP-08, STEP-09: query, place and content stand in the row."""
    client = await searched(stage, model, "rains")
    (step,) = await stage.steps(client)
    (call,) = calls_of(step)
    assert isinstance(call, FileSearchToolCall)
    search = call.file_search
    assert (step.status, search.query, search.place) == ("completed", "rains", 1)
    assert [str(one.content[0].text) for one in search.results if one.content] == [
        "It rains in Oslo."
    ]
    assert step.usage is not None
    assert step.usage.total_tokens == 25


async def test_searches_go_on_round_after_round(stage: Stage, model: Puppet) -> None:
    """ANN-03: each search has a place of its own, and all its passages can be cited."""
    client = await searched(stage, model, "rains")
    (await model.called()).say("More.").search("snows", "Oslo").finish("tool_calls")
    call = await model.called()
    assert [one["role"] for one in call.request.messages] == [
        *("user", "assistant", "tool", "assistant", "tool", "tool")
    ]
    assert call.request.messages[3]["content"] == "More."
    call.say("It does【1:0†source】【2:0†source】【3:1†source】.").finish()
    await client.stops()
    *_, answer = await stage.messages(client)
    assert [file for _, file, _ in cited(answer)] == ["file-rain", "file-snow", "file-snow"]
    kinds = [step.type for step in await stage.steps(client)]
    assert kinds == ["tool_calls", "message_creation", "tool_calls", "message_creation"]


async def test_functions_and_searches_of_one_turn_share_a_step(
    stage: Stage, model: Puppet, library: Library
) -> None:
    """STEP-05, RUN-12, RUN-13: searches first, then the client is asked for its own calls only."""
    client = await stage.ask(tools=[SEARCH, F])
    (await model.called()).search("rains").call("{}").search("snows").finish("tool_calls")
    run = await client.stops()
    assert len(library.uses) == 2
    assert (run.status, client.names[-2:]) == (
        "requires_action",
        ["run.step.delta", "run.requires_action"],
    )
    assert run.required_action is not None
    (asked,) = run.required_action.submit_tool_outputs.tool_calls
    assert asked.id == "call_1"
    (step,) = await stage.steps(client)
    assert (step.status, [one.id for one in calls_of(step)]) == (
        "in_progress",
        ["call_0", "call_1", "call_2"],
    )
    await stage.submit(client, call_1="12 C")
    call = await model.called()
    outputs = [one["content"] for one in call.request.messages[-3:]]
    assert [text.split("\n")[-1] for text in outputs] == [
        *("It rains in Oslo.", "12 C", "It snows in Oslo.")
    ]
    call.say("It is 12 C and rains【1:0†source】.").finish()
    await client.stops(times=2)
    *_, answer = await stage.messages(client)
    assert len(cited(answer)) == 1
    assert len(library.uses) == 2


async def test_what_was_found_is_read_again_after_the_client_has_worked(
    stage: Stage, model: Puppet, library: Library
) -> None:
    """Three legs, one search: a later leg neither searches again nor forgets."""
    client = await searched(stage, model, tools=[SEARCH, F])
    (await model.called()).call("{}").finish("tool_calls")
    await client.stops()
    await stage.submit(client, call_0="x")
    call = await model.called()
    assert "It rains in Oslo." in call.request.messages[2]["content"]
    call.say("Rain【1:0†source】").finish()
    await client.stops(times=2)
    *_, answer = await stage.messages(client)
    assert (len(cited(answer)), len(library.uses)) == (1, 1)


async def test_a_successor_searches_again_under_the_same_step(
    stage: Stage, model: Puppet, library: Library, clock: ManualClock
) -> None:
    """The first worker died while its search was under way."""
    library.close()
    client = await stage.ask(tools=[SEARCH])
    (await model.called()).search("Oslo").finish("tool_calls")
    await library.asked()
    await client.hears("run.step.delta")
    await kill(stage.workers[0], stage)
    library.open()
    stage.hire()
    await lose_lease(stage, clock)
    (await model.called()).search("rains").finish("tool_calls")
    (await model.called()).say("Rain【1:0†source】").finish()
    run = await client.stops()
    assert (run.status, client.names) == ("completed", [*SEARCHING, *ANSWERING])
    tool_step, _ = await stage.steps(client)
    (call,) = calls_of(tool_step)
    assert isinstance(call, FileSearchToolCall)
    assert (call.file_search.query, call.file_search.place) == ("rains", 1)
    assert (await stage.record(client)).state.attempt == 2


async def test_a_successor_keeps_what_was_found_and_writes_the_answer_anew(
    stage: Stage, model: Puppet, library: Library, clock: ManualClock
) -> None:
    """The first worker died in the middle of a citation; the client sees each character once."""
    client = await searched(stage, model)
    (await model.called()).say("It rains【1:0†source】 and【1")
    await client.reads("It rains【1:0†source】 and")
    await kill(stage.workers[0], stage)
    stage.hire()
    await lose_lease(stage, clock)
    call = await model.called()
    assert "It rains in Oslo." in call.request.messages[-1]["content"]
    call.say("It rains【1:0†source】 and snows【1:1†source】.").finish()
    run = await client.stops()
    assert (run.status, client.names) == ("completed", [*SEARCHING, *ANSWERING])
    assert client.text == "It rains【1:0†source】 and snows【1:1†source】."
    *_, answer = await stage.messages(client)
    assert (len(cited(answer)), len(library.uses)) == (2, 1)
    assert await stage.answers(client) == [client.text]


async def test_a_worker_that_lost_its_lease_does_nothing_that_another_may_have_done(
    stage: Stage, model: Puppet, library: Library, clock: ManualClock
) -> None:
    """It stood still while another took the run over, and wakes with a search to make."""
    client = await stage.ask(tools=[SEARCH])
    sleeping = (await model.called()).search("Oslo")
    await client.hears("run.step.delta")
    clock.advance(LEASE_SECONDS + 1)
    record = await stage.record(client)
    taken = apply(record.state, Claimed(lease_until=clock.now() + LEASE_SECONDS), 1)
    await stage.ports.storage.write(CommitRun(change=taken, project_id=record.project_id))
    sleeping.finish("tool_calls")
    await asyncio.wait_for(sleeping.closed.wait(), BOUND)
    await stage.workers[0].drain(BOUND)
    assert library.uses == []
    assert (await stage.record(client)).state.attempt == 2


async def test_a_worker_whose_lease_ran_out_unnoticed_takes_it_again_and_goes_on(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    client = await stage.ask(tools=[SEARCH])
    sleeping = await model.called()
    clock.advance(LEASE_SECONDS + 1)
    sleeping.search("Oslo").finish("tool_calls")
    await client.hears("run.step.completed")
    answering = await model.called()
    assert (await stage.record(client)).lease_until == clock.now() + LEASE_SECONDS
    answering.say("Rain").finish()
    assert (await client.stops()).status == "completed"
    assert (await stage.record(client)).state.attempt == 1


async def test_a_run_is_retold_as_it_was_told(stage: Stage, model: Puppet) -> None:
    client = await searched(stage, model)
    (await model.called()).say("It rains【1:0†source】.").finish()
    await client.stops()
    again = await stage.watch(client)
    await again.stops()
    assert again.events == client.events


@pytest.mark.parametrize("at", ["search", "answer"])
async def test_a_cancel_ends_what_is_open(
    stage: Stage, model: Puppet, library: Library, at: str
) -> None:
    """STEP-11, STR-13, MSG-14: during the search, and during the answer with half a marker."""
    client = await _interruptible(stage, model, library, at)
    await stage.cancel(client)
    run = await client.stops()
    assert run.status == "cancelled"
    await _check_end(stage, client, library, at, "cancelled")


@pytest.mark.parametrize("at", ["search", "answer"])
async def test_an_expiry_ends_what_is_open(
    tmp_path: Path, model: Puppet, library: Library, at: str
) -> None:
    """STEP-11, STR-13, RUN-19."""
    clock = ManualClock()
    async with staged(tmp_path, model, clock=clock, workers=0, tools=[library]) as stage:
        client = await stage.ask(tools=[SEARCH])
        clock.advance(599)
        stage.hire()
        await _go_on(client, model, library, at)
        run = await client.stops()
        assert run.status == "expired"
        await _check_end(stage, client, library, at, "expired")


async def _interruptible(stage: Stage, model: Puppet, library: Library, at: str) -> Client:
    client = await stage.ask(tools=[SEARCH])
    await _go_on(client, model, library, at)
    return client


async def _go_on(client: Client, model: Puppet, library: Library, at: str) -> None:
    """Bring the run to the middle of its search or of its answer."""
    if at == "search":
        library.close()
    (await model.called()).search("Oslo").finish("tool_calls")
    if at == "search":
        await library.asked()
        return
    (await model.called()).say("Rain【1:0†source】 and【1:")
    await client.reads("Rain【1:0†source】 and")


async def _check_end(stage: Stage, client: Client, library: Library, at: str, end: str) -> None:
    steps = await stage.steps(client)
    begun = ["run.cancelling"] if end == "cancelled" else []
    if at == "search":
        assert library.given_up.is_set()
        ((status, (call,)),) = [(step.status, calls_of(step)) for step in steps]
        assert isinstance(call, FileSearchToolCall)
        assert (status, call.id, call.file_search.results) == (end, "call_0", [])
        expected = [*SEARCHING[:-1], *begun]
    else:
        assert [step.status for step in steps] == ["completed", end]
        *_, answer = await stage.messages(client)
        assert (answer.status, len(cited(answer))) == ("incomplete", 1)
        assert await stage.answers(client) == ["Rain【1:0†source】 and"]
        expected = [*SEARCHING, *ANSWERING[:5], *begun, "message.incomplete"]
    assert client.names == [*expected, f"run.step.{end}", f"run.{end}"]
    again = await stage.watch(client)
    await again.stops()
    assert again.text == client.text


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ToolFailed("Vector store 'vs_1' has expired."), "Vector store 'vs_1' has expired."),
        (ZeroDivisionError(), "Sorry, something went wrong."),
        (UpstreamBusy("No embeddings.", rate_limited=False), "No embeddings."),
    ],
)
async def test_a_tool_that_fails_fails_its_run_and_step(
    stage: Stage, model: Puppet, library: Library, error: Exception, message: str
) -> None:
    """RUN-1A, STR-13, STEP-10: and the model is not asked again."""
    library.error = error
    client = await stage.ask(tools=[SEARCH])
    (await model.called()).search("Oslo").finish("tool_calls")
    run = await client.stops()
    assert (run.status, reason_of(run), model.calls) == ("failed", message, 1)
    assert client.names == [*SEARCHING[:-1], "run.step.failed", "run.failed"]
    (step,) = await stage.steps(client)
    assert step.last_error == run.last_error


async def test_a_tool_that_cannot_begin_fails_its_run(
    stage: Stage, model: Puppet, library: Library
) -> None:
    """RUN-1A: before the model is asked for anything."""
    library.refusal = ToolFailed("Vector store 'vs_1' has expired.")
    run = await (await stage.ask(tools=[SEARCH])).stops()
    assert (reason_of(run), model.calls) == ("Vector store 'vs_1' has expired.", 0)


async def test_without_the_tool_the_run_fails_at_once(tmp_path: Path, model: Puppet) -> None:
    async with staged(tmp_path, model) as stage:
        run = await (await stage.ask(tools=[SEARCH])).stops()
        message = "The tool 'file_search' is not available on this server."
        assert (reason_of(run), model.calls) == (message, 0)


async def test_a_search_without_files_is_not_offered(
    stage: Stage, model: Puppet, library: Library
) -> None:
    library.has_files = False
    choice = NamedToolChoice("file_search")
    client = await stage.ask(tools=[SEARCH], tool_choice=choice)
    call = await model.called()
    assert (call.request.tools, call.request.tool_choice) == ([], None)
    call.say("I know nothing.").finish()
    assert (await client.stops()).status == "completed"


async def test_a_function_of_the_same_name_stays_the_clients(
    stage: Stage, model: Puppet, library: Library
) -> None:
    """RUN-12: the hosted one goes by another name."""
    function = FunctionTool(FunctionDefinition(name="file_search"))
    client = await stage.ask(tools=[SEARCH, function])
    call = await model.called()
    names = [tool["function"]["name"] for tool in call.request.tools]
    assert names == ["file_search", "hosted_file_search"]
    call.search("Oslo", name="hosted_file_search").finish("tool_calls")
    call = await model.called()
    assert call.request.messages[1]["tool_calls"][0]["function"]["name"] == "hosted_file_search"
    call.search("Oslo").finish("tool_calls")
    assert (await client.stops()).status == "requires_action"
    assert len(library.uses) == 1


async def test_a_forced_search_is_forced_once(stage: Stage, model: Puppet) -> None:
    """RUN-33."""
    choice = NamedToolChoice("file_search")
    client = await stage.ask(tools=[SEARCH, F], tool_choice=choice)
    call = await model.called()
    assert call.request.tool_choice == {"type": "function", "function": {"name": "file_search"}}
    call.search("Oslo").finish("tool_calls")
    call = await model.called()
    assert call.request.tool_choice is None
    call.say("Rain").finish()
    await client.stops()


async def test_one_call_at_a_time_holds_for_searches(
    stage: Stage, model: Puppet, library: Library
) -> None:
    """RUN-35."""
    client = await stage.ask(tools=[SEARCH], parallel_tool_calls=False)
    call = await model.called()
    assert call.request.parallel_tool_calls is False
    call.search("rains", "snows").finish("tool_calls")
    (await model.called()).say("Rain").finish()
    await client.stops()
    assert len(library.uses) == 1


@pytest.mark.parametrize("budget", ["max_prompt_tokens", "max_completion_tokens"])
async def test_a_budget_that_a_search_has_spent_ends_the_run(
    stage: Stage, model: Puppet, budget: str
) -> None:
    """RUN-30, RUN-16, RUN-1F: over all calls of the loop."""
    budgets: dict[str, Any] = {budget: 5}
    client = await searched(stage, model, **budgets)
    run = await client.stops()
    assert (run.status, model.calls) == ("incomplete", 1)
    assert run.incomplete_details is not None
    assert run.incomplete_details.reason == budget
    assert client.names == [*SEARCHING, "run.incomplete"]


async def test_later_turns_have_what_earlier_ones_left(stage: Stage, model: Puppet) -> None:
    """RUN-30."""
    client = await stage.ask(tools=[SEARCH], max_completion_tokens=1000)
    spent = Usage(prompt_tokens=200, completion_tokens=300)
    (await model.called()).search("Oslo").finish("tool_calls", spent)
    call = await model.called()
    assert call.request.max_completion_tokens == 700
    call.say("Rain").finish()
    await client.stops()


async def test_a_turn_that_is_cut_off_amid_its_call_searches_nothing(
    stage: Stage, model: Puppet, library: Library
) -> None:
    """RUN-16: the arguments are not whole."""
    client = await stage.ask(tools=[SEARCH])
    (await model.called()).search("Oslo").finish("length")
    run = await client.stops()
    assert (run.status, library.uses) == ("incomplete", [])


async def test_a_model_that_only_searches_comes_to_an_answer(stage: Stage, model: Puppet) -> None:
    client = await stage.ask(tools=[SEARCH, F])
    for _ in range(HOSTED_ROUNDS_MAX):
        call = await model.called()
        assert (call.request.tool_choice, len(call.request.tools)) == (None, 2)
        call.search("Oslo").finish("tool_calls")
    call = await model.called()
    assert (call.request.tool_choice, len(call.request.tools)) == ("none", 2)
    call.say("Rain").finish()
    assert (await client.stops()).status == "completed"


async def test_a_model_that_never_stops_searching_fails_its_run(
    stage: Stage, model: Puppet, library: Library
) -> None:
    """It searches when told not to, and even when it has not been told that it can."""
    client = await stage.ask(tools=[SEARCH])
    for _ in range(HOSTED_ROUNDS_MAX + 2):
        call = await model.called()
        call.search("Oslo").finish("tool_calls")
    assert call.request.tools == []
    run = await client.stops()
    assert (run.status, model.calls) == ("failed", len(library.uses))
    assert reason_of(run) == "The model does not stop calling tools."


async def test_invented_markers_are_left_out(stage: Stage, model: Puppet) -> None:
    """ANN-03: no marker without an annotation, and no message of nothing but such markers."""
    client = await searched(stage, model, "rains")
    call = await model.called()
    call.say(
        "【1:1†source】", "Rain【1:0†source】【1:1†source】【9:9†", "a.txt】", "!【1:0†s"
    ).finish()
    await client.stops()
    assert await stage.answers(client) == ["Rain【1:0†source】!"]
    client = await searched(stage, model)
    (await model.called()).say("【9:0†source】").finish()
    run = await client.stops()
    assert (run.status, await stage.answers(client)) == ("completed", [])


async def test_a_run_that_cannot_search_says_what_it_wants(stage: Stage, model: Puppet) -> None:
    """Nothing is held back there, and nobody looks for markers."""
    client = await stage.ask(tools=[F])
    call = await model.called()
    call.say("【4:0†")
    await client.reads("【4:0†")
    call.say("source】").finish()
    await client.stops()
    assert await stage.answers(client) == ["【4:0†source】"]


@pytest.mark.parametrize("rounds", [0, 1])
async def test_a_run_that_has_found_nothing_cites_nothing(
    stage: Stage, model: Puppet, rounds: int
) -> None:
    """ANN-03: whether it has searched or not."""
    client = await stage.ask(tools=[SEARCH])
    for _ in range(rounds):
        (await model.called()).search("Bergen").finish("tool_calls")
    (await model.called()).say("As I said: rain【4:0†source】.").finish()
    await client.stops()
    assert await stage.answers(client) == ["As I said: rain."]


async def test_text_before_a_call_ends_before_it(stage: Stage, model: Puppet) -> None:
    """What is held back is told or given up when the calls begin."""
    client = await searched(stage, model)
    (await model.called()).say("One【1:0】 【").search("rains").finish("tool_calls")
    (await model.called()).say("Two").finish()
    await client.stops()
    assert await stage.answers(client) == ["One【1:0†source】 【", "Two"]
    _, first, _ = await stage.messages(client)
    assert len(cited(first)) == 1


async def test_markers_of_an_older_run_stand_for_nothing_in_the_next_one(
    stage: Stage, model: Puppet, library: Library
) -> None:
    """ANN-03: places are not given twice in a thread."""
    first = await searched(stage, model)
    (await model.called()).search("rains", "snows", "Oslo").finish("tool_calls")
    (await model.called()).say("Rain【4:0†source】").finish()
    await first.stops()
    again = await searched(stage, model, thread_id=first.thread_id)
    call = await model.called()
    assert "【5:0†source】" in call.request.messages[-1]["content"]
    call.say("As I said: rain【4:0†source】【5:0†source】").finish()
    await again.stops()
    assert (await stage.answers(again))[-1] == "As I said: rain【5:0†source】"
    assert [use.place for use in library.uses] == [1, 2, 3, 4, 5]
