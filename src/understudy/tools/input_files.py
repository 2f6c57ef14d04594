"""The files that a run's code finds under /mnt/data: the assistant's and the thread's (ANN-06)."""

import contextlib
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from pathlib import PurePosixPath

from msgspec import Struct

from understudy.files.base import Files
from understudy.sandbox.client import FileRefused, Session
from understudy.sandbox.outputs import AbsentFiles
from understudy.storage.base import Storage
from understudy.storage.records import Scope
from understudy.wire.encoding import decode_assistant, decode_file, decode_thread
from understudy.wire.objects.runs import Run

NAME_BYTES_MAX = 200
# What no name of a file in the sandbox may have: separators, control and direction characters.
_UNCLEAN = re.compile("[/\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class InputFile(Struct, frozen=True):
    """An uploaded file, and the name that no other one of the run has."""

    file_id: str
    name: str


class InputFiles:
    """Finds the input files of runs and brings them into sessions."""

    def __init__(self, storage: Storage, files: Files) -> None:
        self._storage = storage
        self._files = files

    async def of(self, run: Run, project_id: str) -> list[InputFile]:
        """Return the files as they are attached now; either owner, or a file, may be gone."""
        scope = Scope(project_id=project_id)
        assistant = await self._storage.fetch("assistant", scope, run.assistant_id)
        thread = await self._storage.fetch("thread", scope, run.thread_id)
        named = [
            *(decode_assistant(assistant.body).tool_resources.file_ids if assistant else ()),
            *(decode_thread(thread.body).tool_resources.file_ids if thread else ()),
        ]
        rows = [
            (file_id, await self._storage.fetch("file", scope, file_id))
            for file_id in dict.fromkeys(named)
        ]
        return _with_own_names(
            (file_id, decode_file(row.body).filename) for file_id, row in rows if row
        )

    async def put_missing(self, session: Session, inputs: Sequence[InputFile]) -> list[str]:
        """Store what the session does not have, and return what it has no room for, by name.

        Each file is there by its id and by its name. What did not fit is not sent again.
        """
        if not inputs:
            return []
        absent = await session.absent_files([n for one in inputs for n in (one.file_id, one.name)])
        return [one.name for one in inputs if not await self._bring(session, one, absent)]

    async def _bring(self, session: Session, one: InputFile, absent: AbsentFiles) -> bool:
        if one.file_id in absent.unfit:
            return False
        if one.file_id in absent.gone and not await self._put(session, one.file_id):
            return False
        if one.name in absent.gone - {one.file_id}:
            with contextlib.suppress(FileRefused):  # deleted a moment ago, or a folder has its name
                await session.link_file(one.name, one.file_id)
        return True

    async def _put(self, session: Session, file_id: str) -> bool:
        pieces = self._files.read(file_id)
        try:
            first = await anext(pieces, b"")
        except KeyError:
            return True  # deleted a moment ago
        try:
            async with aclosing(_joined(first, pieces)) as whole:
                await session.put_file(file_id, whole)
        except FileRefused:
            return False
        return True


async def _joined(first: bytes, others: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for piece in others:
        yield piece


def _with_own_names(files: Iterable[tuple[str, str]]) -> list[InputFile]:
    """Give each file a clean name of its own: of two ``a.csv`` the second is ``a_2.csv``."""
    found: list[InputFile] = []
    taken: set[str] = set()
    for file_id, filename in files:
        name = _free_name(_clean(filename) or file_id, taken)
        taken.add(name)
        found.append(InputFile(file_id, name))
    return found


def _clean(filename: str) -> str:
    name = PurePosixPath(_UNCLEAN.sub("_", filename))
    stem = name.stem.encode()[:NAME_BYTES_MAX].decode(errors="ignore")
    suffix = name.suffix.encode()[: 255 - NAME_BYTES_MAX - 10].decode(errors="ignore")
    return f"{stem}{suffix}"


def _free_name(name: str, taken: set[str]) -> str:
    path = PurePosixPath(name)
    number = 1
    while name in taken:
        number += 1
        name = f"{path.stem}_{number}{path.suffix}"
    return name
