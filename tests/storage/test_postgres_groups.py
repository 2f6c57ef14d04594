"""Groups of writes in PostgreSQL: one transaction for many callers, who do not feel each other."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Literal

import asyncpg
import pytest

from tests.services.postgres import execute
from understudy.errors import NotAllowed, Unavailable
from understudy.runs import machine
from understudy.runs.happenings import CancelRequested, Expired
from understudy.runs.state import RunState, after
from understudy.storage.base import Storage
from understudy.storage.changes import Change, CommitRun, Delete, Replace, StartRun, Written
from understudy.storage.postgres.alone import apply_alone
from understudy.storage.postgres.connecting import Connection
from understudy.storage.postgres.session import Session
from understudy.storage.postgres.store import PostgresStorage
from understudy.storage.records import Conflict, Scope, Slice, ThreadBusy, ThreadGone

from .rows import (
    ACME,
    DEADLINE,
    NOW,
    answered,
    claimed,
    happen,
    holder,
    make_run,
    make_thread,
    message_row,
    message_started,
    order,
    plain_row,
    recorded,
    start,
    thread_row,
    within,
)

pytestmark = pytest.mark.cluster


@pytest.fixture
async def storage(postgres_url: str) -> AsyncIterator[PostgresStorage]:
    """Give a storage with one connection for writing: what waits together is one group."""
    opened = await PostgresStorage.open(postgres_url, writers=1)
    yield opened
    await opened.close()


@pytest.fixture
async def cluster(postgres_url: str) -> AsyncIterator[list[PostgresStorage]]:
    """Give the storages of several processes."""
    opened = [await PostgresStorage.open(postgres_url, writers=2) for _ in range(3)]
    yield opened
    for one in opened:
        await one.close()


async def transactions(url: str, table: Literal["threads", "runs"]) -> int:
    """Return how many transactions have written the rows of the table."""
    sql = f"SELECT count(DISTINCT xmin::text) FROM {table}"  # noqa: S608
    connection = await asyncpg.connect(url)
    try:
        found: int = await connection.fetchval(sql)
        return found
    finally:
        await connection.close()


async def outcomes(storage: Storage, *writes: Change) -> list[Written | BaseException]:
    """Submit each change by itself, all at once, and return what came of them."""
    return await asyncio.gather(*map(storage.write, writes), return_exceptions=True)


async def plain_run(storage: Storage, number: int | str) -> None:
    """Do the writes of a plain run, as API and worker do."""
    ordered = start(f"run_{number}", f"thread_{number}", messages=())
    assert (await storage.write(ordered)).applied
    state = RunState(
        run=ordered.change.run, position=ordered.change.position, deadline=ordered.change.deadline
    )
    for happening in (claimed(), message_started(number), answered(f"answer {number}")):
        change = machine.apply(state, happening, NOW + 1)
        assert (await storage.write(CommitRun(change=change, project_id=ACME))).applied
        state = after(state, change)


async def test_what_arrives_together_is_committed_together(
    storage: PostgresStorage, postgres_url: str
) -> None:
    await outcomes(storage, *(thread_row(f"thread_{n}") for n in range(20)))
    assert await transactions(postgres_url, "threads") == 1
    await outcomes(storage, *(start(f"run_{n}", f"thread_{n}") for n in range(20)))
    assert await transactions(postgres_url, "runs") == 1


async def test_those_who_are_refused_are_alone(storage: PostgresStorage) -> None:
    await make_run(storage, "run_1", "thread_1")
    stale = order(await recorded(storage), claimed())
    await storage.write(stale)
    await storage.write(*(thread_row(f"thread_{n}") for n in (2, 3, 4)))
    results = await outcomes(
        storage,
        start("run_2", "thread_2", messages=(message_row("msg_2", "thread_2"),)),
        start("run_9", "thread_9"),
        message_row("msg_3", "thread_3", needs_free_thread=True),
        stale,
        start("run_4", "thread_4"),
    )
    kinds = [type(one) for one in results]
    assert kinds == [Written, ThreadGone, Written, Written, Written]
    assert [one.applied for one in results if isinstance(one, Written)] == [True, True, False, True]
    [busy] = await outcomes(storage, start("run_5", "thread_4"))
    assert isinstance(busy, ThreadBusy)
    assert busy.run_id == "run_4"
    assert [one.id for one in await storage.thread_messages("thread_2")] == ["msg_2"]


async def rename(storage: Storage, kind: Literal["run", "message"], object_id: str) -> None:
    """Change the metadata as a client does."""
    row = await storage.fetch(kind, Scope(project_id=ACME), object_id)
    assert row is not None
    fields = dict(id=object_id, read=row, body=row.body, metadata=b'{"by":"client"}')
    await storage.write(Replace(kind=kind, project_id=ACME, **fields))  # type: ignore[arg-type]


async def test_what_is_not_plain_is_done_beside_the_group(storage: PostgresStorage) -> None:
    """Some of those who end together have somebody behind them, or metadata of a client."""
    for number in range(4):
        await make_run(storage, f"run_{number}", f"thread_{number}")
        await happen(storage, claimed(), message_started(number), run_id=f"run_{number}")
    await storage.write(start("run_9", "thread_0", queue=True))
    await rename(storage, "run", "run_1")
    await rename(storage, "message", "msg_a2")
    records = [await recorded(storage, f"run_{number}") for number in range(4)]
    assert await outcomes(storage, *(order(one, answered()) for one in records)) == [
        Written(promoted_run_id="run_9"),
        *[Written()] * 3,
    ]
    ended = [(await recorded(storage, f"run_{number}")).state.run for number in range(4)]
    assert [one.status for one in ended] == ["completed"] * 4
    assert [one.metadata for one in ended] == [{}, {"by": "client"}, {}, {}]
    [message] = await storage.thread_messages("thread_2")
    assert (message.metadata, message.status) == ({"by": "client"}, "completed")
    assert await holder(storage, "thread_0") == "run_9"


@pytest.mark.parametrize("ended", [0, 30], ids=["no runs", "only runs that are over"])
async def test_plans_that_are_kept_from_empty_indexes_read_no_more_later(
    storage: PostgresStorage, postgres_url: str, ended: int
) -> None:
    """Reading the whole of any index costs nothing at first, and very much later."""
    await plain_runs(storage, "first", ended)
    await execute(postgres_url, "VACUUM ANALYZE runs, messages, threads, run_steps")
    before = await rows_read(postgres_url)
    opened = await PostgresStorage.open(postgres_url, writers=1)
    await plain_runs(opened, "early", 1)
    await plain_runs(opened, "late", runs := 300)
    await opened.close()
    async with asyncio.timeout(10):
        while (read := await rows_read(postgres_url) - before) < runs:
            pass
    assert read < 40 * runs


async def plain_runs(storage: Storage, name: str, count: int) -> None:
    """Do plain runs at once, each on a thread that is there."""
    await asyncio.gather(*(make_thread(storage, f"thread_{name}_{n}") for n in range(count)))
    await asyncio.gather(*(plain_run(storage, f"{name}_{n}") for n in range(count)))


async def rows_read(url: str) -> int:
    """Return how many rows the indexes have given; sessions that have ended are counted."""
    connection = await asyncpg.connect(url)
    try:
        found: int = await connection.fetchval(
            "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes "
            "WHERE relname IN ('runs', 'messages', 'threads', 'run_steps')"
        )
        return int(found)
    finally:
        await connection.close()


async def test_one_that_breaks_its_group_fails_alone(storage: PostgresStorage) -> None:
    """A bug or a constraint in one request is nobody else's."""
    await storage.write(thread_row("thread_1"))
    good, bad, also_good = await outcomes(
        storage, thread_row("thread_0"), thread_row("thread_1"), thread_row("thread_2")
    )
    assert (good, also_good) == (Written(), Written())
    assert isinstance(bad, Unavailable)
    assert isinstance(bad.__cause__, asyncpg.UniqueViolationError)
    assert await storage.fetch("thread", within(None), "thread_2") is not None


async def test_writes_to_one_thread_are_done_in_their_order(storage: PostgresStorage) -> None:
    """A group names no thread twice: the second waits for the next one."""
    ordered = start("run_1")
    state = RunState(run=ordered.change.run, position=ordered.change.position, deadline=DEADLINE)
    claim = machine.apply(state, claimed(), NOW + 1)
    begin = machine.apply(after(state, claim), message_started(), NOW + 1)
    writes: list[Change] = [thread_row("thread_1"), ordered]
    writes += [CommitRun(change=change, project_id=ACME) for change in (claim, begin)]
    assert await outcomes(storage, *writes) == [Written()] * 4
    assert len((await recorded(storage)).state.steps) == 1


async def test_many_runs_at_once_are_all_right(cluster: list[PostgresStorage]) -> None:
    count = 200
    await asyncio.gather(*(make_thread(cluster[0], f"thread_{n}") for n in range(count)))
    await asyncio.gather(*(plain_run(cluster[n % 3], n) for n in range(count)))
    for number in range(count):
        scope = Scope(project_id=ACME, thread_id=f"thread_{number}")
        history = await cluster[0].run_history(scope, f"run_{number}")
        assert history is not None
        assert history.record.state.run.status == "completed"
        assert [one.status for one in history.messages.values()] == ["completed"]
        assert len(history.journal) == 10


async def end_as_it_comes(storage: Storage, run_id: str) -> bool:
    """End the run if it has its turn; return whether it was this call that did."""
    record = await recorded(storage, run_id)
    if not record.has_turn or record.state.run.status in ("expired", "completed"):
        return False
    return (await storage.write(order(record, Expired()))).applied


async def test_a_waiting_run_is_never_forgotten(cluster: list[PostgresStorage]) -> None:
    """Runs queue up while those in front of them end, seen from several processes."""
    threads, runs_each = 4, 30
    for number in range(threads):
        await make_thread(cluster[0], f"thread_{number}")

    async def live(run_id: str, thread_id: str, number: int) -> None:
        starter, ender = cluster[number % 3], cluster[(number + 1) % 3]
        await starter.write(start(run_id, thread_id, queue=True))
        for _ in range(2_000):
            if await end_as_it_comes(ender, run_id):
                return
        raise AssertionError(f"{run_id} never had its turn")

    await asyncio.gather(
        *(
            live(f"run_{thread}_{number}", f"thread_{thread}", number)
            for thread in range(threads)
            for number in range(runs_each)
        )
    )
    for number in range(threads):
        assert await cluster[0].unfinished_runs(f"thread_{number}") == []


@pytest.mark.parametrize(
    ("happening", "promoted"), [(None, "run_2"), (CancelRequested(), None)], ids=["queue", "cancel"]
)
async def test_the_end_of_a_run_waits_for_what_is_just_changing_behind_it(
    storage: PostgresStorage,
    postgres_url: str,
    happening: CancelRequested | None,
    promoted: str | None,
) -> None:
    """Another process has written, but not committed yet, that a run waits, or does no more."""
    await make_run(storage)
    change: Change = start("run_2", queue=True)
    if happening is not None:
        await storage.write(change)
        change = order(await recorded(storage, "run_2"), happening)
    ending: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
    end = order(await recorded(storage), Expired())

    async def change_slowly(connection: Connection) -> None:
        nonlocal ending
        assert await apply_alone(connection, [change])
        ending = asyncio.ensure_future(storage.write(end))
        async with asyncio.timeout(10):
            while not (ending.done() or await somebody_waits(connection)):
                pass

    other = Session(postgres_url)
    await other.commit(change_slowly)
    await other.close()
    assert await ending == Written(promoted_run_id=promoted)


async def somebody_waits(connection: Connection) -> bool:
    """Return whether a transaction waits for another one's lock."""
    return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


class Mix:
    """Does what clients and workers do to a few runs, at random."""

    def __init__(self, storage: PostgresStorage, seed: int) -> None:
        self.storage = storage
        self.random = Random(seed)
        self.done = 0

    async def work(self, times: int) -> None:
        """Do something so many times; being refused or late is part of it."""
        for number in range(times):
            thread_id = f"thread_{self.random.randrange(6)}"
            try:
                await self.do(self.random.randrange(7), thread_id, number)
            except (ThreadBusy, ThreadGone, Conflict, NotAllowed):
                continue
            self.done += 1

    async def do(self, deed: int, thread_id: str, number: int) -> None:
        """Do one of the things that can be done."""
        match deed:
            case 0:
                await self.begin(thread_id, f"run_{id(self)}_{number}")
            case 1 | 2:
                await self.go_on(thread_id)
            case 3:
                await self.rename(thread_id)
            case 4:
                await self.renew()
            case 5:
                new = message_row(f"msg_{id(self)}_{number}", thread_id, needs_free_thread=True)
                await self.storage.write(new)
            case _:
                gone = f"thread_{number % 60}"
                await self.storage.write(
                    Delete(kind="thread", project_id=ACME, id=gone, now=NOW),
                    thread_row(f"thread_{id(self)}_{number}"),
                )

    async def begin(self, thread_id: str, run_id: str) -> None:
        message = message_row(f"msg_{run_id}", thread_id)
        ordered: StartRun = start(run_id, thread_id, queue=True, messages=(message,))
        await self.storage.write(ordered)

    async def go_on(self, thread_id: str) -> None:
        for run_id in await self.storage.unfinished_runs(thread_id):
            record = await self.storage.run_record(run_id)
            if record is None:
                return
            happening = self.random.choice([claimed(), CancelRequested(), Expired()])
            if record.state.run.status == "cancelling":
                happening = Expired()
            await self.storage.write(order(record, happening))

    async def rename(self, thread_id: str) -> None:
        for run_id in await self.storage.unfinished_runs(thread_id):
            row = await self.storage.fetch("run", Scope(project_id=ACME), run_id)
            if row is not None:
                change = dict(id=run_id, read=row, body=row.body, metadata=b'{"a":"b"}')
                await self.storage.write(Replace(kind="run", project_id=ACME, **change))  # type: ignore[arg-type]

    async def renew(self) -> None:
        claimable = await self.storage.claimable(NOW + 9_999, 20)
        await self.storage.renew_leases({one.run_id: 1 for one in claimable}, NOW + 60.0)


async def test_nobody_waits_for_each_other_in_a_circle(
    cluster: list[PostgresStorage], postgres_url: str
) -> None:
    """Whatever is done at once: locks are taken in one order."""
    for number in range(60):
        await make_thread(cluster[0], f"thread_{number}")
    mixes = [Mix(storage, seed) for seed, storage in enumerate(cluster * 4)]
    await asyncio.gather(*(mix.work(40) for mix in mixes))
    assert sum(mix.done for mix in mixes) > 100
    connection = await asyncpg.connect(postgres_url)
    deadlocks = await connection.fetchval(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    torn = await connection.fetchval(
        "SELECT count(*) FROM runs AS waiting WHERE turn = 'waiting' AND status = 'queued' "
        "AND NOT EXISTS (SELECT 1 FROM runs WHERE thread_id = waiting.thread_id "
        "AND turn = 'holding')"
    )
    await connection.close()
    assert (deadlocks, torn) == (0, 0)


@pytest.mark.parametrize("object_id", ["thread_\0", "thread_\ud83d", "'; --"])
async def test_an_id_that_no_row_can_have_is_not_found(
    storage: PostgresStorage, object_id: str
) -> None:
    """PostgreSQL has no NUL and no half characters; a request with one is a 404 and no failure."""
    await storage.write(plain_row("file", "file-1", NOW, purpose="vision"))
    assert await storage.fetch("thread", Scope(project_id=ACME), object_id) is None
    assert await storage.missing_files(ACME, ["file-1", object_id]) == [object_id]


async def test_metadata_with_any_character_finds_threads(storage: PostgresStorage) -> None:
    text = "\0 \u2028 🙂"
    await storage.write(thread_row("thread_1", metadata={text: text}), thread_row("thread_2"))
    found = await storage.page("thread", Scope(project_id=ACME, metadata={text: text}), Slice())
    assert [row.id for row in found.rows] == ["thread_1"]
