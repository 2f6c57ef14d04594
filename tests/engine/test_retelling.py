"""What the engine tells live is what the rows tell again, whatever model and tools do.

``tests/runs/test_transcript.py`` tells the events of a run by itself. Here legs of the engine tell
them: the model writes text and calls in any order and in any pieces, tools work and fail, legs die
and others take over. No clock runs: a scene has beats, and trouble comes at one of them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from tests.runs.playing import (
    IMAGE,
    annotated,
    code_call,
    piece,
)
from tests.runs.scenes import pieces
from understudy.clock import ManualClock
from understudy.engine.leg import Leg
from understudy.operations.streams import follow
from understudy.runs.cells import CellOutputs
from understudy.runs.code_arguments import code_in
from understudy.runs.hosted import HostedType
from understudy.runs.status import TERMINAL
from understudy.runs.transcript import unseen
from understudy.storage.records import RunHistory, Scope
from understudy.tools.base import HostedTool, ToolFailed, ToolUse
from understudy.upstream.base import (
    Finished,
    FinishReason,
    ModelEvent,
    ModelRequest,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
)
from understudy.wire.events import BEGINNING, EventId, RunEvent
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import CodeInterpreterToolCall, FileSearchToolCall
from understudy.wire.objects.tools import (
    CodeInterpreterTool,
    FileSearchTool,
    FunctionDefinition,
    FunctionTool,
)

from .library import Library
from .puppet import BOUND, Puppet
from .stage import ME, PATIENCE_SECONDS, Client, Stage, staged

Kind = Literal["failure", "cancel", "expiry", "crash"]
# What the model says and calls in one go, batch by batch.
Turn = tuple[tuple[ModelEvent, ...], ...]
# What stands at one position: part of an object, what is added to it, and its annotations.
Share = tuple[tuple[str, int, str], Any, list[tuple[int, int]]]
Beat = Callable[[], Awaitable[None]]

LEASE_UNTIL = 2e9
FUNCTION = FunctionTool(FunctionDefinition(name="weather"))
HOSTED = [FileSearchTool(), CodeInterpreterTool()]
ARGUMENTS = {
    "weather": ["{}", '{"city": "Tromsø 🙂"}', "", '{"city'],
    "file_search": ['{"query": "Oslo"}'],
    "code_interpreter": [
        '{"code": "print(1)\\n🙂"}',
        "print(2)",
        "```python\nprint(3)\n```",
        '{"code": "pri',
    ],
}
ENDS: tuple[Kind, ...] = ("failure", "cancel", "expiry")
MOSTLY_CRASHES: tuple[Kind, ...] = ("crash", "crash", "crash", "crash", "crash", *ENDS)
LAST_TURN: Turn = ((TextDelta("Done."),), (Finished("stop"),))
CALM = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=False
)


class Crashed(BaseException):
    """The process of the leg is gone; no handler of errors sees it."""


class Trouble(Struct, frozen=True):
    """What comes in between, so many beats after the trouble before."""

    kind: Kind
    beats: int


class Scene(Struct, frozen=True):
    """A run: what its model says in each turn, what its cells give, and what goes wrong."""

    turns: tuple[Turn, ...]
    outputs: tuple[str, ...]
    troubles: tuple[Trouble, ...]
    has_hosted_tools: bool
    is_patient: bool


WORDS = st.builds(
    TextDelta,
    st.sampled_from(["\n", "Hé ", "🙂", "【1", ":0†source】", "【1:0†source】", "【2:1†source】."]),
)
REFUSALS = st.builds(RefusalDelta, st.sampled_from(["No", " 🙂."]))
CITING = [TextDelta("Hé "), TextDelta("【1:0†source】")]
SPEECH = st.just(CITING) | st.lists(WORDS, max_size=3) | st.lists(WORDS | REFUSALS, max_size=3)


@st.composite
def call_pieces(draw: st.DrawFn, *names: str) -> list[ModelEvent]:
    """Draw the pieces of one call, numbered as if it were the only one."""
    name = draw(st.sampled_from(names))
    arguments = draw(st.sampled_from(ARGUMENTS[name]))
    cuts = draw(st.lists(st.integers(1, 20), max_size=3))
    later = [ToolCallDelta(0, arguments=one) for one in pieces(arguments, cuts)]
    return [ToolCallDelta(0, name=name), *later]


def braided(
    words: Sequence[ModelEvent], calls: Sequence[Sequence[ModelEvent]], owners: Sequence[int]
) -> list[ModelEvent]:
    """Return words and calls in the order of their owners; calls are numbered as they begin."""
    rest = [iter(strand) for strand in (words, *calls)]
    numbers: dict[int, int] = {}
    events = []
    for owner in owners:
        event = next(rest[owner])
        if isinstance(event, ToolCallDelta):
            event = replace(event, index=numbers.setdefault(owner, len(numbers)))
        events.append(event)
    return events


CALLS = st.lists(call_pieces(*ARGUMENTS), max_size=3)
HOSTED_CALLS = st.lists(call_pieces("file_search", "code_interpreter"), min_size=1, max_size=3)


@st.composite
def turns(draw: st.DrawFn) -> Turn:
    """Draw what the model says and calls in one go: in order, or all of it interleaved."""
    words, calls = draw(SPEECH), draw(CALLS | HOSTED_CALLS)
    orderly = [owner for owner, strand in enumerate([words, *calls]) for _ in strand]
    owners = draw(st.just(orderly) | st.permutations(orderly))
    usual: FinishReason = "tool_calls" if calls else "stop"
    reason = draw(st.sampled_from([*[usual] * 6, "length", "content_filter"]))
    events = [*braided(words, calls, owners), Finished(reason)]
    size = draw(st.integers(1, 4))
    return tuple(tuple(events[at : at + size]) for at in range(0, len(events), size))


def scenes(*kinds: Kind, troubles_min: int = 0, troubles_max: int = 1) -> st.SearchStrategy[Scene]:
    """Draw scenes with these kinds of trouble."""
    trouble = st.builds(Trouble, st.sampled_from(kinds), st.integers(1, 7))
    return st.builds(
        Scene,
        turns=st.lists(turns(), min_size=1, max_size=4).map(tuple),
        outputs=st.lists(st.sampled_from(["a\n", "é🙂", IMAGE]), max_size=3).map(tuple),
        troubles=st.lists(trouble, min_size=troubles_min, max_size=troubles_max).map(tuple),
        has_hosted_tools=st.sampled_from([True, True, False]),
        is_patient=st.sampled_from([True, True, True, False]),
    )


class Writer(Puppet):
    """A model that writes one turn after the other, and at last an answer."""

    def __init__(self, beat: Beat) -> None:
        super().__init__()
        self.turns: list[Turn] = []
        self._beat = beat

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ModelEvent]]:
        """See the port."""
        del request
        for batch in self.turns.pop(0) if self.turns else LAST_TURN:
            await self._beat()
            yield batch


class Shelves(Library):
    """A search that trouble may come upon."""

    def __init__(self, beat: Beat) -> None:
        super().__init__()
        self._beat = beat

    async def call(self, use: ToolUse, call_id: str, arguments: str) -> FileSearchToolCall:
        """See the port."""
        await self._beat()
        return await super().call(use, call_id, arguments)


class Cells:
    """A code interpreter whose cells all give the same outputs; an empty one is an image."""

    type: HostedType = "code_interpreter"

    def __init__(self, beat: Beat) -> None:
        self.outputs: Sequence[str] = ()
        self._beat = beat

    async def offered(self, run: Run, project_id: str) -> dict[str, Any]:
        """See the port."""
        del run, project_id
        return {"type": "function", "function": {"name": "code_interpreter", "parameters": {}}}

    async def call(self, use: ToolUse, call_id: str, arguments: str) -> CodeInterpreterToolCall:
        """See the port."""
        made = CellOutputs()
        for output in self.outputs:
            await self._beat()
            use.tell_output(made.add_text(output) if output else made.add_image("file-1"))
        return code_call(call_id, code_in(arguments), *self.outputs)


class Theatre:
    """Plays scenes one after the other, each as a run of its own on the same rows."""

    stage: Stage
    client: Client
    leg: Leg

    def __init__(self) -> None:
        self.model = Writer(self.beat)
        self.cells = Cells(self.beat)
        self.tools: list[HostedTool] = [Shelves(self.beat), self.cells]
        self._troubles: list[Trouble] = []
        self._beats = 0

    async def play(self, scene: Scene) -> Client:
        """Play it to its end; return a client who has listened from the beginning."""
        self.model.turns = [*scene.turns]
        self.cells.outputs = scene.outputs
        self._troubles, self._beats = [*scene.troubles], 0
        hosted = HOSTED if scene.has_hosted_tools else []
        self.client = await self.stage.ask(tools=[FUNCTION, *hosted])
        while (await self.stage.run(self.client)).status not in TERMINAL:
            await self._play_leg()
            await self._answer_calls(is_patient=scene.is_patient)
        await self.client.ends()
        return self.client

    async def _play_leg(self) -> None:
        record = await self.stage.record(self.client)
        self.leg = Leg(record, self.stage.ports, self.stage.tools, lease_until=LEASE_UNTIL)
        assert await self.leg.claim()
        with suppress(Crashed):
            await self.leg.run()

    async def _answer_calls(self, *, is_patient: bool) -> None:
        """Send what the run waits for, or lose patience."""
        action = (await self.stage.run(self.client)).required_action
        if action is None:
            return
        if is_patient:
            calls = action.submit_tool_outputs.tool_calls
            await self.stage.submit(self.client, **{call.id: "rain" for call in calls})
        else:
            await self.stage.cancel(self.client)

    async def beat(self) -> None:
        """Go on, unless it is time for trouble."""
        self._beats += 1
        if self._troubles and self._beats >= self._troubles[0].beats:
            self._beats = 0
            await self._come_to(self._troubles.pop(0).kind)

    async def _come_to(self, kind: Kind) -> None:
        if kind == "crash":
            raise Crashed
        if kind == "failure":
            raise ToolFailed("no")
        if kind == "cancel":
            await self.stage.cancel(self.client)
            self.leg.interrupt()
        else:
            self._let_time_run_out()
        await asyncio.sleep(BOUND)

    def _let_time_run_out(self) -> None:
        """Do what the event loop does at the deadline of the run."""
        limit = self.leg._limit
        assert limit is not None
        limit.reschedule(asyncio.get_running_loop().time())

    async def told_again(self, client: Client, after: EventId = BEGINNING) -> list[RunEvent]:
        """Return what somebody is told who comes when all is over."""
        batches = follow(
            self.stage.ports,
            ME,
            client.thread_id,
            client.run_id,
            subscription=await self.stage.dispatch.subscribe(client.run_id),
            after=after,
            listening_since_after=False,
            until_over=True,
            patience_seconds=PATIENCE_SECONDS,
        )
        return [event async for events in batches for event in events]

    async def history(self, client: Client) -> RunHistory:
        """Return all rows of the run."""
        scope = Scope(project_id=ME.project_id, thread_id=client.thread_id)
        history = await self.stage.ports.storage.run_history(scope, client.run_id)
        assert history is not None
        return history


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """Give one event loop for all examples."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def theatre(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """Give one database for all examples: to make one takes longer than to play a scene."""
    theatre = Theatre()
    folder = tmp_path_factory.mktemp("theatre")
    opening = staged(folder, theatre.model, clock=ManualClock(), workers=0, tools=theatre.tools)
    theatre.stage = runner.run(opening.__aenter__())
    yield theatre
    runner.run(opening.__aexit__(None, None, None))


def shares(events: Sequence[RunEvent]) -> dict[int, Share]:
    """Return what stands at each position: a code point, or a header or an image whole."""
    found: dict[int, Share] = {}
    for event in events:
        if event.width:
            place, text = piece(event)
            parts = text if len(text) == event.width else [event.data]
            positions = range(event.position - event.width + 1, event.position + 1)
            for position, part in zip(positions, parts, strict=True):
                found[position] = (place, part, annotated(event))
    return found


def places(events: Sequence[RunEvent]) -> list[EventId]:
    """Return every place that a client may have been shown."""
    return [
        EventId(event.attempt, event.position - behind)
        for event in events
        for behind in range(max(event.width, 1))
    ]


def states(events: Sequence[RunEvent]) -> list[tuple[EventId, str, str]]:
    """Return the events that are no deltas."""
    return [(event.id, event.name, event.data.id) for event in events if not event.width]


def rising(events: Sequence[RunEvent]) -> bool:
    """Return whether each event comes behind the one before."""
    ids = [event.id for event in events]
    return ids == sorted(set(ids))


@CALM
@given(scene=scenes(*ENDS))
def test_each_code_point_is_told_again_where_it_was_told(
    runner: asyncio.Runner, theatre: Theatre, scene: Scene
) -> None:
    """STR-03, STR-07 to STR-11: for all ends of a run, in the middle of calls, too."""
    client = runner.run(theatre.play(scene))
    again = runner.run(theatre.told_again(client))
    assert shares(again) == shares(client.events)
    assert states(again) == states(client.events)


@CALM
@given(scene=scenes(*MOSTLY_CRASHES, troubles_min=1, troubles_max=4))
def test_no_state_is_lost_when_legs_die(
    runner: asyncio.Runner, theatre: Theatre, scene: Scene
) -> None:
    """Live and told again, states are those of the journal, and ids rise."""
    client = runner.run(theatre.play(scene))
    again = runner.run(theatre.told_again(client))
    journal = runner.run(theatre.history(client)).journal
    entries = [(EventId(one.attempt, one.position), one.name, one.object_id) for one in journal]
    assert states(again) == states(client.events) == entries
    assert rising(again)
    assert rising(client.events)


@CALM
@given(scene=scenes(*ENDS), number=st.integers(0, 200))
def test_a_client_that_comes_back_is_told_the_rest(
    runner: asyncio.Runner, theatre: Theatre, scene: Scene, number: int
) -> None:
    """STR-03: from any place that it was shown, in the middle of deltas, too."""
    client = runner.run(theatre.play(scene))
    shown = places(client.events)
    at = shown[number % len(shown)]
    again = runner.run(theatre.told_again(client, at))
    rest = [one for event in client.events if (one := unseen(event, at)) is not None]
    assert shares(again) == shares(rest)
    assert states(again) == states(rest)
