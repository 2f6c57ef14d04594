"""A language model that says what a test tells it to, when the test tells it to."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence

from understudy.upstream.base import (
    Finished,
    FinishReason,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    TextDelta,
    ToolCallDelta,
    Usage,
)

BOUND = 20.0  # far longer than anything takes; a test that needs it has failed
SPENT = Usage(prompt_tokens=20, completion_tokens=5)


class Call:
    """One call of the model, in the hands of the test."""

    def __init__(self, request: ModelRequest) -> None:
        self.request = request
        self.closed = asyncio.Event()
        self._lines: asyncio.Queue[Sequence[ModelEvent] | Exception] = asyncio.Queue()
        self._calls = 0

    def say(self, *texts: str) -> "Call":
        """Write these pieces, each as one batch."""
        for text in texts:
            self._lines.put_nowait([TextDelta(text)])
        return self

    def call(self, *arguments: str) -> "Call":
        """Call the function ``f`` once for each of these arguments."""
        return self._call("f", arguments)

    def search(self, *queries: str, name: str = "file_search") -> "Call":
        """Call the search once for each of these queries."""
        return self._call(name, [f'{{"query": "{query}"}}' for query in queries])

    def run(self, *cells: str, piece: int = 7) -> "Call":
        """Run each of these in the code interpreter, written in small pieces."""
        for code in cells:
            text = json.dumps({"code": code})
            pieces = [text[at : at + piece] for at in range(0, len(text), piece)]
            index, self._calls = self._calls, self._calls + 1
            self._lines.put_nowait([ToolCallDelta(index, f"call_{index}", "code_interpreter")])
            for one in pieces:
                self._lines.put_nowait([ToolCallDelta(index, arguments=one)])
        return self

    def _call(self, name: str, arguments: Sequence[str]) -> "Call":
        for text in arguments:
            index, self._calls = self._calls, self._calls + 1
            self._lines.put_nowait([ToolCallDelta(index, f"call_{index}", name)])
            self._lines.put_nowait([ToolCallDelta(index, arguments=text)])
        return self

    def finish(self, reason: FinishReason = "stop", usage: Usage | None = SPENT) -> None:
        """End the answer."""
        self._lines.put_nowait([*([usage] if usage else []), Finished(reason)])

    def fail(self, error: Exception) -> None:
        """Break the answer off."""
        self._lines.put_nowait(error)

    async def lines(self) -> AsyncGenerator[Sequence[ModelEvent]]:
        """Yield what the test writes."""
        try:
            while True:
                line = await self._lines.get()
                if isinstance(line, Exception):
                    raise line
                yield line
                if isinstance(line[-1], Finished):
                    return
        finally:
            self.closed.set()


class Puppet:
    """All models, played by the test."""

    def __init__(self) -> None:
        self.open: set[Call] = set()
        self.open_most = 0
        self.calls = 0
        self._arrived: asyncio.Queue[Call] = asyncio.Queue()

    async def called(self) -> Call:
        """Wait for the next call."""
        return await asyncio.wait_for(self._arrived.get(), BOUND)

    def is_idle(self) -> bool:
        """Return whether every call that was made has been taken by the test."""
        return self._arrived.empty()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ModelEvent]]:
        """See the port."""
        call = Call(request)
        self.calls += 1
        self.open.add(call)
        self.open_most = max(self.open_most, len(self.open))
        self._arrived.put_nowait(call)
        try:
            async for line in call.lines():
                yield line
        finally:
            self.open.discard(call)
            call.closed.set()

    def knows(self, model: str) -> bool:
        """Know every model."""
        return bool(model)

    def context_window_tokens(self, model: str) -> int | None:
        """Know no window but that of ``small``."""
        return 50 if model == "small" else None

    async def models(self) -> Sequence[ModelInfo]:
        """List none."""
        return []

    async def close(self) -> None:
        """Hold nothing."""
