"""Whole runs that search in real stores (VS-14), and what they wait for (RUN-24)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engine.puppet import Call, Puppet
from tests.engine.stage import ME, Client, F, Stage, staged
from understudy.clock import ManualClock
from understudy.ids import new_file_id
from understudy.operations import assistants, threads, vector_store_files, vector_stores
from understudy.operations.ports import Caller
from understudy.retrieval.store_use import touch
from understudy.retrieval.terms import index_terms
from understudy.storage.changes import AddEntries, ClaimEntry, EndEntry, Insert, NewEntry, Replace
from understudy.storage.chunks import Chunk, IndexedChunk
from understudy.storage.records import Scope, StoredEntry
from understudy.tools.file_search import (
    INGESTION_SECONDS_MAX,
    QUERIES_MAX,
    QUERY_CHARACTERS_MAX,
    RESULTS_MAX,
    FileSearch,
)
from understudy.wire.encoding import decode_assistant, encode
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import (
    FileSearchCall,
    FileSearchToolCall,
    StepRankingOptions,
    ToolCallsDetails,
)
from understudy.wire.objects.tools import (
    FileSearchOptions,
    FileSearchResources,
    FileSearchTool,
    NamedToolChoice,
    RankingOptions,
    ToolResources,
)
from understudy.wire.objects.vector_stores import VectorStore
from understudy.wire.params.assistants import NewAssistant
from understudy.wire.params.threads import NewThread
from understudy.wire.params.vector_stores import NewVectorStore, VectorStoreChanges

DAY_SECONDS = 86_400
STRANGER = Caller(project_id="proj_2", era="v2")
RAIN, SNOW = "It rains in Oslo.", "It snows in Oslo."


@pytest.fixture
def model() -> Puppet:
    """Give a model that waits for the test."""
    return Puppet()


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands still."""
    return ManualClock()


@pytest.fixture
async def stage(tmp_path: Path, model: Puppet, clock: ManualClock) -> AsyncIterator[Stage]:
    """Give a stage with one worker who searches in the stores of the stage."""
    async with searching(tmp_path, model, clock) as stage:
        yield stage


@asynccontextmanager
async def searching(
    folder: Path, model: Puppet, clock: ManualClock, **settings: Any
) -> AsyncIterator[Stage]:
    """Open a stage; its tool needs the ports that are opened with it."""
    async with staged(folder, model, clock=clock, workers=0, **settings) as stage:
        ports = stage.ports
        search = FileSearch(ports.storage, ports.searching, ports.clock, ports.settings)
        stage.tools = {"file_search": search}
        stage.hire()
        yield stage


async def store(stage: Stage, *texts: str, caller: Caller = ME, **fields: Any) -> str:
    """Make a store with a completed file for each text."""
    made = await vector_stores.create(stage.ports, caller, NewVectorStore(**fields))
    for text in texts:
        await ingest(stage, await add(stage, made.id, caller), text)
    return made.id


async def add(stage: Stage, store_id: str, caller: Caller = ME) -> StoredEntry:
    """Add a file to a store; it waits to be ingested."""
    storage, file_id = stage.ports.storage, new_file_id()
    file = Insert(
        kind="file",
        project_id=caller.project_id,
        id=file_id,
        created_at=stage.ports.now,
        body=b"{}",
        purpose="assistants",
    )
    added = AddEntries(
        project_id=caller.project_id,
        store_id=store_id,
        created_at=stage.ports.now,
        entries=(NewEntry(file_id=file_id, filename="a.txt"),),
    )
    await storage.write(file, added)
    entry = await storage.entry(caller.project_id, store_id, file_id)
    assert entry is not None
    return entry


async def ingest(stage: Stage, entry: StoredEntry, text: str, tokens: int = 5) -> None:
    """Let a file be this passage."""

    async def batches() -> AsyncIterator[Sequence[IndexedChunk]]:
        chunk = Chunk(text=text, start=0, end=len(text), tokens=tokens)
        yield [IndexedChunk(chunk=chunk, terms=index_terms(text))]

    await stage.ports.chunks.put(entry.store_id, entry.entry, batches())
    until = stage.ports.clock.now() + 60
    claim = ClaimEntry(entry=entry.entry, attempt=0, lease_until=until)
    await stage.ports.storage.write(claim, EndEntry(entry=entry.entry, attempt=1))


def resources(*store_ids: str) -> ToolResources:
    return ToolResources(file_search=FileSearchResources([*store_ids]) if store_ids else None)


async def ask(
    stage: Stage,
    *,
    of_assistant: str | None = None,
    of_thread: str | None = None,
    options: FileSearchOptions | None = None,
    **more: Any,
) -> Client:
    """Ask for a run that can search in these stores."""
    tool = FileSearchTool(options or FileSearchOptions())
    given = resources(*([of_assistant] if of_assistant else []))
    new = NewAssistant(model="scripted", tools=[tool], tool_resources=given)
    stage._assistant_id = (await assistants.create(stage.ports, ME, new)).id
    given = resources(*([of_thread] if of_thread else []))
    thread = await threads.create(stage.ports, ME, NewThread(tool_resources=given))
    return await stage.ask("What is the weather?", thread_id=thread.id, **more)


async def search_of(stage: Stage, client: Client) -> FileSearchCall:
    """Return the search that the first step of the run keeps."""
    details = (await stage.steps(client))[0].step_details
    assert isinstance(details, ToolCallsDetails)
    (call,) = details.tool_calls
    assert isinstance(call, FileSearchToolCall)
    return call.file_search


async def searched(stage: Stage, model: Puppet, arguments: str, **more: Any) -> FileSearchCall:
    """Let the model of a new run search, and return what it found."""
    client = await ask(stage, **more)
    call = await model.called()
    call._call("file_search", [arguments])
    call.finish("tool_calls")
    (await model.called()).say("So it is.").finish()
    assert (await client.stops()).status == "completed"
    return await search_of(stage, client)


def texts(search: FileSearchCall) -> list[str]:
    return [part.text for one in search.results or [] for part in one.content or []]


def offered(call: Call) -> list[str]:
    return [tool["function"]["name"] for tool in call.request.tools]


async def shown(stage: Stage, store_id: str) -> VectorStore:
    return await vector_stores.get(stage.ports, ME, store_id)


def reason_of(run: Run) -> str:
    assert run.status == "failed"
    assert run.last_error is not None
    assert run.last_error.code == "server_error"
    return run.last_error.message


# Where a run searches


async def test_the_stores_of_assistant_and_thread_are_searched(stage: Stage, model: Puppet) -> None:
    """VS-14, RUN-26: both, and each passage is found once."""
    mine, threads_own = await store(stage, RAIN), await store(stage, SNOW)
    found = await searched(
        stage, model, '{"query": "Oslo"}', of_assistant=mine, of_thread=threads_own
    )
    assert sorted(texts(found)) == [RAIN, SNOW]
    assert found.query == "Oslo"


async def test_a_store_that_both_name_is_searched_once(stage: Stage, model: Puppet) -> None:
    both = await store(stage, RAIN)
    found = await searched(stage, model, '{"query": "Oslo"}', of_assistant=both, of_thread=both)
    assert texts(found) == [RAIN]


async def test_the_model_reads_what_was_found(stage: Stage, model: Puppet) -> None:
    """ANN-03: with the markers by which it can cite."""
    client = await ask(stage, of_assistant=await store(stage, RAIN))
    (await model.called()).search("rain").finish("tool_calls")
    call = await model.called()
    read = str(call.request.messages[-1])
    assert RAIN in read
    assert "【" in read
    call.say("Rain").finish()
    await client.stops()


async def test_stores_of_other_projects_are_never_searched(stage: Stage, model: Puppet) -> None:
    """AUTH-03: not even when an owner names one, as old rows may."""
    theirs, mine = await store(stage, SNOW, caller=STRANGER), await store(stage, RAIN)
    client = await ask(stage, of_assistant=mine)
    await _rename(stage, theirs)
    call = await model.called()
    call.search("Oslo").finish("tool_calls")
    (await model.called()).say("Nothing").finish()
    await client.stops()
    assert texts(await search_of(stage, client)) == []


async def _rename(stage: Stage, store_id: str) -> None:
    """Let the assistant name another store, past all checks."""
    storage = stage.ports.storage
    row = await storage.fetch("assistant", Scope(project_id=ME.project_id), stage._assistant_id)
    assert row is not None
    assistant = decode_assistant(row.body)
    assistant.tool_resources = resources(store_id)
    body = encode(assistant)
    await storage.write(
        Replace(kind="assistant", project_id=ME.project_id, id=row.id, read=row, body=body)
    )


async def test_without_stores_the_search_is_not_offered(stage: Stage, model: Puppet) -> None:
    client = await ask(stage)
    call = await model.called()
    assert offered(call) == []
    call.say("I cannot search").finish()
    assert (await client.stops()).status == "completed"


async def test_a_deleted_store_is_no_store(stage: Stage, model: Puppet) -> None:
    gone = await store(stage, RAIN)
    client = await ask(stage, of_assistant=gone, of_thread=await store(stage, SNOW))
    await vector_stores.delete(stage.ports, ME, gone)
    call = await model.called()
    assert offered(call) == ["file_search"]
    call.search("Oslo").finish("tool_calls")
    (await model.called()).say("Snow").finish()
    await client.stops()
    assert texts(await search_of(stage, client)) == [SNOW]


async def test_of_a_deleted_assistant_the_threads_store_is_left(
    stage: Stage, model: Puppet
) -> None:
    """ASST-10: a run goes on without the assistant that it was made of."""
    client = await ask(
        stage, of_assistant=await store(stage, RAIN), of_thread=await store(stage, SNOW)
    )
    call = await model.called()
    await assistants.delete(stage.ports, ME, stage._assistant_id)
    call.search("Oslo").finish("tool_calls")
    (await model.called()).say("Snow").finish()
    assert (await client.stops()).status == "completed"
    assert texts(await search_of(stage, client)) == [SNOW]


async def test_a_forced_search_finds_nothing_where_there_is_nothing(
    stage: Stage, model: Puppet
) -> None:
    """RUN-33."""
    forced = NamedToolChoice(type="file_search")
    client = await ask(stage, tool_choice=forced)
    call = await model.called()
    assert offered(call) == ["file_search"]
    call.search("Oslo").finish("tool_calls")
    (await model.called()).say("Nothing").finish()
    assert (await client.stops()).status == "completed"
    assert texts(await search_of(stage, client)) == []


# What it waits for


async def test_a_run_waits_for_the_files_of_its_thread(stage: Stage, model: Puppet) -> None:
    """RUN-24."""
    store_id = await store(stage)
    entry = await add(stage, store_id)
    client = await ask(stage, of_thread=store_id)
    await client.hears("run.in_progress")
    assert model.is_idle()
    await ingest(stage, entry, RAIN)
    (await model.called()).search("rain").finish("tool_calls")
    (await model.called()).say("Rain").finish()
    await client.stops()
    assert texts(await search_of(stage, client)) == [RAIN]


async def test_a_run_does_not_wait_for_ever(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """RUN-24: after 60 seconds it proceeds."""
    store_id = await store(stage, SNOW)
    await add(stage, store_id)
    client = await ask(stage, of_thread=store_id)
    await client.hears("run.in_progress")
    clock.advance(INGESTION_SECONDS_MAX - 1)
    other = await ask(stage)
    call = await model.called()
    assert offered(call) == []  # it is the other one's: this one still waits
    call.say("No files").finish()
    await other.stops()
    assert model.is_idle()
    clock.advance(1)
    call = await model.called()
    assert offered(call) == ["file_search"]
    call.say("Snow").finish()
    assert (await client.stops()).status == "completed"


async def test_a_later_leg_does_not_wait_again(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """RUN-24: it is the beginning of the run that waits."""
    store_id = await store(stage)
    client = await ask(stage, of_thread=store_id, tools=[FileSearchTool(), F])
    clock.advance(INGESTION_SECONDS_MAX)
    call = await model.called()
    await add(stage, store_id)
    call.call("{}").finish("tool_calls")
    await client.stops()
    await stage.submit(client, call_0="done")
    (await model.called()).say("So it is").finish()
    assert (await client.stops(times=2)).status == "completed"


async def test_files_of_the_assistant_are_not_waited_for(stage: Stage, model: Puppet) -> None:
    """RUN-24."""
    store_id = await store(stage)
    await add(stage, store_id)
    client = await ask(stage, of_assistant=store_id)
    (await model.called()).say("Nothing").finish()
    assert (await client.stops()).status == "completed"


async def test_a_run_that_waits_can_be_cancelled(stage: Stage, model: Puppet) -> None:
    """RUN-17."""
    store_id = await store(stage)
    await add(stage, store_id)
    client = await ask(stage, of_thread=store_id)
    await client.hears("run.in_progress")
    await stage.cancel(client)
    assert (await client.stops()).status == "cancelled"
    assert model.calls == 0


@pytest.mark.parametrize("whose", ["assistant", "thread"])
async def test_an_expired_store_fails_the_run(
    stage: Stage, model: Puppet, clock: ManualClock, whose: str
) -> None:
    """RUN-24, RUN-1A, VS-03."""
    store_id = await store(stage, RAIN, expires_after_days=1)
    clock.advance(DAY_SECONDS)
    of_assistant = store_id if whose == "assistant" else None
    of_thread = store_id if whose == "thread" else None
    client = await ask(stage, of_assistant=of_assistant, of_thread=of_thread)
    run = await client.stops()
    assert f"Vector store '{store_id}' has expired" in reason_of(run)
    assert model.calls == 0


async def test_a_damaged_index_fails_the_run_and_says_which_store(
    stage: Stage, model: Puppet
) -> None:
    """RUN-1A: waiting for it until the run expires would help nobody."""
    store_id = await store(stage, RAIN)
    stage.ports.chunks._files.close()  # type: ignore[attr-defined]
    folder = stage.ports.settings.indexes_folder
    (folder / f"{store_id}.sqlite3").write_bytes(b"no database at all, and long enough to be one")
    client = await ask(stage, of_thread=store_id)
    call = await model.called()
    call._call("file_search", ['{"query": "rain"}'])
    call.finish("tool_calls")
    assert f"'{store_id}' cannot be used" in reason_of(await client.stops())


async def test_a_search_keeps_its_stores_alive(
    stage: Stage, model: Puppet, clock: ManualClock
) -> None:
    """VS-03: both stores count as used from now on."""
    mine = await store(stage, RAIN, expires_after_days=2)
    threads_own = await store(stage, SNOW, expires_after_days=3)
    clock.advance(DAY_SECONDS)
    await searched(stage, model, '{"query": "Oslo"}', of_assistant=mine, of_thread=threads_own)
    now = stage.ports.now
    for store_id, days in ((mine, 2), (threads_own, 3)):
        after = await shown(stage, store_id)
        assert (after.last_active_at, after.expires_at) == (now, now + days * DAY_SECONDS)


async def test_a_use_counts_though_the_store_is_changed_meanwhile(
    stage: Stage, clock: ManualClock
) -> None:
    """VS-03: and the change stays; of a deleted store nothing is left to be marked."""
    scope, storage = Scope(project_id=ME.project_id), stage.ports.storage
    changed, deleted = await store(stage, expires_after_days=1), await store(stage)
    rows = [await storage.fetch("vector_store", scope, one) for one in (changed, deleted)]
    clock.advance(60)
    await vector_stores.modify(stage.ports, ME, changed, VectorStoreChanges(name="rain"))
    await vector_stores.delete(stage.ports, ME, deleted)
    await touch(storage, ME.project_id, [row for row in rows if row], stage.ports.now)
    after = await shown(stage, changed)
    assert (after.name, after.last_active_at) == ("rain", stage.ports.now)
    assert await storage.fetch("vector_store", scope, deleted) is None


# What it finds


async def test_twenty_results_unless_the_tool_says_otherwise(stage: Stage, model: Puppet) -> None:
    """VS-14: max_num_results."""
    store_id = await store(stage, *(f"Rain number {number}" for number in range(RESULTS_MAX + 5)))
    query = '{"query": "rain"}'
    found = await searched(stage, model, query, of_assistant=store_id)
    assert len(texts(found)) == RESULTS_MAX
    few = FileSearchOptions(max_num_results=3)
    found = await searched(stage, model, query, of_assistant=store_id, options=few)
    assert len(texts(found)) == 3


@pytest.mark.parametrize(("tokens_max", "count"), [(1, 1), (11, 1), (12, 2), (17, 2), (18, 3)])
async def test_results_have_a_budget_of_tokens(
    tmp_path: Path, model: Puppet, clock: ManualClock, tokens_max: int, count: int
) -> None:
    """VS-14: what the model has room for, but the best one in any case."""
    settings = {"file_search_tokens_max": tokens_max}
    async with searching(tmp_path, model, clock, **settings) as stage:
        store_id = await store(stage)
        for number in range(4):
            await ingest(stage, await add(stage, store_id), f"Rain number {number}", tokens=6)
        found = await searched(stage, model, '{"query": "rain"}', of_assistant=store_id)
        assert len(texts(found)) == count


async def test_the_threshold_of_the_tool_holds(stage: Stage, model: Puppet) -> None:
    """ASST-06: ranking_options, which the step repeats."""
    store_id = await store(stage, "Rain and snow and hail", "Rain only", "Sun")
    query = '{"query": "rain snow hail"}'
    everything = (await searched(stage, model, query, of_assistant=store_id)).results
    assert everything is not None
    best, second = (one.score for one in everything)
    assert 1 >= best > second > 0
    ranking = RankingOptions(ranker="auto", score_threshold=best)
    options = FileSearchOptions(ranking_options=ranking)
    found = await searched(stage, model, query, of_assistant=store_id, options=options)
    assert texts(found) == ["Rain and snow and hail"]
    assert found.ranking_options == StepRankingOptions(ranker="auto", score_threshold=best)


@pytest.mark.parametrize(
    "arguments",
    [
        '{"query": ["rain", "snow"]}',
        '{"queries": ["rain", "snow"]}',
        '{"query": "rain", "queries": ["snow", "  "]}',
        '{"query": "rain\\nsnow"}',
    ],
)
async def test_a_model_may_ask_several_things_at_once(
    stage: Stage, model: Puppet, arguments: str
) -> None:
    store_id = await store(stage, RAIN, SNOW, "The sun shines.")
    found = await searched(stage, model, arguments, of_assistant=store_id)
    assert sorted(texts(found)) == [RAIN, SNOW]
    assert found.query == "rain\nsnow"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("rain", [RAIN]),
        ('{"query": "rain', [RAIN]),
        ('{"q": "rain"}', []),
        ('{"query": {"words": "rain"}}', [RAIN]),
        ('["rain"]', [RAIN]),
        ("", []),
        ("{}", []),
        ('{"query": ""}', []),
        ("\\ud800 \x00", []),
        ('{"query": "\\" OR NEAR( * ) rain"}', [RAIN]),
    ],
)
async def test_malformed_arguments_do_not_stop_a_run(
    stage: Stage, model: Puppet, arguments: str, expected: list[str]
) -> None:
    store_id = await store(stage, RAIN, "The sun shines.")
    found = await searched(stage, model, arguments, of_assistant=store_id)
    assert texts(found) == expected


async def test_a_model_that_does_not_stop_asking_is_cut_short(stage: Stage, model: Puppet) -> None:
    store_id = await store(stage, RAIN)
    many = ", ".join(['"rain"'] * 1_000)
    found = await searched(stage, model, f'{{"queries": [{many}]}}', of_assistant=store_id)
    assert found.query == "\n".join(["rain"] * QUERIES_MAX)
    found = await searched(stage, model, "rain " * 10_000, of_assistant=store_id)
    assert isinstance(found.query, str)
    assert len(found.query) == QUERY_CHARACTERS_MAX


async def test_a_store_that_is_still_filled_is_searched_as_it_is(
    stage: Stage, model: Puppet
) -> None:
    """RUN-24: whatever of the assistant's store is ready."""
    store_id = await store(stage, RAIN)
    await add(stage, store_id)
    found = await searched(stage, model, '{"query": "Oslo"}', of_assistant=store_id)
    assert texts(found) == [RAIN]


async def test_what_left_the_store_is_not_found(stage: Stage, model: Puppet) -> None:
    """VS-10: though the index still has it."""
    store_id = await store(stage, RAIN)
    entry = await add(stage, store_id)
    await ingest(stage, entry, SNOW)
    await vector_store_files.delete(stage.ports, ME, store_id, entry.file_id)
    assert await stage.ports.chunks.chunks(store_id, entry.entry, limit=1)
    found = await searched(stage, model, '{"query": "Oslo"}', of_assistant=store_id)
    assert texts(found) == [RAIN]
