"""A small file_search that really searches: passages that hold a word of the query."""

import asyncio
from typing import Any

import msgspec

from understudy.runs.hosted import HostedType, ranking_options
from understudy.tools.base import ToolUse
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import (
    FileSearchCall,
    FileSearchToolCall,
    SearchResult,
    SearchResultText,
)

from .puppet import BOUND

OFFERED = {
    "type": "function",
    "function": {
        "name": "file_search",
        "description": "Search the files.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
    },
}


class Library:
    """Passages by file name; ``close`` it to hold its searches up, and break it with an error."""

    def __init__(self, **passages: str) -> None:
        self.passages = passages or {"rain": "It rains in Oslo.", "snow": "It snows in Oslo."}
        self.uses: list[ToolUse] = []
        self.error: Exception | None = None
        self.refusal: Exception | None = None
        self.has_files = True
        self.given_up = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._asked = asyncio.Semaphore(0)

    @property
    def type(self) -> HostedType:
        """See the port."""
        return "file_search"

    def close(self) -> None:
        """Let searches wait from now on."""
        self._open.clear()

    def open(self) -> None:
        """Let searches go on."""
        self._open.set()

    async def asked(self) -> None:
        """Wait for the next search."""
        await asyncio.wait_for(self._asked.acquire(), BOUND)

    async def offered(self, run: Run, project_id: str) -> dict[str, Any] | None:
        """See the port."""
        del run, project_id
        if self.refusal is not None:
            raise self.refusal
        return OFFERED if self.has_files else None

    async def call(self, use: ToolUse, call_id: str, arguments: str) -> FileSearchToolCall:
        """See the port."""
        self.uses.append(use)
        self._asked.release()
        try:
            await self._open.wait()
        except asyncio.CancelledError:
            self.given_up.set()
            raise
        if self.error is not None:
            raise self.error
        query = msgspec.json.decode(arguments)["query"]
        search = FileSearchCall(
            ranking_options=ranking_options(use.run),
            results=self._found(query),
            query=query,
            place=use.place,
        )
        return FileSearchToolCall(id=call_id, file_search=search)

    def _found(self, query: str) -> list[SearchResult]:
        return [
            SearchResult(
                file_id=f"file-{name}",
                file_name=f"{name}.txt",
                score=1.0,
                content=[SearchResultText(text=text)],
            )
            for name, text in self.passages.items()
            if any(word in text for word in query.split())
        ]
