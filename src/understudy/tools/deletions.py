"""What is deleted goes from the sandbox, too: sessions of threads, copies of files.

Nobody tells the tool of a deletion, which may have happened in another process. So it remembers for
which threads it has had a session, as long as that one can live, and looks whether their rows are
still there. After a restart it has forgotten; such sessions end when they have been idle for long.
"""

import asyncio
from collections.abc import Sequence
from typing import NoReturn

import structlog
from msgspec import Struct

from understudy.clock import Clock
from understudy.errors import Unavailable
from understudy.sandbox.client import Sandbox, SandboxError
from understudy.storage.base import Storage
from understudy.storage.records import Scope

log = structlog.get_logger("understudy.tools")

LOOK_SECONDS = 10.0
# As long as a runner keeps an idle session, if it is not told otherwise.
REMEMBERED_SECONDS = 3600.0
THREADS_MAX = 1_000


class _Session(Struct):
    """A session that may be there, and the files that were brought to it."""

    project_id: str
    thread_id: str
    file_ids: set[str]
    until: float


def session_key(project_id: str, thread_id: str) -> str:
    """Return the name of a thread's session, the same for all servers."""
    return f"{project_id}/{thread_id}"


class Deletions:
    """Follows deletions into the sandbox."""

    def __init__(self, sandbox: Sandbox, storage: Storage, clock: Clock) -> None:
        self._sandbox = sandbox
        self._storage = storage
        self._clock = clock
        self._sessions: dict[str, _Session] = {}

    def watch(self, project_id: str, thread_id: str, file_ids: Sequence[str]) -> None:
        """Remember that the thread has a session with these files."""
        key = session_key(project_id, thread_id)
        known = self._sessions.pop(key, None)
        files = {*file_ids, *(known.file_ids if known else ())}
        until = self._clock.now() + REMEMBERED_SECONDS
        self._sessions[key] = _Session(project_id, thread_id, files, until)
        if len(self._sessions) > THREADS_MAX:
            del self._sessions[next(iter(self._sessions))]

    async def follow_for_ever(self) -> NoReturn:
        """Look again and again; a database that is down for a while is only logged."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.follow()
            except (Unavailable, OSError) as error:
                log.warning("deletions_not_followed", reason=str(error))
            except Exception:
                log.exception("deletions_not_followed")

    async def follow(self) -> None:
        """Take out of the sandbox what has no row any more.

        It is tried once: a runner that does not answer must not keep others from being told.
        """
        for key, session in list(self._sessions.items()):
            try:
                await self._follow(key, session)
            except SandboxError as error:
                log.warning("deletion_not_followed", session=key, reason=str(error))

    async def _follow(self, key: str, session: _Session) -> None:
        if session.until < self._clock.now():
            self._sessions.pop(key, None)
        elif await self._is_deleted(session):
            self._sessions.pop(key, None)
            await self._sandbox.forget(key)
        else:
            await self._follow_files(key, session)

    async def _is_deleted(self, session: _Session) -> bool:
        scope = Scope(project_id=session.project_id)
        return await self._storage.fetch("thread", scope, session.thread_id) is None

    async def _follow_files(self, key: str, session: _Session) -> None:
        files = [*session.file_ids]
        gone = await self._storage.missing_files(session.project_id, files) if files else []
        if gone:
            session.file_ids.difference_update(gone)
            await self._sandbox.forget_files(key, gone)
