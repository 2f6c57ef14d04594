"""The file_search tool: passages of the assistant's and the thread's vector stores (VS-14)."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from understudy.clock import Clock
from understudy.errors import IndexUnreadable
from understudy.retrieval.searching import Found, Searching, Wanted
from understudy.retrieval.store_use import has_expired, stores_in, touch
from understudy.runs.hosted import ranking_options
from understudy.settings import Settings
from understudy.storage.base import Storage
from understudy.storage.records import Row, Scope
from understudy.tools.base import ToolFailed, ToolUse
from understudy.wire.encoding import decode_assistant, decode_thread, decode_vector_store
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import (
    FileSearchCall,
    FileSearchToolCall,
    SearchResult,
    SearchResultText,
)
from understudy.wire.objects.tools import (
    FileSearchOptions,
    FileSearchTool,
    NamedToolChoice,
)

RESULTS_MAX = 20
QUERIES_MAX = 20  # as many as a search of a client has (VS-12)
QUERY_CHARACTERS_MAX = 4_096
INGESTION_SECONDS_MAX = 60.0  # RUN-24
LOOK_AGAIN_SECONDS = 0.1
LOOK_AGAIN_SECONDS_MAX = 1.0
_LOOK_AGAIN_GROWTH = 1.5
_FUNCTION: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "file_search",
        "description": (
            "Search the files that the user and the developer have provided. Returns the passages "
            "that fit the query best. Search before you answer anything that the files may tell, "
            "and search again in other words if the passages do not answer it."
        ),
        "parameters": {
            "type": "object",
            "properties": {
                "query": {
                    "type": "string",
                    "description": "What to look for: a question, or the words that matter.",
                }
            },
            "required": ["query"],
        },
    },
}


class _Arguments(Struct):
    """What a model writes; some ask several things at once."""

    query: str | list[str] = ""
    queries: list[str] = []


class _Stores(Struct, frozen=True, kw_only=True):
    """Where a run searches."""

    of_assistant: Sequence[str]
    of_thread: Sequence[str]
    has_v1_files: bool

    @property
    def ids(self) -> list[str]:
        return [*dict.fromkeys([*self.of_assistant, *self.of_thread])]

    @property
    def awaited(self) -> Sequence[str]:
        """The thread's (RUN-24), and the assistant's from v1, where nobody sees what is ready."""
        return self.ids if self.has_v1_files else self.of_thread


class FileSearch:
    """Searches for runs."""

    type: Literal["file_search"] = "file_search"

    def __init__(
        self, storage: Storage, searching: Searching, clock: Clock, settings: Settings
    ) -> None:
        self._storage = storage
        self._searching = searching
        self._clock = clock
        self._tokens_max = settings.file_search_tokens_max

    async def offered(self, run: Run, project_id: str) -> dict[str, Any] | None:
        """Return the function, once the thread's files are ingested; None without a store.

        Raises ToolFailed when a store has expired (RUN-24).
        """
        stores = await self._stores(run, project_id)
        rows = await stores_in(self._storage, project_id, stores.ids)
        self._refuse_expired(rows)
        if not rows and not _is_forced(run):
            return None
        await self._until_ingested(stores.awaited, run.created_at + INGESTION_SECONDS_MAX)
        return _FUNCTION

    async def call(self, use: ToolUse, call_id: str, arguments: str) -> FileSearchToolCall:
        """Search in both stores for what the model asks."""
        queries = _queries(arguments)
        found = await self._found(use, queries)
        search = FileSearchCall(
            ranking_options=ranking_options(use.run),
            results=[_result(one) for one in _within(found, self._tokens_max)],
            query="\n".join(queries),
            place=use.place,
        )
        return FileSearchToolCall(id=call_id, file_search=search)

    async def _found(self, use: ToolUse, queries: Sequence[str]) -> Sequence[Found]:
        stores = await self._stores(use.run, use.project_id)
        rows = await stores_in(self._storage, use.project_id, stores.ids)
        now = int(self._clock.now())
        alive = [row for row in rows if not has_expired(decode_vector_store(row.body), now)]
        await touch(self._storage, use.project_id, alive, now)
        wanted = _wanted(queries, _options(use.run))
        store_ids = [row.id for row in alive]
        await use.ensure_lease()
        try:
            return await self._searching.search(use.project_id, store_ids, wanted)
        except IndexUnreadable as error:
            # Waiting would not help: an index that is damaged is made anew by a restart.
            raise ToolFailed(error.message) from error

    async def _stores(self, run: Run, project_id: str) -> _Stores:
        """Return the stores as they are named now; either owner may be gone."""
        scope = Scope(project_id=project_id)
        assistant = await self._storage.fetch("assistant", scope, run.assistant_id)
        thread = await self._storage.fetch("thread", scope, run.thread_id)
        return _Stores(
            of_assistant=decode_assistant(assistant.body).tool_resources.vector_store_ids
            if assistant
            else (),
            of_thread=decode_thread(thread.body).tool_resources.vector_store_ids if thread else (),
            has_v1_files=bool(assistant and assistant.file_ids),
        )

    def _refuse_expired(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if has_expired(decode_vector_store(row.body), int(self._clock.now())):
                raise ToolFailed(f"Vector store '{row.id}' has expired.")

    async def _until_ingested(self, store_ids: Sequence[str], give_up: float) -> None:
        """Wait for files that have just been attached, but not for ever, and not in every leg."""
        pause = LOOK_AGAIN_SECONDS
        while self._clock.now() < give_up:
            if not await self._storage.has_entries_in_progress(store_ids):
                return
            await asyncio.sleep(pause)
            pause = min(pause * _LOOK_AGAIN_GROWTH, LOOK_AGAIN_SECONDS_MAX)


def _is_forced(run: Run) -> bool:
    choice = run.tool_choice
    return isinstance(choice, NamedToolChoice) and choice.type == "file_search"


def _options(run: Run) -> FileSearchOptions:
    tools = (one.file_search for one in run.tools if isinstance(one, FileSearchTool))
    return next(tools, FileSearchOptions())


def _queries(arguments: str) -> list[str]:
    """Return what is asked for; a model that writes no JSON has written its question.

    A model that does not stop writing is cut short.
    """
    try:
        sent = msgspec.json.decode(arguments, type=_Arguments)
    except msgspec.DecodeError:
        sent = _Arguments(query=arguments)
    query = [sent.query] if isinstance(sent.query, str) else sent.query
    asked = [one.strip()[:QUERY_CHARACTERS_MAX] for one in (*query, *sent.queries)]
    return [one for one in asked if one][:QUERIES_MAX]


def _wanted(queries: Sequence[str], options: FileSearchOptions) -> Wanted:
    given, ranking = options.max_num_results, options.ranking_options
    return Wanted(
        queries=queries,
        max_results=given if isinstance(given, int) else RESULTS_MAX,
        score_threshold=ranking.score_threshold,
        ranker=ranking.ranker,
        hybrid=ranking.hybrid_search,
    )


def _within(found: Sequence[Found], tokens_max: int) -> list[Found]:
    """Return the best results that the model has room for; the first one in any case."""
    kept: list[Found] = []
    tokens = 0
    for one in found:
        tokens += one.chunk.tokens
        if kept and tokens > tokens_max:
            break
        kept.append(one)
    return kept


def _result(found: Found) -> SearchResult:
    return SearchResult(
        file_id=found.file_id,
        file_name=found.file_name,
        score=found.score,
        attributes=dict(found.attributes),
        content=[SearchResultText(text=found.chunk.text)],
    )
