"""What every operation is given: the ports, and who is asking."""

import asyncio
from dataclasses import dataclass, field

from msgspec import Struct

from understudy.clock import Clock
from understudy.dispatch.base import Dispatch
from understudy.files.base import Files
from understudy.retrieval.searching import Searching
from understudy.settings import Settings
from understudy.storage.base import Storage
from understudy.storage.changes import Answer
from understudy.storage.chunks import ChunkIndex
from understudy.storage.records import AnswerKind
from understudy.upstream.base import Embedder, Models
from understudy.wire.era import Era


@dataclass(frozen=True)
class Ports:
    """Everything that operations work with.

    ``stopping`` is set when the server has been told to stop and takes no more requests.
    """

    storage: Storage
    chunks: ChunkIndex
    searching: Searching
    embedder: Embedder | None
    dispatch: Dispatch
    files: Files
    models: Models
    clock: Clock
    settings: Settings
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def now(self) -> int:
        """Return the time in whole Unix seconds, as objects show it (GEN-04)."""
        return int(self.clock.now())


class Caller(Struct, frozen=True, kw_only=True):
    """Who asks, in which era; with an Idempotency-Key, which request it stands for."""

    project_id: str
    era: Era
    idempotency_key: str | None = None
    fingerprint: str = ""

    def answers(
        self, kind: AnswerKind, body: bytes, file_ids: tuple[str, ...], now: int, after: str = ""
    ) -> tuple[Answer, ...]:
        """Return what to write so that the same key gets the same answer: nothing without one."""
        if self.idempotency_key is None:
            return ()
        answer = Answer(
            project_id=self.project_id,
            key=self.idempotency_key,
            fingerprint=self.fingerprint,
            kind=kind,
            body=body,
            file_ids=file_ids,
            after=after,
            created_at=now,
        )
        return (answer,)
