"""The writer: takes what has been submitted while all connections were busy as the next group.

Two writes of this process that touch the same thread are committed in the order in which they
were submitted, and never by two connections at once: the second would only wait for the first in
the database, and everything of its group with it.
"""

import asyncio
from collections.abc import Sequence

from understudy.errors import Unavailable, UnderstudyError
from understudy.storage.changes import Change, Written
from understudy.storage.postgres.alone import apply_alone
from understudy.storage.postgres.connecting import Connection
from understudy.storage.postgres.failures import FOREIGN, unavailable
from understudy.storage.postgres.groups import call_of, common
from understudy.storage.postgres.session import OutcomeUnknown, RolledBack, Session

GROUP_MAX = 64
# How far behind the first waiting write others are looked for.
LOOKED_AT_MAX = 4 * GROUP_MAX


class Submitted:
    """A write with the future of its caller."""

    __slots__ = ("changes", "common", "future")

    def __init__(self, changes: Sequence[Change], future: "asyncio.Future[Written]") -> None:
        self.changes = changes
        self.common = common(changes)
        self.future = future

    @property
    def thread_ids(self) -> frozenset[str]:
        """Return the threads that it is known to touch."""
        return self.common.thread_ids if self.common else frozenset()

    def settle(self, outcome: "Written | Exception") -> None:
        """Wake the caller, unless it has gone away."""
        if self.future.done():
            return
        if isinstance(outcome, Exception):
            self.future.set_exception(outcome)
        else:
            self.future.set_result(outcome)


class Writer:
    """Commits writes in groups, on a few connections."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        """Begin to work; there must be a running event loop."""
        self._waiting: list[Submitted] = []
        self._touched: set[str] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._closed = False
        self._workers = [asyncio.create_task(self._work(session)) for session in sessions]

    def submit(self, changes: Sequence[Change]) -> "asyncio.Future[Written]":
        """Queue a write. Its future knows what came of it after the commit.

        Raises Unavailable at once after ``close``.
        """
        if self._closed:
            raise Unavailable("The server is stopping.")
        future: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._waiting.append(Submitted(changes, future))
        if self._idle:
            self._idle.pop().set_result(None)
        return future

    async def close(self) -> None:
        """Finish what is queued, then close the connections."""
        self._closed = True
        while self._idle:
            self._idle.pop().set_result(None)
        await asyncio.gather(*self._workers)

    async def _work(self, session: Session) -> None:
        while True:
            group = self._next_group()
            if not group:
                if self._closed:  # what still waits is for a worker that is busy now
                    break
                await self._rest()
                continue
            touched = frozenset[str]().union(*(one.thread_ids for one in group))
            self._touched |= touched
            try:
                await _commit(session, group)
            finally:
                self._touched -= touched
        await session.close()

    async def _rest(self) -> None:
        """Wait until something is submitted, or others have let go of what waits for them."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(woken)
        await woken

    def _next_group(self) -> list[Submitted]:
        """Take the first rare write, or all common ones that no other is in front of."""
        group: list[Submitted] = []
        stays: list[Submitted] = []
        taken = set(self._touched)
        looked_at = self._waiting[:LOOKED_AT_MAX]
        for one in looked_at:
            if len(group) < GROUP_MAX and _may_join(group, one) and not one.thread_ids & taken:
                group.append(one)
            else:
                stays.append(one)
            taken |= one.thread_ids
        self._waiting[:LOOKED_AT_MAX] = stays
        return group


def _may_join(group: Sequence[Submitted], one: Submitted) -> bool:
    first = group[0].common if group else None
    return not group or (first is not None and first.goes_with(one.common))


async def _commit(session: Session, group: Sequence[Submitted]) -> None:
    """Commit the group, or its members one by one, so that nobody fails for somebody else."""
    together = [one.common for one in group if one.common]
    if not together:
        await _commit_alone(session, group[0])
        return
    try:
        left_out = frozenset[int](await session.call(call_of(together)))
    except OutcomeUnknown as error:
        refusal = _unknown(error)
        for one in group:
            one.settle(refusal)
    except Exception as error:  # noqa: BLE001 - it is handed to the callers
        await _commit_singly(session, group, error)
    else:
        await _settle_group(session, group, left_out)


async def _settle_group(
    session: Session, group: Sequence[Submitted], left_out: frozenset[int]
) -> None:
    """Wake those whose writes are done, then apply the others alone."""
    for number, one in enumerate(group):
        if number not in left_out:
            one.settle(Written())
    for number in sorted(left_out):
        await _commit_alone(session, group[number])


async def _commit_singly(session: Session, group: Sequence[Submitted], error: Exception) -> None:
    """Try the members one by one, unless the database cannot be reached at all."""
    if len(group) == 1 or isinstance(error, OSError):
        for one in group:
            one.settle(_translated(error))
        return
    for one in group:
        await _commit_alone(session, one)


async def _commit_alone(session: Session, one: Submitted) -> None:
    async def apply(connection: Connection) -> Written:
        written = await apply_alone(connection, one.changes)
        if not written.applied:
            raise RolledBack
        return written

    try:
        one.settle(await session.commit(apply))
    except RolledBack:
        one.settle(Written(applied=False))
    except OutcomeUnknown as error:
        one.settle(_unknown(error))
    except Exception as error:  # noqa: BLE001 - it is handed to the caller
        one.settle(_translated(error))


def _translated(error: Exception) -> Exception:
    if isinstance(error, UnderstudyError) or not isinstance(error, FOREIGN):
        return error
    return unavailable(error, "written")


def _unknown(error: OutcomeUnknown) -> Unavailable:
    refusal = Unavailable(
        "The database went away in the middle of a write, which may have happened or not. "
        "Look before you try again."
    )
    refusal.__cause__ = error.__cause__
    return refusal
