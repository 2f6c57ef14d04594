"""The code_interpreter tool: cells of Python in the thread's session of the sandbox (ANN-08).

A session is held for one cell at a time and let go again, so that nothing stays behind in this
process; the sandbox keeps its state for the thread. Whoever is cancelled in the middle of a cell
closes the line to it, which interrupts the cell.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import PurePosixPath
from typing import Any, Literal

import structlog

from understudy.clock import Clock
from understudy.files.base import Files
from understudy.runs.cells import LINK, CellOutputs, calls
from understudy.runs.code_arguments import code_in
from understudy.sandbox.client import (
    FileRefused,
    Sandbox,
    SandboxError,
    SandboxFull,
    SandboxRefused,
    SandboxUnavailable,
    Session,
)
from understudy.sandbox.outputs import CellEnded, ImageOutput, Output, ProducedFile
from understudy.sandbox.refusal import Refusal
from understudy.settings import Settings
from understudy.storage.base import Storage
from understudy.storage.thread_steps import latest_steps
from understudy.tools.base import ToolFailed, ToolUse
from understudy.tools.deletions import Deletions, session_key
from understudy.tools.input_files import InputFile, InputFiles
from understudy.tools.produced_files import ProducedFiles
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import CodeInterpreterCall, CodeInterpreterToolCall, MadeFile

log = structlog.get_logger("understudy.tools")

# A runner that starts, or starts again, is waited for, and so is a free session.
PATIENCE_SECONDS = 20.0
LOOK_AGAIN_SECONDS = 0.1
WELL_FOR_SECONDS = 30.0
FILES_MAX = 50
CELL_BYTES_MAX = 512 * 1024 * 1024

ALL_TAKEN = "All of its sessions are in use. Try again later."
NO_ANSWER = "No sandbox runner answers. 'understudy doctor' on the server says more."
RUNNER_FAILED = "The sandbox runner could not give a session. The server's log says more."
DESCRIPTION = (
    "Runs Python code in a Jupyter-like session without network. Variables and files stay from "
    "call to call. Returns what the code prints, the value of its last expression, and tracebacks. "
    "Figures and images that the code shows are shown to the user. The working folder is "
    f"/mnt/data. Write files for the user there and link to them in Markdown: [name]({LINK}name)."
)
STATE_GONE = (
    "[The Python session of this thread has ended, and this is a new one: earlier variables, "
    "imports and files that code had made are gone. Uploaded files are there again.]\n"
)
CONNECTION_LOST = "[The sandbox broke off while the code ran. Its variables are gone.]\n"
ENDS = {
    "time": "[The code was interrupted: it took too long.]\n",
    "memory": "[The code was interrupted: it needs too much memory.]\n",
    "output": "[The code was interrupted: it printed too much.]\n",
}
OTHER_END = "[The code was interrupted.]\n"
SESSION_DIED = "[The Python session has ended with it: its variables are gone.]\n"
TRUNCATED = "[Not all of the output was kept.]\n"


class CodeInterpreter:
    """Runs cells for runs."""

    type: Literal["code_interpreter"] = "code_interpreter"

    def __init__(
        self,
        sandbox: Sandbox,
        storage: Storage,
        files: Files,
        clock: Clock,
        settings: Settings,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._sandbox = sandbox
        self._storage = storage
        self._clock = clock
        self._inputs = InputFiles(storage, files)
        self._produced = ProducedFiles(storage, files, clock)
        self.deletions = Deletions(sandbox, storage, clock)
        self._file_bytes_max = settings.file_bytes_max
        self._patience_seconds = patience_seconds
        self._well_until = 0.0

    async def offered(self, run: Run, project_id: str) -> dict[str, Any] | None:
        """Return the function. Raises ToolFailed when no runner can isolate."""
        await self._check_sandbox()
        return _function(await self._inputs.of(run, project_id))

    async def call(self, use: ToolUse, call_id: str, arguments: str) -> CodeInterpreterToolCall:
        """Run the code and keep what it makes."""
        code = code_in(arguments)
        cell = _Cell(use, self._produced, self._file_bytes_max)
        async with self._session(use) as (session, fresh):
            if fresh and await self._has_run_before(use):
                cell.tell(STATE_GONE)
            inputs = await self._inputs.of(use.run, use.project_id)
            file_ids = [one.file_id for one in inputs]
            self.deletions.watch(use.project_id, use.run.thread_id, file_ids)
            try:
                for name in await self._inputs.put_missing(session, inputs):
                    cell.tell(f"[There is no room for the uploaded file {name!r}.]\n")
                await use.ensure_lease()
                await cell.play(session, code)
                await cell.collect(session)
            except SandboxError:
                cell.tell(CONNECTION_LOST)
        return CodeInterpreterToolCall(id=call_id, code_interpreter=cell.finished(code))

    async def _check_sandbox(self) -> None:
        """Look whether some runner is well; one that was is believed for a while."""
        give_up = _time() + self._patience_seconds
        while self._clock.now() > self._well_until:
            reports = await self._sandbox.report()
            refusals = [one["refusal"] for one in reports if one.get("refusal")]
            if any(one["ok"] for one in reports):
                self._well_until = self._clock.now() + WELL_FOR_SECONDS
            elif refusals:
                raise _failed(_refusal(refusals[0]))
            elif _time() > give_up:
                raise _failed(SandboxUnavailable(reports[0]["unavailable"]))
            else:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    @asynccontextmanager
    async def _session(self, use: ToolUse) -> AsyncGenerator[tuple[Session, bool]]:
        """Hold the thread's session. Raises ToolFailed when there is none to be had."""
        key = session_key(use.project_id, use.run.thread_id)
        session, fresh = await self._acquired(key, use.project_id)
        try:
            yield session, fresh
        finally:
            await session.release()

    async def _acquired(self, key: str, owner: str) -> tuple[Session, bool]:
        give_up = _time() + self._patience_seconds
        while True:
            try:
                return await self._sandbox.acquire(key, owner)
            except (SandboxUnavailable, SandboxFull) as trouble:
                if _time() > give_up:
                    raise _failed(trouble) from trouble
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
            except SandboxError as trouble:
                raise _failed(trouble) from trouble

    async def _has_run_before(self, use: ToolUse) -> bool:
        steps = await latest_steps(self._storage, use.project_id, use.run.thread_id)
        # A step that was cut off may show a cell that was written and never run.
        return any(True for _ in calls(step for step in steps if step.status == "completed"))


class _Cell:
    """A cell on its way: what comes out of it is told, kept, and stored where it is a file."""

    def __init__(self, use: ToolUse, produced: ProducedFiles, file_bytes_max: int) -> None:
        self._use = use
        self._produced = produced
        # In all: a sparse file takes no room in the sandbox, and all of its size where it is kept.
        self._bytes_left = min(file_bytes_max, CELL_BYTES_MAX)
        self._outputs = CellOutputs()
        self._files: list[MadeFile] = []

    def tell(self, text: str) -> None:
        """Add to the logs."""
        if text:
            self._use.tell_output(self._outputs.add_text(text))

    async def play(self, session: Session, code: str) -> None:
        """Run the code to its end."""
        async with aclosing(session.run(code)) as outputs:
            async for output in outputs:
                await self._take(output)

    async def _take(self, output: Output) -> None:
        if isinstance(output, CellEnded):
            self.tell(_end(output))
        elif isinstance(output, ImageOutput):
            ending = f".{output.type}"
            file_id = await self._store(ending, _pieces(output.data))
            self._use.tell_output(self._outputs.add_image(file_id))
        else:
            self.tell(output.text)

    async def collect(self, session: Session) -> None:
        """Make files of what the code has written."""
        written = [file for file in await session.changed_files() if _is_meant(file)]
        for file in written[:FILES_MAX]:
            await self._collect(session, file)
        if len(written) > FILES_MAX:
            self.tell(f"[Only the first {FILES_MAX} files were kept for the user.]\n")

    async def _collect(self, session: Session, file: ProducedFile) -> None:
        if file.size > self._bytes_left:
            self.tell(f"[The file {file.path!r} is too large to be kept for the user.]\n")
            return
        self._bytes_left -= file.size
        name = PurePosixPath(file.path).name
        try:
            async with aclosing(session.get_file(file.path, file.size)) as pieces:
                file_id = await self._store(name, pieces)
        except FileRefused:
            return  # removed by what the code has left running, or no plain file any more
        self._files.append(MadeFile(file.path, file_id))

    async def _store(self, name: str, pieces: AsyncGenerator[bytes]) -> str:
        return await self._produced.store(self._use.project_id, name, pieces)

    def finished(self, code: str) -> CodeInterpreterCall:
        """Return the cell as the step stores it (STEP-07)."""
        cell = CodeInterpreterCall(input=code, outputs=self._outputs.whole)
        if self._files:
            cell.files = self._files
        return cell


def _function(inputs: Sequence[InputFile]) -> dict[str, Any]:
    listed = "".join(f"\n- /mnt/data/{one.name} (also /mnt/data/{one.file_id})" for one in inputs)
    return {
        "type": "function",
        "function": {
            "name": "code_interpreter",
            "description": DESCRIPTION
            + (f" The user's files are there:{listed}" if listed else ""),
            "parameters": {
                "type": "object",
                "properties": {"code": {"type": "string", "description": "Python to run."}},
                "required": ["code"],
            },
        },
    }


def _is_meant(file: ProducedFile) -> bool:
    """Return whether the user may want the file: caches and hidden files are nobody's."""
    return not any(part.startswith((".", "__")) for part in PurePosixPath(file.path).parts)


def _end(end: CellEnded) -> str:
    told = TRUNCATED if end.truncated else ""
    if end.status in {"interrupted", "died"}:
        told += ENDS.get(end.reason, OTHER_END)
    return told + (SESSION_DIED if end.status == "died" else "")


def unavailable(reason: Refusal | SandboxError) -> str:
    """Return what a run with the tool fails with: of a refusal stage, error number and remedy.

    Clients read it, so that it names neither runners nor paths of their hosts; the log does.
    """
    return f"The code interpreter is not available: {_for_clients(reason)}"


def _for_clients(reason: Refusal | SandboxError) -> str:
    match reason:
        case Refusal():
            return reason.for_clients
        case SandboxRefused():
            return Refusal(reason.stage, reason.errno).for_clients
        case SandboxFull():
            return ALL_TAKEN
        case SandboxUnavailable():
            return NO_ANSWER
        case _:
            return RUNNER_FAILED


def _failed(reason: Refusal | SandboxError) -> ToolFailed:
    log.warning("code_interpreter_unavailable", reason=str(reason))
    return ToolFailed(unavailable(reason))


def _refusal(plain: dict[str, Any]) -> Refusal:
    return Refusal(plain["stage"], plain["errno"], plain["detail"])


def _time() -> float:
    return asyncio.get_running_loop().time()


async def _pieces(data: bytes) -> AsyncGenerator[bytes]:
    yield data
