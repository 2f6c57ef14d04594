"""The vector stores of assistants and threads in v2 (contract sections 6, 7, 8 and 13)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from understudy.clock import ManualClock
from understudy.engine.duties import AllDuties
from understudy.engine.sweeper import Sweeper
from understudy.operations import messages
from understudy.operations.ports import Caller, Ports
from understudy.storage.changes import ClaimEntry, EndEntry
from understudy.wire.objects.messages import Attachment, AttachmentTool
from understudy.wire.objects.vector_stores import StoreFileError
from understudy.wire.params.messages import NewMessage

from .client import JSON, Client, Error
from .conftest import Build, House

DAY_SECONDS = 86_400
SEARCH = {"type": "file_search"}
CODE = {"type": "code_interpreter"}
UNSUPPORTED = (
    "Files with extensions [{}] are not supported for retrieval. See "
    "https://platform.openai.com/docs/assistants/tools/file-search/supported-files"
)


@pytest.fixture
async def house(build: Build) -> House:
    """Return a server that reads no file, so that entries stay in progress."""
    return await build(worker=False)


def attached(file: JSON, *tools: JSON) -> JSON:
    """Return an attachment, for file_search unless told otherwise."""
    return {"file_id": file["id"], "tools": [*tools] or [SEARCH]}


def message(*attachments: JSON) -> JSON:
    """Return a user message that brings files."""
    return {"role": "user", "content": "look", "attachments": [*attachments]}


def named(*store_ids: str) -> JSON:
    """Return tool_resources that name stores."""
    return {"file_search": {"vector_store_ids": [*store_ids]}}


def made(*files: JSON, **more: object) -> JSON:
    """Return tool_resources that bring a store along."""
    store = {"file_ids": [file["id"] for file in files], **more}
    return {"file_search": {"vector_stores": [store]}}


def store_of(shown: JSON) -> str:
    """Return the one store of an assistant or a thread."""
    (store_id,) = shown["tool_resources"]["file_search"]["vector_store_ids"]
    return str(store_id)


async def files_in(client: Client, store_id: str) -> list[str]:
    """Return the files of a store, oldest first."""
    files = await client.listed(f"/vector_stores/{store_id}/files?order=asc")
    return [file["id"] for file in files]


async def adding_of(house: House, store_id: str, file: JSON) -> int:
    """Return the number of this adding of the file, which another adding would change."""
    project_id = (await house.ports.storage.list_keys())[0].project_id
    entry = await house.ports.storage.entry(project_id, store_id, file["id"])
    assert entry is not None
    return entry.entry


async def test_an_assistant_brings_a_store(v2: Client) -> None:
    """ASST-07, ASST-04, VS-04: its id is echoed, its files are in it, and it never expires."""
    one, two = await v2.upload(b"1"), await v2.upload(b"2")
    static = {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 50}
    resources = made(
        one,
        two,
        metadata={"a": "b"},
        chunking_strategy={"type": "static", "static": static},
    )
    assistant = await v2.assistant(tools=[SEARCH], tool_resources=resources)
    assert assistant["tool_resources"] == named(store_of(assistant))
    assert await v2.get(f"/assistants/{assistant['id']}") == assistant
    store = await v2.get(f"/vector_stores/{store_of(assistant)}")
    assert (store["expires_after"], store["expires_at"]) == (None, None)
    assert (store["name"], store["metadata"]) == (None, {"a": "b"})
    assert (store["status"], store["file_counts"]["total"]) == ("in_progress", 2)
    files = await v2.listed(f"/vector_stores/{store['id']}/files?order=asc")
    assert [file["id"] for file in files] == [one["id"], two["id"]]
    assert [file["chunking_strategy"]["static"] for file in files] == [static, static]


async def test_a_thread_brings_a_store(v2: Client) -> None:
    """THR-03, VS-03, VS-04: such a store expires after seven days without use."""
    file = await v2.upload()
    thread = await v2.thread(tool_resources=made(file))
    assert thread["tool_resources"] == named(store_of(thread))
    assert await v2.get(f"/threads/{thread['id']}") == thread
    store = await v2.get(f"/vector_stores/{store_of(thread)}")
    assert store["expires_after"] == {"anchor": "last_active_at", "days": 7}
    assert store["expires_at"] == store["last_active_at"] + 7 * DAY_SECONDS
    assert await files_in(v2, store["id"]) == [file["id"]]


async def test_an_empty_store_can_be_brought(v2: Client) -> None:
    """ASST-07, THR-03: file_ids may be left out."""
    resources: JSON = {"file_search": {"vector_stores": [{}]}}
    assistant = await v2.assistant(tool_resources=resources)
    thread = await v2.thread(tool_resources=resources)
    for shown in (assistant, thread):
        store = await v2.get(f"/vector_stores/{store_of(shown)}")
        assert (store["status"], store["file_counts"]["total"]) == ("completed", 0)


async def test_a_thread_that_is_made_with_its_run_brings_a_store(v2: Client) -> None:
    """RUN-21, THR-03: thread.tool_resources; the attachments of its messages join that store."""
    one, two = await v2.upload(b"1"), await v2.upload(b"2")
    assistant = await v2.assistant(tools=[SEARCH])
    thread = {"messages": [message(attached(two))], "tool_resources": made(one)}
    run = await v2.post("/threads/runs", {"assistant_id": assistant["id"], "thread": thread})
    shown = await v2.get(f"/threads/{run['thread_id']}")
    assert await files_in(v2, store_of(shown)) == [one["id"], two["id"]]
    store = await v2.get(f"/vector_stores/{store_of(shown)}")
    assert store["expires_after"] == {"anchor": "last_active_at", "days": 7}


async def test_resources_of_a_run_go_to_its_new_thread(v2: Client) -> None:
    """RUN-21, RUN-02: they win over those of the thread, whose own store is not made then."""
    file = await v2.upload()
    mine = await v2.post("/vector_stores", {})
    assistant = await v2.assistant(tools=[SEARCH])
    body = {
        "assistant_id": assistant["id"],
        "thread": {"messages": [message()], "tool_resources": made(file)},
        "tool_resources": named(mine["id"]),
    }
    run = await v2.post("/threads/runs", body)
    assert run["tool_resources"] == {}
    assert (await v2.get(f"/threads/{run['thread_id']}"))["tool_resources"] == named(mine["id"])
    assert [one["id"] for one in await v2.listed("/vector_stores")] == [mine["id"]]


Door = Callable[[Client, JSON], Awaitable[tuple[str, JSON]]]


async def new_assistant(client: Client, resources: JSON) -> tuple[str, JSON]:
    del client
    return "/assistants", {"model": "scripted", "tool_resources": resources}


async def old_assistant(client: Client, resources: JSON) -> tuple[str, JSON]:
    assistant = await client.assistant()
    return f"/assistants/{assistant['id']}", {"tool_resources": resources}


async def new_thread(client: Client, resources: JSON) -> tuple[str, JSON]:
    del client
    return "/threads", {"messages": [message()], "tool_resources": resources}


async def old_thread(client: Client, resources: JSON) -> tuple[str, JSON]:
    return f"/threads/{(await client.thread())['id']}", {"tool_resources": resources}


async def thread_and_run(client: Client, resources: JSON) -> tuple[str, JSON]:
    assistant = await client.assistant(instructions="Go.")
    body = {"assistant_id": assistant["id"], "thread": {"tool_resources": resources}}
    return "/threads/runs", body


async def run_of_new_thread(client: Client, resources: JSON) -> tuple[str, JSON]:
    assistant = await client.assistant(instructions="Go.")
    return "/threads/runs", {"assistant_id": assistant["id"], "tool_resources": resources}


NEW: list[Door] = [new_assistant, new_thread, thread_and_run]
ALL: list[Door] = [*NEW, old_assistant, old_thread, run_of_new_thread]


async def everything(client: Client) -> list[JSON]:
    """Return all that a refused request must not have added to or changed."""
    paths = ("/assistants", "/threads", "/vector_stores")
    return [one for path in paths for one in await client.listed(path)]


@pytest.mark.parametrize("door", ALL)
async def test_a_store_that_does_not_exist_cannot_be_named(v2: Client, door: Door) -> None:
    """ERR-41, ASST-07, THR-03, THR-04, RUN-21: 404, and nothing is written."""
    path, body = await door(v2, named("vs_abc123"))
    before = await everything(v2)
    error = await v2.refused("POST", path, body)
    assert error == Error(404, "No vector store found with id 'vs_abc123'.")
    assert await everything(v2) == before


@pytest.mark.parametrize("door", ALL)
async def test_a_store_of_another_project_does_not_exist(
    v2: Client, stranger: Client, door: Door
) -> None:
    """ERR-41, GEN-18: to whom it does not belong."""
    theirs = await stranger.post("/vector_stores", {})
    path, body = await door(v2, named(theirs["id"]))
    error = await v2.refused("POST", path, body)
    assert error == Error(404, f"No vector store found with id '{theirs['id']}'.")


@pytest.mark.parametrize("door", ALL)
async def test_a_store_can_be_named(v2: Client, door: Door) -> None:
    """ASST-07, ASST-08, THR-03, THR-04, RUN-21: one that exists."""
    store = await v2.post("/vector_stores", {})
    path, body = await door(v2, named(store["id"]))
    shown = await v2.post(path, body)
    if "thread_id" in shown:
        shown = await v2.get(f"/threads/{shown['thread_id']}")
    assert shown["tool_resources"] == named(store["id"])


@pytest.mark.parametrize("door", ALL)
async def test_only_one_store_can_be_named(v2: Client, door: Door) -> None:
    """ASST-07, VS-14, ERR-27: one for each assistant and each thread."""
    path, body = await door(v2, named("vs_a", "vs_b"))
    error = await v2.refused("POST", path, body)
    assert (error.status, error.code) == (400, "array_above_max_length")


@pytest.mark.parametrize("door", NEW)
async def test_an_unknown_file_cannot_be_brought(v2: Client, door: Door) -> None:
    """ERR-43, ASST-07: 404, and nothing is written: no store, no assistant, no thread."""
    path, body = await door(v2, made(await v2.upload(), {"id": "file-none"}))
    before = await everything(v2)
    error = await v2.refused("POST", path, body)
    assert error == Error(404, "Files [file-none] were not found")
    assert await everything(v2) == before


async def test_only_something_new_brings_a_store(v2: Client) -> None:
    """ASST-07, THR-04, ERR-21: a modification names stores and makes none."""
    for door in (old_assistant, old_thread, run_of_new_thread):
        path, body = await door(v2, made())
        error = await v2.refused("POST", path, body)
        assert (error.status, error.code) == (400, "unknown_parameter")
    assert await v2.listed("/vector_stores") == []


async def test_attached_files_join_a_store_of_the_thread(house: House, v2: Client) -> None:
    """MSG-07, VS-04: made on demand, for seven days; a second message joins the same one."""
    one, two = await v2.upload(b"1"), await v2.upload(b"2")
    thread = await v2.thread()
    path = f"/threads/{thread['id']}"
    assert (await v2.get(path))["tool_resources"] == {}
    said = await v2.post(f"{path}/messages", message(attached(one)))
    assert said["attachments"] == [attached(one)]
    store_id = store_of(await v2.get(path))
    first = await adding_of(house, store_id, one)
    await v2.post(f"{path}/messages", message(attached(two, CODE, SEARCH), attached(one)))
    shown = await v2.get(path)
    assert shown["tool_resources"] == {
        "code_interpreter": {"file_ids": [two["id"]]},
        **named(store_id),
    }
    assert await files_in(v2, store_id) == [one["id"], two["id"]]
    assert await adding_of(house, store_id, one) == first  # not read again
    store = await v2.get(f"/vector_stores/{store_id}")
    assert store["expires_after"] == {"anchor": "last_active_at", "days": 7}


async def test_first_messages_bring_files(v2: Client) -> None:
    """MSG-07, THR-03: in the request that makes the thread; each file once."""
    one, two = await v2.upload(b"1"), await v2.upload(b"2")
    said = [message(attached(one), attached(two)), message(attached(one))]
    thread = await v2.post("/threads", {"messages": said})
    assert await files_in(v2, store_of(thread)) == [one["id"], two["id"]]
    mine = await v2.post("/vector_stores", {"file_ids": [two["id"]]})
    other = await v2.post("/threads", {"messages": said, "tool_resources": named(mine["id"])})
    assert store_of(other) == mine["id"]
    assert sorted(await files_in(v2, mine["id"])) == sorted([one["id"], two["id"]])


async def test_additional_messages_bring_files(v2: Client) -> None:
    """RUN-25, MSG-07."""
    file = await v2.upload()
    assistant, thread = await v2.assistant(), await v2.thread("hello")
    messages = [message(attached(file))]
    await v2.run(thread["id"], assistant["id"], additional_messages=messages)
    assert await files_in(v2, store_of(await v2.get(f"/threads/{thread['id']}"))) == [file["id"]]


async def test_files_attached_at_the_same_time_are_in_one_store(v2: Client) -> None:
    """MSG-07: no message makes a second store, and none undoes what another one brought."""
    thread = await v2.thread()
    path = f"/threads/{thread['id']}"
    files = [await v2.upload(str(number).encode()) for number in range(8)]
    says = (v2.post(f"{path}/messages", message(attached(file))) for file in files)
    await asyncio.gather(*says)
    (store,) = await v2.listed("/vector_stores")
    assert store_of(await v2.get(path)) == store["id"]
    assert sorted(await files_in(v2, store["id"])) == sorted(file["id"] for file in files)
    assert len(await v2.listed(f"{path}/messages")) == 8


async def test_files_come_while_their_store_is_deleted(v2: Client) -> None:
    """MSG-07: no message is refused for that; what comes later is in the store of then."""
    thread = await v2.thread(tool_resources=made())
    path = f"/threads/{thread['id']}"
    *files, last = [await v2.upload(str(number).encode()) for number in range(7)]
    says = [v2.post(f"{path}/messages", message(attached(file))) for file in files]
    await asyncio.gather(*says[:3], v2.delete(f"/vector_stores/{store_of(thread)}"), *says[3:])
    await v2.post(f"{path}/messages", message(attached(last)))
    (store,) = await v2.listed("/vector_stores")
    assert store_of(await v2.get(path)) == store["id"]
    assert last["id"] in await files_in(v2, store["id"])
    assert len(await v2.listed(f"{path}/messages")) == 7


@pytest.mark.parametrize("door", NEW)
async def test_a_request_that_is_repeated_makes_one_store(v2: Client, door: Door) -> None:
    """ASST-07, THR-03, GEN-11: an Idempotency-Key stands for the store, too."""
    path, body = await door(v2, made(await v2.upload()))
    key = {"Idempotency-Key": "once"}
    answers = [await v2.send("POST", path, body, headers=key) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json["id"] == answers[1].json["id"]
    assert len(await v2.listed("/vector_stores")) == 1


async def test_a_refused_message_brings_nothing(v2: Client) -> None:
    """THR-08, ERR-50, ERR-51, RUN-25: neither a store nor a file, nor a change of the thread."""
    one, two = await v2.upload(b"1"), await v2.upload(b"2")
    assistant, thread = await v2.assistant(), await v2.thread("hello", tool_resources=made(one))
    path = f"/threads/{thread['id']}"
    await v2.run(thread["id"], assistant["id"])
    search, code = message(attached(two)), message(attached(two, CODE))
    run = {"assistant_id": assistant["id"], "additional_messages": [search, code]}
    for below, body in (("messages", search), ("messages", code), ("runs", run)):
        error = await v2.refused("POST", f"{path}/{below}", body)
        assert (error.status, "active" in error.message) == (400, True)
    assert await v2.get(path) == thread
    assert await files_in(v2, store_of(thread)) == [one["id"]]


def _in_message(body: JSON) -> tuple[str, JSON]:
    return "/threads/{thread}/messages", body


def _in_thread(body: JSON) -> tuple[str, JSON]:
    return "/threads", {"messages": [body]}


def _in_run(body: JSON) -> tuple[str, JSON]:
    return "/threads/{thread}/runs", {"assistant_id": "{assistant}", "additional_messages": [body]}


def _in_thread_and_run(body: JSON) -> tuple[str, JSON]:
    return "/threads/runs", {"assistant_id": "{assistant}", "thread": {"messages": [body]}}


@pytest.mark.parametrize("place", [_in_message, _in_thread, _in_run, _in_thread_and_run])
async def test_a_file_that_cannot_be_searched_is_refused(
    v2: Client, place: Callable[[JSON], tuple[str, JSON]]
) -> None:
    """ERR-62, FILE-09, RUN-25: with all the extensions, each once, and nothing is written."""
    good, *bad = [
        await v2.upload(b"x", name) for name in ("a.txt", "a.png", "b.ZIP", "c.png", "d.tar.gz")
    ]
    assistant, thread = await v2.assistant(), await v2.thread("hello")
    path, body = place(message(attached(good), *(attached(file) for file in bad)))
    path = path.format(thread=thread["id"])
    if "assistant_id" in body:
        body["assistant_id"] = assistant["id"]
    before = await everything(v2)
    error = await v2.refused("POST", path, body)
    assert error == Error(
        400, UNSUPPORTED.format(".png, .zip, .gz"), param="file_ids", code="unsupported_file"
    )
    assert await everything(v2) == before
    assert len(await v2.listed(f"/threads/{thread['id']}/messages")) == 1


async def test_other_tools_take_any_file(v2: Client) -> None:
    """ERR-62: only what is attached for file_search has to be readable for it."""
    file, thread = await v2.upload(b"x", "a.png"), await v2.thread()
    path = f"/threads/{thread['id']}"
    await v2.post(f"{path}/messages", message(attached(file, CODE)))
    assert (await v2.get(path))["tool_resources"] == {
        "code_interpreter": {"file_ids": [file["id"]]}
    }


FILE_09 = "c cs cpp css doc docx html java js json md pdf php pptx py rb sh tex ts txt go"
MORE = "csv xlsx xml epub"


@pytest.mark.parametrize("extension", [*FILE_09.split(), *MORE.split(), "PDF", ""])
async def test_these_files_can_be_searched(v2: Client, extension: str) -> None:
    """FILE-09: the documented types and some more; without an extension it may be a text."""
    file = await v2.upload(b"x", f"a.{extension}" if extension else "README")
    thread = await v2.post("/threads", {"messages": [message(attached(file))]})
    assert await files_in(v2, store_of(thread)) == [file["id"]]


@pytest.mark.parametrize(
    "extension", ["jpeg", "jpg", "gif", "png", "tar", "zip", "pkl", "exe", "bin"]
)
async def test_these_files_cannot_be_searched(v2: Client, extension: str) -> None:
    """FILE-09, ERR-62: pictures and archives, of which some are for the code interpreter."""
    file = await v2.upload(b"x", f"a.{extension}")
    error = await v2.refused("POST", "/threads", {"messages": [message(attached(file))]})
    assert error.message == UNSUPPORTED.format(f".{extension}")


async def test_a_deleted_store_stays_named(v2: Client) -> None:
    """ASST-08, THR-04: its id dangles; what was read can be sent back, another id cannot."""
    store = await v2.post("/vector_stores", {})
    assistant = await v2.assistant(tool_resources=named(store["id"]))
    thread = await v2.thread(tool_resources=named(store["id"]))
    await v2.delete(f"/vector_stores/{store['id']}")
    for shown, path in (
        (assistant, f"/assistants/{assistant['id']}"),
        (thread, f"/threads/{thread['id']}"),
    ):
        assert await v2.get(path) == shown
        assert await v2.post(path, {"metadata": {"a": "b"}}) == {**shown, "metadata": {"a": "b"}}
        sent = {"tool_resources": shown["tool_resources"], "metadata": {}}
        assert await v2.post(path, sent) == shown
        error = await v2.refused("POST", path, {"tool_resources": named("vs_other")})
        assert error == Error(404, "No vector store found with id 'vs_other'.")
        assert (await v2.post(path, {"tool_resources": None}))["tool_resources"] == {}
        error = await v2.refused("POST", path, {"tool_resources": named(store["id"])})
        assert error == Error(404, f"No vector store found with id '{store['id']}'.")


async def test_a_thread_without_its_store_gets_a_new_one(v2: Client) -> None:
    """MSG-07: when files come and the store has been deleted."""
    one, two = await v2.upload(b"1"), await v2.upload(b"2")
    thread = await v2.post("/threads", {"messages": [message(attached(one))]})
    path = f"/threads/{thread['id']}"
    await v2.delete(f"/vector_stores/{store_of(thread)}")
    await v2.post(f"{path}/messages", message(attached(two)))
    shown = await v2.get(path)
    assert store_of(shown) != store_of(thread)
    assert await files_in(v2, store_of(shown)) == [two["id"]]


async def say_later(ports: Ports, thread: JSON, file: JSON, seconds: int) -> None:
    """Add a message with a file as if so many seconds had passed since the thread was made."""
    project_id = (await ports.storage.list_keys())[0].project_id
    later = replace(ports, clock=ManualClock(thread["created_at"] + seconds))
    brought = Attachment(file["id"], [AttachmentTool("file_search")])
    new = NewMessage(role="user", content=[], attachments=[brought])
    caller = Caller(project_id=project_id, era="v2")
    await messages.create(later, caller, thread["id"], new)


async def test_a_thread_whose_store_expired_gets_a_new_one(house: House, v2: Client) -> None:
    """MSG-07, VS-03, VS-04: after seven days without use."""
    one, two = await v2.upload(b"1"), await v2.upload(b"2")
    thread = await v2.thread(tool_resources=made(one))
    path = f"/threads/{thread['id']}"
    await say_later(house.ports, thread, two, 7 * DAY_SECONDS)
    shown = await v2.get(path)
    assert store_of(shown) != store_of(thread)
    assert await files_in(v2, store_of(shown)) == [two["id"]]


async def test_attaching_a_file_is_use_of_the_store(house: House, v2: Client) -> None:
    """VS-03, VS-04: the seven days begin again."""
    one, two = await v2.upload(b"1"), await v2.upload(b"2")
    thread = await v2.thread(tool_resources=made(one))
    await say_later(house.ports, thread, two, 6 * DAY_SECONDS)
    await say_later(house.ports, thread, two, 12 * DAY_SECONDS)
    store = await v2.get(f"/vector_stores/{store_of(thread)}")
    assert store["last_active_at"] == thread["created_at"] + 12 * DAY_SECONDS
    assert store["expires_at"] == store["last_active_at"] + 7 * DAY_SECONDS
    assert await files_in(v2, store["id"]) == [one["id"], two["id"]]


async def test_a_file_that_could_not_be_read_is_tried_again(house: House, v2: Client) -> None:
    """MSG-07, VS-08: attaching it once more adds it anew."""
    file = await v2.upload()
    thread = await v2.post("/threads", {"messages": [message(attached(file))]})
    store_id = store_of(thread)
    entry = await adding_of(house, store_id, file)
    failed = StoreFileError("server_error", "An internal error occurred.")
    await house.ports.storage.write(ClaimEntry(entry=entry, attempt=0, lease_until=2**40))
    await house.ports.storage.write(EndEntry(entry=entry, attempt=1, error=failed))
    path = f"/vector_stores/{store_id}/files/{file['id']}"
    assert (await v2.get(path))["status"] == "failed"
    await v2.post(f"/threads/{thread['id']}/messages", message(attached(file)))
    assert (await v2.get(path))["status"] == "in_progress"
    assert await files_in(v2, store_id) == [file["id"]]


@pytest.mark.parametrize("is_expired", [False, True])
async def test_a_file_that_is_gone_leaves_every_store(
    house: House, v2: Client, *, is_expired: bool
) -> None:
    """FILE-07, FILE-08: deleted by its owner or by the sweeper, with its bytes."""
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file, kept = await v2.upload(b"1", **fields), await v2.upload(b"2")
    assistant = await v2.assistant(tools=[SEARCH], tool_resources=made(file, kept))
    thread = await v2.post("/threads", {"messages": [message(attached(file), attached(kept))]})
    mine = await v2.post("/vector_stores", {"file_ids": [file["id"], kept["id"]]})
    if is_expired:
        await Sweeper(
            replace(house.ports, clock=ManualClock(file["expires_at"])), AllDuties()
        ).sweep()
    else:
        await v2.delete(f"/files/{file['id']}")
    for store_id in (store_of(assistant), store_of(thread), mine["id"]):
        assert await files_in(v2, store_id) == [kept["id"]]
        assert (await v2.get(f"/vector_stores/{store_id}"))["file_counts"]["total"] == 1
    (said,) = await v2.listed(f"/threads/{thread['id']}/messages")
    assert said["attachments"] == [attached(kept)]
    with pytest.raises(KeyError):
        await anext(house.ports.files.read(file["id"]))


@pytest.mark.parametrize("door", NEW)
async def test_files_that_a_store_brings_are_read_at_once(
    house: House, v2: Client, door: Door
) -> None:
    """VS-02: whoever ingests is told."""
    path, body = await door(v2, made(await v2.upload()))
    await v2.post(path, body)
    await asyncio.wait_for(house.ports.dispatch.entries_announced(), 10)


@pytest.mark.parametrize("place", [_in_message, _in_thread, _in_run, _in_thread_and_run])
async def test_files_that_a_message_brings_are_read_at_once(
    house: House, v2: Client, place: Callable[[JSON], tuple[str, JSON]]
) -> None:
    """MSG-07, VS-02: whoever ingests is told."""
    assistant, thread = await v2.assistant(), await v2.thread("hello")
    path, body = place(message(attached(await v2.upload())))
    if "assistant_id" in body:
        body["assistant_id"] = assistant["id"]
    await v2.post(path.format(thread=thread["id"]), body)
    await asyncio.wait_for(house.ports.dispatch.entries_announced(), 10)
