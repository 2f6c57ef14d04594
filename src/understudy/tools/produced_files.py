"""Files that tools make for users, to be downloaded: ``assistants_output`` (FILE-03, FILE-05).

Bytes and row are there before anybody is told of the file.
"""

from collections.abc import AsyncIterator

from understudy.clock import Clock
from understudy.errors import Unavailable
from understudy.files.base import Files
from understudy.ids import new_file_id
from understudy.storage.arrivals import arrived, arriving
from understudy.storage.base import Storage
from understudy.storage.records import Conflict
from understudy.wire.objects.files import File


class ProducedFiles:
    """Stores what a tool has made."""

    def __init__(self, storage: Storage, files: Files, clock: Clock) -> None:
        self._storage = storage
        self._files = files
        self._clock = clock

    async def store(self, project_id: str, filename: str, pieces: AsyncIterator[bytes]) -> str:
        """Store a file and return its id. Raises Unavailable, OSError, and what the pieces raise.

        An image needs an ending only: without a name it is named after its id.
        """
        file_id = new_file_id()
        now = int(self._clock.now())
        async with arriving(self._storage, file_id, now):
            size = await self._files.write(file_id, pieces)
            named = f"{file_id}{filename}" if filename.startswith(".") else filename
            file = File(
                id=file_id, purpose="assistants_output", filename=named, bytes=size, created_at=now
            )
            try:
                await self._storage.write(*arrived(file, project_id, now))
            except Conflict as conflict:
                raise Unavailable("A produced file took too long to be stored.") from conflict
        return file_id
