"""Whatever clients, workers, crashes and the clock do to runs, in any order, on real rows.

The machine, the storage and the hold of the engine are the real ones; only time stands still
between the steps. After each step the rows are read on a connection of their own.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from msgspec import json
from msgspec.structs import replace

from understudy.clock import ManualClock
from understudy.dispatch.in_process import InProcessDispatch
from understudy.engine.duties import AllDuties
from understudy.engine.hold import Hold, Superseded
from understudy.engine.sweeper import Sweeper
from understudy.errors import NotAllowed
from understudy.files.opening import files_from
from understudy.ids import new_id
from understudy.operations.ports import Ports
from understudy.retrieval.searching import Searching
from understudy.runs import journal, machine
from understudy.runs.deltas import arguments_delta, call_delta, search_delta, text_delta
from understudy.runs.happenings import (
    Answered,
    BudgetSpent,
    Cancelled,
    CancelRequested,
    Claimed,
    Expired,
    Failed,
    FunctionsCalled,
    Happening,
    HostedToolsRan,
    MessageAbandoned,
    MessageStarted,
    ToolCallsStarted,
    ToolOutputsSubmitted,
)
from understudy.runs.status import CLAIMABLE, TABLE, TERMINAL
from understudy.runs.transcript import Story, retell
from understudy.settings import Settings
from understudy.storage.changes import CommitRun, Delete, Insert, Replace, StartRun
from understudy.storage.records import RunRecord, Scope, ThreadBusy
from understudy.storage.sqlite.chunk_index import SqliteChunkIndex
from understudy.storage.sqlite.store import SqliteStorage
from understudy.upstream.catalogue import Catalogue
from understudy.wire.deltas import StepDelta
from understudy.wire.events import BEGINNING
from understudy.wire.objects.messages import Content, Text, TextContent
from understudy.wire.objects.runs import LastError, Run
from understudy.wire.objects.steps import (
    FileSearchCall,
    FileSearchToolCall,
    FunctionCall,
    FunctionToolCall,
    RunStep,
)
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.usage import Usage

PROJECT = "proj_1"
LEASE_SECONDS = 15.0
LIFE_SECONDS = 600
PICK = st.integers(0, 5)
SPENT = Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
T = TypeVar("T")


def picked(things: Sequence[T], number: int) -> T:
    """Return one of the things, the latest first."""
    return things[-1 - number % len(things)]


class Working(Hold):
    """A hold that remembers what it told of its open message."""

    text = ""
    message_id = ""

    def content(self) -> tuple[Content, ...]:
        """Return the open message as far as it is written."""
        self.follow()
        return (TextContent(Text(self.text)),) if self.text else ()

    def write(self, text: str) -> None:
        """Tell more of the open message."""
        self.follow()
        message = self.state.open_message
        if message is not None:
            delta = text_delta(message.id, 0, text, first=not self.text)
            resumed = self.state.attempt > 1
            self.tell("thread.message.delta", delta, len(text), resumed=resumed)
            self.text += text

    def follow(self) -> None:
        """Forget the text of a message that is no longer open."""
        message = self.state.open_message
        message_id = message.id if message else ""
        if message_id != self.message_id:
            self.text, self.message_id = "", message_id

    def write_call(self, call: FunctionToolCall) -> None:
        """Tell a call of the open tool step."""
        self.tell_step(call_delta(self.tool_step_id, 0, call.id, "f"), 1)
        self.tell_step(arguments_delta(self.tool_step_id, 0, "{}"), 2)

    def write_search(self, call: FileSearchToolCall) -> None:
        """Tell that a search of the open tool step has begun."""
        self.tell_step(search_delta(self.tool_step_id, 0, call), 1)

    @property
    def tool_step_id(self) -> str:
        """Return the open tool step."""
        return next(step.id for step in self.state.open_steps if step.type == "tool_calls")

    def tell_step(self, delta: StepDelta, width: int) -> None:
        """Tell a piece of the open tool step."""
        self.tell("thread.run.step.delta", delta, width, resumed=self.state.attempt > 1)


class Row:
    """A run as it stands in the database."""

    def __init__(self, found: tuple[Any, ...]) -> None:
        self.sequence, self.id, self.thread_id, self.status, self.turn = found[:5]
        self.attempt, self.position, self.deleted_at, self.body = found[5:9]
        self.journal = journal.read(found[9].encode())

    def holds(self, thread_id: str) -> bool:
        """Return whether this run locks the thread."""
        return (self.turn, self.thread_id) == ("holding", thread_id)


class Interleavings(RuleBasedStateMachine):
    """Clients, workers and time, one step at a time."""

    @initialize()
    def open(self) -> None:
        """Open an empty database."""
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        path = self.folder / "understudy.db"
        self.storage = SqliteStorage(path)
        self.clock = ManualClock()
        self.dispatch = InProcessDispatch()
        chunks = SqliteChunkIndex(self.folder / "indexes")
        ports = Ports(
            storage=self.storage,
            chunks=chunks,
            searching=Searching(self.storage, chunks),
            embedder=None,
            dispatch=self.dispatch,
            files=files_from("memory://"),
            models=Catalogue((), {}),
            clock=self.clock,
            settings=Settings(data_dir=self.folder, idempotency_keep_seconds=60),
        )
        self.sweeper = Sweeper(ports, AllDuties())
        self.rows = sqlite3.connect(path)
        self.attempts: Counter[str] = Counter()
        self.ended: dict[str, bytes] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.holds: list[Working] = []
        self.dead: list[Working] = []
        self.threads = [self.new_thread(), self.new_thread()]

    def teardown(self) -> None:
        """Close it and throw it away."""
        if hasattr(self, "runner"):
            self.rows.close()
            self.do(self.storage.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the work to its end."""
        return self.runner.run(work)

    @property
    def now(self) -> int:
        """Return the time in whole seconds."""
        return int(self.clock.now())

    def record(self, run_id: str) -> RunRecord | None:
        """Return the run, or None when it is gone."""
        return self.do(self.storage.run_record(run_id))

    async def write(self, *changes: Any) -> Any:
        """Write on the loop of this machine."""
        return await self.storage.write(*changes)

    def new_thread(self) -> str:
        """Make a thread."""
        thread_id = new_id("thread")
        body = json.encode(Thread(id=thread_id, created_at=self.now))
        row = Insert(
            kind="thread", project_id=PROJECT, id=thread_id, created_at=self.now, body=body
        )
        self.do(self.write(row))
        return thread_id

    @rule(number=PICK, queue=st.booleans())
    def create(self, number: int, *, queue: bool) -> None:
        """A client asks for a run, and takes a refusal or a place in the queue."""
        thread_id = picked(self.threads, number)
        run = Run(
            id=new_id("run"),
            created_at=self.now,
            assistant_id="asst_1",
            thread_id=thread_id,
            model="m",
            expires_at=self.now + LIFE_SECONDS,
        )
        change = machine.create(run, self.now + LIFE_SECONDS)
        busy = next((r.id for r in self.found() if r.holds(thread_id)), None)
        order = StartRun(project_id=PROJECT, change=change, queue=queue)
        if busy is not None and not queue:
            with pytest.raises(ThreadBusy, match=busy):
                self.do(self.write(order))
            return
        written = self.do(self.write(order))
        assert written.active_run_id == busy
        self.metadata[run.id] = {}

    def claimable(self) -> list[str]:
        """Return the runs that workers are offered."""
        return [one.run_id for one in self.do(self.storage.claimable(self.clock.now(), 1000))]

    def in_status(self, *statuses: str) -> list[str]:
        """Return the runs with one of these statuses, the oldest first."""
        return [r.id for r in self.found() if r.status in statuses and r.deleted_at is None]

    @precondition(lambda self: self.claimable())
    @rule(number=PICK, rivals=st.integers(1, 2))
    def claim(self, number: int, rivals: int) -> None:
        """One worker, or two at once, see a run that is free; exactly one gets it."""
        record = self.record(picked(self.claimable(), number))
        assert record is not None
        assert self.is_free(record)
        got: list[Working] = []
        for _ in range(rivals):
            hold = Working(record, self.storage, self.dispatch, self.clock)
            try:
                until = self.clock.now() + LEASE_SECONDS
                self.do(hold.happen(Claimed(lease_until=until)))
            except Superseded:
                continue
            got.append(hold)
        assert len(got) == 1
        self.dead += [hold for hold in self.holds if hold.state.run.id == record.state.run.id]
        self.holds = [hold for hold in self.holds if hold not in self.dead] + got

    def is_free(self, record: RunRecord) -> bool:
        """Return what workers ask before they claim."""
        status = record.state.run.status
        free = record.lease_until is None or record.lease_until < self.clock.now()
        return status in CLAIMABLE and (record.has_turn or status == "cancelling") and free

    @invariant()
    def workers_and_sweeper_mean_the_same_runs(self) -> None:
        """A run that is never offered would never end."""
        records = [self.record(row.id) for row in self.found() if row.deleted_at is None]
        free = [one.state.run.id for one in records if one is not None and self.is_free(one)]
        assert sorted(self.claimable()) == sorted(free)

    def attempt(self, hold: Working, happening: Happening) -> None:
        """A worker lets it happen; if somebody moved first, it looks again and ends a cancel."""
        record = self.record(hold.state.run.id)
        lost = record is None or record.state.attempt != hold.state.attempt
        try:
            self.do(hold.happen(happening))
        except NotAllowed:
            return
        except Superseded:
            if self.do(hold.see_again()) and hold.state.run.status == "cancelling":
                self.do(hold.happen(Cancelled(content=hold.content())))
            return
        assert not lost, "a worker that lost its run has written"

    @precondition(lambda self: self.holds)
    @rule(number=PICK)
    def start_message(self, number: int) -> None:
        """The model begins to write, unless it has."""
        hold = picked(self.holds, number)
        if hold.state.open_message is None and not hold.state.open_steps:
            ids = {"message_id": new_id("msg"), "step_id": new_id("step")}
            self.attempt(hold, MessageStarted(**ids))

    @precondition(lambda self: self.holds)
    @rule(number=PICK, text=st.text(alphabet="aé🙂", min_size=1, max_size=4))
    def tell(self, number: int, text: str) -> None:
        """The model writes on; nothing of it is committed."""
        hold = picked(self.holds, number)
        hold.write(text)
        hold.flush()

    @precondition(lambda self: self.holds)
    @rule(number=PICK)
    def start_calls(self, number: int) -> None:
        """The model begins to call, after what it wrote."""
        hold = picked(self.holds, number)
        if all(step.type != "tool_calls" for step in hold.state.open_steps):
            self.attempt(hold, ToolCallsStarted(step_id=new_id("step"), content=hold.content()))

    @precondition(lambda self: self.holds)
    @rule(number=PICK)
    def abandon(self, number: int) -> None:
        """A successor does not write the message that it found."""
        hold = picked(self.holds, number)
        if hold.state.open_message is not None and hold.state.attempt > 1:
            self.attempt(hold, MessageAbandoned())

    @precondition(lambda self: self.holds)
    @rule(number=PICK)
    def call_at_once(self, number: int) -> None:
        """The model calls a function and says nothing else."""
        self.start_calls(number)
        self.call_functions(number)

    @precondition(lambda self: self.claimable())
    @rule(number=PICK, text=st.text(alphabet="aé🙂", min_size=1, max_size=4))
    def write_at_once(self, number: int, text: str) -> None:
        """A worker comes, and its model begins to write."""
        self.claim(number, 1)
        self.start_message(0)
        self.tell(0, text)

    @precondition(lambda self: self.holds)
    @rule(number=PICK)
    def call_functions(self, number: int) -> None:
        """The model's turn ends with a call."""
        hold = picked(self.holds, number)
        if any(step.type == "tool_calls" for step in hold.state.open_steps):
            call = FunctionToolCall(
                id=new_id("call"), function=FunctionCall(name="f", arguments="{}")
            )
            hold.write_call(call)
            happening = FunctionsCalled(calls=(call,), usage=SPENT)
            self.attempt(hold, happening)

    @precondition(lambda self: self.holds)
    @rule(number=PICK)
    def search(self, number: int) -> None:
        """The model's turn ends with a search, and its worker goes on."""
        hold = picked(self.holds, number)
        if any(step.type == "tool_calls" for step in hold.state.open_steps):
            search = FileSearchCall(query="what", place=1)
            call = FileSearchToolCall(id=new_id("call"), file_search=search)
            hold.write_search(call)
            happening = HostedToolsRan(calls=(call,), usage=SPENT)
            self.attempt(hold, happening)

    @precondition(lambda self: self.holds)
    @rule(number=PICK)
    def search_at_once(self, number: int) -> None:
        """The model searches and says nothing else."""
        self.start_calls(number)
        self.search(number)

    @precondition(lambda self: self.holds)
    @rule(number=PICK, end=st.sampled_from(["answered", "budget", "failed", "expired"]))
    def end(self, number: int, end: str) -> None:
        """The model's turn ends the run."""
        hold = picked(self.holds, number)
        content = hold.content()
        ends: dict[str, Happening] = {
            "answered": Answered(content=content, usage=SPENT),
            "budget": BudgetSpent(reason="content_filter", content=content, usage=SPENT),
            "failed": Failed(error=LastError("server_error", "no"), content=content),
            "expired": Expired(content=content),
        }
        self.attempt(hold, ends[end])

    @precondition(lambda self: self.holds)
    @rule(number=PICK)
    def crash(self, number: int) -> None:
        """A worker dies, or only sleeps, and its lease runs out."""
        hold = picked(self.holds, number)
        self.holds.remove(hold)
        self.dead.append(hold)
        self.clock.advance(LEASE_SECONDS + 1)

    @precondition(lambda self: self.dead)
    @rule(number=PICK, happening=st.sampled_from(["message", "answer", "expire"]))
    def wake_up_dead(self, number: int, happening: str) -> None:
        """A worker that was believed dead goes on; only with its attempt may it write."""
        hold = picked(self.dead, number)
        record = self.record(hold.state.run.id)
        lost = record is None or record.state.attempt != hold.state.attempt
        if not lost:
            return
        wanted: dict[str, Happening] = {
            "message": MessageStarted(message_id=new_id("msg"), step_id=new_id("step")),
            "answer": Answered(content=hold.content(), usage=SPENT),
            "expire": Expired(content=hold.content()),
        }
        try:
            self.do(hold.happen(wanted[happening]))
        except (Superseded, NotAllowed):
            assert not self.do(hold.see_again())
            return
        raise AssertionError("a dead worker has written")

    @precondition(lambda self: self.in_status("requires_action"))
    @rule(number=PICK, twice=st.booleans())
    def submit(self, number: int, *, twice: bool) -> None:
        """The client sends outputs, once or twice; the second time is too late (RUN-44)."""
        record = self.record(picked(self.in_status("requires_action"), number))
        assert record is not None
        change = machine.apply(record.state, ToolOutputsSubmitted(outputs={}), self.now)
        order = CommitRun(change=change, project_id=PROJECT)
        assert self.do(self.write(order)).applied
        if twice:
            assert not self.do(self.write(order)).applied

    @precondition(lambda self: self.in_status(*TABLE))
    @rule(number=PICK)
    def cancel(self, number: int) -> None:
        """The client asks for the end."""
        record = self.record(picked(self.in_status(*TABLE), number))
        assert record is not None
        try:
            change = machine.apply(record.state, CancelRequested(), self.now)
        except NotAllowed:
            assert record.state.run.status in TERMINAL | {"cancelling"}
            return
        assert self.do(self.write(CommitRun(change=change, project_id=PROJECT))).applied

    @precondition(lambda self: self.in_status(*TABLE))
    @rule(number=PICK, value=st.text(max_size=3))
    def change_metadata(self, number: int, value: str) -> None:
        """The client writes metadata, in any status (RUN-40)."""
        run_id = picked(self.in_status(*TABLE), number)
        row = self.do(self.storage.fetch("run", Scope(project_id=PROJECT), run_id))
        assert row is not None
        metadata = {"note": value}
        body = json.encode(replace(json.decode(row.body, type=Run), metadata=metadata))
        change = Replace(
            kind="run",
            project_id=PROJECT,
            id=run_id,
            read=row,
            body=body,
            metadata=json.encode(metadata),
        )
        self.do(self.write(change))
        self.metadata[run_id] = metadata

    @precondition(lambda self: len(self.metadata) > 4)
    @rule(number=PICK)
    def delete_thread(self, number: int) -> None:
        """The client deletes a thread, with whatever is in it (THR-05), and makes another."""
        thread_id = picked(self.threads, number)
        self.threads.remove(thread_id)
        self.threads.append(self.new_thread())
        order = Delete(kind="thread", project_id=PROJECT, id=thread_id, now=self.now)
        self.do(self.write(order))

    @rule(seconds=st.sampled_from([1, 16, 200, 601]))
    def let_time_pass(self, seconds: float) -> None:
        """Leases and deadlines run out."""
        self.clock.advance(seconds)

    @rule()
    def sweep(self) -> None:
        """The sweeper looks at the rows; afterwards nothing is overdue that nobody holds."""
        self.do(self.sweeper.sweep())
        assert self.do(self.storage.overdue(self.clock.now(), 10)) == []

    def found(self) -> list[Row]:
        """Return all runs, deleted or not, in the order of their making."""
        return [
            Row(found)
            for found in self.rows.execute(
                "SELECT sequence, id, thread_id, status, turn, attempt, position, deleted_at, "
                "body, journal FROM runs ORDER BY sequence"
            )
        ]

    @invariant()
    def a_thread_has_one_holder_and_turns_go_in_order(self) -> None:
        """RUN-22; a run waits only while another one holds, and only for older ones."""
        holding: dict[str, Row] = {}
        for row in self.found():
            assert (row.turn == "over") == (row.status in TERMINAL)
            if row.turn == "holding":
                assert row.thread_id not in holding
                holding[row.thread_id] = row
        for row in self.found():
            if row.turn == "waiting" and row.status == "queued":
                assert row.thread_id in holding
                assert holding[row.thread_id].sequence < row.sequence

    @invariant()
    def attempts_never_fall_and_ends_are_final(self) -> None:
        """RUN-1B: only a client's metadata and a deletion touch a run that is over."""
        for row in self.found():
            assert row.attempt >= self.attempts[row.id]
            self.attempts[row.id] = row.attempt
            if row.deleted_at is not None:
                self.ended.pop(row.id, None)
                continue
            run = json.decode(row.body, type=Run)
            assert (run.id, run.status) == (row.id, row.status)
            assert run.metadata == self.metadata[row.id]
            if row.status in TERMINAL:
                bare = json.encode(replace(run, metadata={}))
                assert self.ended.setdefault(row.id, bare) == bare

    @invariant()
    def positions_rise_strictly(self) -> None:
        """Each event has its own place, whichever attempt made it."""
        for row in self.found():
            if row.deleted_at is None:
                places = [(entry.attempt, entry.position) for entry in row.journal]
                positions = [position for _, position in places]
                assert places == sorted(set(places))
                assert positions == sorted(set(positions))
                assert positions[-1] <= row.position

    @invariant()
    def nothing_is_doubled_and_nothing_stays_open_behind_the_end(self) -> None:
        """STEP-11: and the tokens of a run are those of its steps (RUN-36)."""
        for row in self.found():
            if row.deleted_at is not None:
                continue
            names = Counter((entry.name, entry.object_id) for entry in row.journal)
            once = {key: n for key, n in names.items() if not key[0].startswith("thread.run.")}
            assert set(once.values()) <= {1}
            assert all(n == 1 for key, n in names.items() if key[0].startswith("thread.run.step."))
            self.check_steps(row)

    def check_steps(self, row: Row) -> None:
        """Check the steps of one run."""
        found = self.rows.execute(
            "SELECT body FROM run_steps WHERE run_id = ? ORDER BY sequence", (row.id,)
        )
        steps = [json.decode(body, type=RunStep) for (body,) in found]
        open_steps = [step for step in steps if step.status == "in_progress"]
        assert len({step.type for step in open_steps}) == len(open_steps)
        if row.status in TERMINAL:
            assert open_steps == []
            run = json.decode(row.body, type=Run)
            if row.status != "completed" or steps:
                summed = sum((step.usage or Usage() for step in steps), Usage())
                assert run.usage in (summed, summed + SPENT)

    @invariant()
    def every_run_can_be_told_again(self) -> None:
        """The story has each entry of the journal, in its order, with its deltas between."""
        for row in self.found():
            if row.deleted_at is not None:
                continue
            scope = Scope(project_id=PROJECT, thread_id=row.thread_id)
            history = self.do(self.storage.run_history(scope, row.id))
            assert history is not None
            story = Story(
                run=history.record.state.run,
                thread=history.thread,
                deadline=history.record.state.deadline,
                journal=history.journal,
                steps=history.steps,
                messages=history.messages,
            )
            told = list(retell(story, BEGINNING))
            assert [event.name for event in told if not event.width] == [
                entry.name for entry in row.journal
            ]
            ids = [event.id for event in told]
            assert ids == sorted(ids)


Interleavings.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=50,
    deadline=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow],
)
TestInterleavings = Interleavings.TestCase
