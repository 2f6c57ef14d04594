"""PostgreSQL goes away and comes back: what was confirmed is there, and nobody hangs."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.services.postgres import PostgresServer, execute, finished, installed_bin_folder
from understudy.errors import Unavailable
from understudy.storage.postgres import session as session_module
from understudy.storage.postgres.connecting import Connection
from understudy.storage.postgres.migrating import migrate
from understudy.storage.postgres.session import OutcomeUnknown, Session
from understudy.storage.postgres.statements import Call
from understudy.storage.postgres.store import PostgresStorage
from understudy.storage.records import Scope, Slice

from .rows import ACME, make_run, make_thread, recorded, start, thread_row

pytestmark = [pytest.mark.cluster, pytest.mark.crash]

EVERYTHING = Scope(project_id=ACME)


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Give a server of the test's own, with a migrated database."""
    bin_folder = installed_bin_folder()
    if bin_folder is None:
        pytest.skip("PostgreSQL is not installed")
    server = PostgresServer(bin_folder, fsync=True)
    try:
        server.start()
        finished(execute(server.url(), "CREATE DATABASE ours"))
        finished(migrate(server.url("ours")))
        yield server
    finally:
        server.remove()


@pytest.fixture
async def storage(server: PostgresServer) -> AsyncIterator[PostgresStorage]:
    opened = await PostgresStorage.open(server.url("ours"), writers=2)
    yield opened
    await opened.close()


class Account:
    """Writes threads one after the other and keeps account of what it was told of each."""

    def __init__(self, storage: PostgresStorage, name: str) -> None:
        self._storage = storage
        self._name = name
        self.confirmed: list[str] = []
        self.refused: list[str] = []
        self.unknown: list[str] = []

    async def write_until(self, over: asyncio.Event) -> None:
        number = 0
        while not over.is_set():
            thread_id = f"thread_{self._name}_{number}"
            number += 1
            try:
                await make_thread(self._storage, thread_id)
                self.confirmed.append(thread_id)
            except Unavailable as refusal:
                in_commit = "may have happened" in refusal.message
                (self.unknown if in_commit else self.refused).append(thread_id)


async def until(accounts: list[Account], count: int) -> None:
    """Wait until so many more writes are confirmed."""
    begin = sum(len(one.confirmed) for one in accounts)
    async with asyncio.timeout(30):
        while sum(len(one.confirmed) for one in accounts) < begin + count:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def ids_of_all(storage: PostgresStorage) -> set[str]:
    found: set[str] = set()
    after: str | None = None
    while True:
        page = await storage.page("thread", EVERYTHING, Slice(limit=100, order="asc", after=after))
        found |= {row.id for row in page.rows}
        if not page.has_more:
            return found
        after = page.rows[-1].id


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_no_confirmed_write_is_lost_and_no_refused_one_is_there(
    server: PostgresServer, storage: PostgresStorage, how: str
) -> None:
    """A write in the middle of its commit is either there or not; its caller is told so."""
    over = asyncio.Event()
    accounts = [Account(storage, f"{n}") for n in range(8)]
    writing = asyncio.gather(*(one.write_until(over) for one in accounts))
    for _ in range(2):
        await until(accounts, 100)
        await asyncio.to_thread(getattr(server, how))
        await asyncio.to_thread(server.start)
    await until(accounts, 100)
    over.set()
    await writing
    there = await ids_of_all(storage)
    for one in accounts:
        assert there.issuperset(one.confirmed)
        assert there.isdisjoint(one.refused)
    assert sum(len(one.refused) for one in accounts) > 0


async def test_without_a_server_everything_is_unavailable_and_comes_back(
    server: PostgresServer, storage: PostgresStorage
) -> None:
    await make_run(storage)
    await asyncio.to_thread(server.stop)
    for asked in (
        storage.write(thread_row("thread_2")),
        storage.run_record("run_1"),
        storage.claimable(0, 1),
        storage.renew_leases({"run_1": 1}, 1.0),
        storage.default_project(1),
        storage.check(),
    ):
        with pytest.raises(Unavailable, match="The database cannot be"):
            await asked
    await asyncio.to_thread(server.start)
    await storage.check()
    assert (await recorded(storage)).has_turn
    await storage.write(thread_row("thread_2"), start("run_2", "thread_2"))


async def test_a_process_can_end_while_the_server_is_away(
    server: PostgresServer, storage: PostgresStorage
) -> None:
    waiting = storage.write(thread_row("thread_1"))
    await asyncio.to_thread(server.kill)
    await asyncio.wait_for(storage.close(), 20)
    await asyncio.gather(waiting, return_exceptions=True)
    with pytest.raises(Unavailable, match="stopping"):
        storage.write(thread_row("thread_2"))


async def test_a_connection_that_breaks_before_the_commit_is_replaced(
    server: PostgresServer,
) -> None:
    """Nothing was written, so the work is done again, and the caller notices nothing."""
    session = Session(server.url("ours"))
    tries = 0

    async def work(connection: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            await execute(server.url(), _end(await connection.fetchval("SELECT pg_backend_pid()")))
        seven: int = await connection.fetchval("SELECT 7")
        return seven

    assert await session.commit(work) == 7
    assert tries == 2
    await session.close()


async def test_a_connection_that_breaks_in_the_commit_leaves_the_outcome_open(
    server: PostgresServer,
) -> None:
    session = Session(server.url("ours"))

    async def work(connection: Connection) -> None:
        await execute(server.url(), _end(await connection.fetchval("SELECT pg_backend_pid()")))

    with pytest.raises(OutcomeUnknown):
        await session.commit(work)
    await session.close()


async def cut_unseen(server: PostgresServer) -> Session:
    """Return a session whose connection is gone, which the event loop has not seen yet."""
    session = Session(server.url("ours"))
    pid = await session.call(Call("SELECT pg_backend_pid()"))
    finished(execute(server.url(), _end(pid)))
    return session


async def test_a_connection_that_breaks_in_a_call_leaves_the_outcome_open(
    server: PostgresServer,
) -> None:
    session = await cut_unseen(server)
    with pytest.raises(OutcomeUnknown):
        await session.call(Call("SELECT 7"))
    assert await session.call(Call("SELECT 7")) == 7
    await session.close()


async def test_a_connection_that_has_rested_is_tried_out_before_a_call(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await cut_unseen(server)
    monkeypatch.setattr(session_module, "RESTED_SECONDS_MAX", -1.0)
    assert [await session.call(Call("SELECT pg_backend_pid()")) for _ in range(2)] == [
        await session.call(Call("SELECT pg_backend_pid()"))
    ] * 2
    await session.close()


async def test_whoever_stops_in_a_transaction_does_not_hold_up_the_others(
    server: PostgresServer, storage: PostgresStorage
) -> None:
    """A frozen process has locked a thread; the server ends its transaction after a while."""
    await make_thread(storage)
    frozen = Session(server.url("ours"))
    holding, stays = asyncio.Event(), asyncio.Event()

    async def freeze(connection: Connection) -> None:
        await connection.execute("SELECT 1 FROM threads FOR UPDATE")
        holding.set()
        await stays.wait()

    freezing = asyncio.create_task(frozen.commit(freeze))
    await holding.wait()
    assert (await asyncio.wait_for(storage.write(start("run_1")), 20)).applied
    freezing.cancel()
    await asyncio.gather(freezing, return_exceptions=True)
    await frozen.close()


def _end(pid: int) -> str:
    return f"SELECT pg_terminate_backend({pid}, 5000)"
