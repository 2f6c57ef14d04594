"""The files of v1 in the vector stores of v2 (contract section 14)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from .client import JSON, Client, Error
from .conftest import Build, House

CODE = {"type": "code_interpreter"}
RETRIEVAL = {"type": "retrieval"}
SEARCH = {"type": "file_search"}


@pytest.fixture
async def house(build: Build) -> House:
    """Return a server that reads no file, so that entries stay in progress."""
    return await build(worker=False)


class Views:
    """An assistant or a thread that v1 made, as v2 shows it."""

    def __init__(self, v2: Client, path: str) -> None:
        self.v2 = v2
        self.path = path

    async def resources(self) -> JSON:
        """Return its tool_resources."""
        shown: JSON = (await self.v2.get(self.path))["tool_resources"]
        return shown

    async def code_files(self) -> list[str] | None:
        """Return what the code interpreter finds, or None when nothing is said of that."""
        files: list[str] | None = (
            (await self.resources()).get("code_interpreter", {}).get("file_ids")
        )
        return files

    async def store(self) -> str | None:
        """Return its one store, if it has one."""
        store_ids = (await self.resources()).get("file_search", {}).get("vector_store_ids", [None])
        (store_id,) = store_ids
        return None if store_id is None else str(store_id)

    async def searched(self) -> list[str] | None:
        """Return the files of its store, oldest first."""
        store_id = await self.store()
        if store_id is None:
            return None
        files = await self.v2.listed(f"/vector_stores/{store_id}/files?order=asc")
        return [file["id"] for file in files]


async def uploaded(client: Client, *names: str) -> list[str]:
    """Upload files of these names and return their ids."""
    return [(await client.upload(b"x", name))["id"] for name in names]


async def assistant_with(v1: Client, v2: Client, *tools: JSON, file_ids: list[str]) -> Views:
    """Make an assistant through v1."""
    made = await v1.assistant(tools=[*tools], file_ids=file_ids)
    assert made["file_ids"] == file_ids
    return Views(v2, f"/assistants/{made['id']}")


async def v1_files(v1: Client, seen: Views) -> list[str]:
    """Return the files that v1 shows."""
    file_ids: list[str] = (await v1.get(seen.path))["file_ids"]
    return file_ids


@pytest.mark.parametrize(
    ("tools", "is_in_code", "is_searched"),
    [
        ([], False, False),
        ([CODE], True, False),
        ([RETRIEVAL], False, True),
        ([CODE, RETRIEVAL], True, True),
    ],
)
async def test_files_are_where_the_tools_find_them(
    v1: Client, v2: Client, tools: list[JSON], *, is_in_code: bool, is_searched: bool
) -> None:
    """V1V2-02, V1V2-01, ASST-04: for each tool that is on, and for no other."""
    ids = await uploaded(v1, "a.txt", "b.txt")
    seen = await assistant_with(v1, v2, *tools, file_ids=ids)
    assert await seen.code_files() == (ids if is_in_code else None)
    assert await seen.searched() == (ids if is_searched else None)


async def test_the_store_of_an_assistant_never_expires(v1: Client, v2: Client) -> None:
    """V1V2-02, VS-04: unlike that of a thread."""
    seen = await assistant_with(v1, v2, RETRIEVAL, file_ids=await uploaded(v1, "a.txt"))
    store = await v2.get(f"/vector_stores/{await seen.store()}")
    assert (store["expires_after"], store["expires_at"]) == (None, None)


async def test_later_v1_changes_reach_the_store(v1: Client, v2: Client) -> None:
    """V1V2-03, V1V2-04: attached, detached and replaced, always in the same store."""
    one, two, three = await uploaded(v1, "1.txt", "2.txt", "3.txt")
    seen = await assistant_with(v1, v2, RETRIEVAL, file_ids=[])
    assert await seen.resources() == {}
    await v1.post(f"{seen.path}/files", {"file_id": one})
    store_id = await seen.store()
    assert await seen.searched() == [one]
    await v1.post(f"{seen.path}/files", {"file_id": two})
    await v1.post(f"{seen.path}/files", {"file_id": two})
    assert await seen.searched() == [one, two]
    await v1.delete(f"{seen.path}/files/{one}")
    assert await seen.searched() == [two]
    await v1.post(seen.path, {"file_ids": [three, one]})
    assert await seen.searched() == [three, one]
    await v1.post(seen.path, {"name": "renamed"})
    await v1.post(seen.path, {"file_ids": []})
    assert (await seen.searched(), await seen.store()) == ([], store_id)


@pytest.mark.parametrize("era", ["v1", "v2"])
async def test_a_tool_that_is_switched_on_gets_the_files(house: House, era: Any) -> None:
    """V1V2-02, V1V2-03, V1V2-05: by either era, for the files belong to the assistant."""
    v1, v2, client = house.client("v1"), house.client("v2"), house.client(era)
    search = RETRIEVAL if era == "v1" else SEARCH
    ids = await uploaded(v1, "a.txt", "b.txt")
    seen = await assistant_with(v1, v2, file_ids=ids)
    assert await seen.resources() == {}
    await client.post(seen.path, {"tools": [search]})
    assert (await seen.code_files(), await seen.searched()) == (None, ids)
    await client.post(seen.path, {"tools": [search, CODE]})
    assert (await seen.code_files(), await seen.searched()) == (ids, ids)
    assert await v1_files(v1, seen) == ids


@pytest.mark.parametrize("era", ["v1", "v2"])
async def test_a_tool_that_is_switched_off(house: House, era: Any) -> None:
    """V1V2-02, ASST-04: the code interpreter shows no files then; the store waits, unread."""
    v1, v2, client = house.client("v1"), house.client("v2"), house.client(era)
    one, two = await uploaded(v1, "1.txt", "2.txt")
    seen = await assistant_with(v1, v2, CODE, RETRIEVAL, file_ids=[one])
    store_id = await seen.store()
    await client.post(seen.path, {"tools": []})
    assert await seen.resources() == {"file_search": {"vector_store_ids": [store_id]}}
    await v1.post(seen.path, {"file_ids": [two]})
    assert (await seen.code_files(), await seen.searched()) == (None, [])
    await v1.post(seen.path, {"tools": [CODE, RETRIEVAL]})
    assert (await seen.code_files(), await seen.searched()) == ([two], [two])
    assert await seen.store() == store_id


async def test_files_of_v2_stay_when_a_tool_is_switched_off(v1: Client, v2: Client) -> None:
    """V1V2-05: v1 takes away what v1 has given, and nothing else."""
    one, two = await uploaded(v1, "1.txt", "2.txt")
    seen = await assistant_with(v1, v2, CODE, file_ids=[one])
    both = {"code_interpreter": {"file_ids": [one, two]}}
    await v2.post(seen.path, {"tool_resources": both})
    await v1.post(seen.path, {"tools": []})
    assert await seen.resources() == {"code_interpreter": {"file_ids": [two]}}


async def test_changes_of_the_store_never_show_in_v1(v1: Client, v2: Client) -> None:
    """V1V2-03, V1V2-04: another store, another content, none at all: v1 has its file still."""
    ids = await uploaded(v1, "a.txt")
    seen = await assistant_with(v1, v2, RETRIEVAL, file_ids=ids)
    await v2.delete(f"/vector_stores/{await seen.store()}/files/{ids[0]}")
    assert (await seen.searched(), await v1_files(v1, seen)) == ([], ids)
    await v1.post(seen.path, {"name": "renamed"})
    assert await seen.searched() == []  # what v2 removed stays away
    mine = await v2.post("/vector_stores", {})
    await v2.post(
        seen.path, {"tool_resources": {"file_search": {"vector_store_ids": [mine["id"]]}}}
    )
    assert (await seen.store(), await v1_files(v1, seen)) == (mine["id"], ids)
    await v2.post(seen.path, {"tool_resources": None})
    assert (await seen.resources(), await v1_files(v1, seen)) == ({}, ids)


async def test_v2_decides_what_its_tools_get(v1: Client, v2: Client) -> None:
    """V1V2-05: what v2 says when it switches a tool on stands as it is."""
    one, two = await uploaded(v1, "1.txt", "2.txt")
    seen = await assistant_with(v1, v2, file_ids=[one])
    code = {"code_interpreter": {"file_ids": [two]}}
    await v2.post(seen.path, {"tools": [CODE, SEARCH], "tool_resources": code})
    assert (await seen.resources(), await v1_files(v1, seen)) == (code, [one])


async def test_an_assistant_without_its_store_gets_a_new_one(v1: Client, v2: Client) -> None:
    """V1V2-03: when files come and v2 has deleted the store; a detach does not mind."""
    one, two = await uploaded(v1, "1.txt", "2.txt")
    seen = await assistant_with(v1, v2, RETRIEVAL, file_ids=[one])
    gone = await seen.store()
    await v2.delete(f"/vector_stores/{gone}")
    await v1.delete(f"{seen.path}/files/{one}")
    assert await seen.store() == gone
    await v1.post(f"{seen.path}/files", {"file_id": two})
    assert (await seen.store() != gone, await seen.searched()) == (True, [two])


async def test_a_deleted_file_leaves_the_store(v1: Client, v2: Client) -> None:
    """V1V2-04, FILE-07: the file object is removed everywhere."""
    one, two = await uploaded(v1, "1.txt", "2.txt")
    seen = await assistant_with(v1, v2, CODE, RETRIEVAL, file_ids=[one, two])
    await v1.delete(f"/files/{one}")
    assert (await seen.code_files(), await seen.searched()) == ([two], [two])
    assert await v1_files(v1, seen) == [two]


async def test_files_attached_at_once_are_in_one_store(v1: Client, v2: Client) -> None:
    """ASST-10, V1V2-03: nobody makes a second store or undoes what another one brought."""
    ids = await uploaded(v1, *(f"{number}.txt" for number in range(8)))
    seen = await assistant_with(v1, v2, RETRIEVAL, file_ids=[])
    await asyncio.gather(*(v1.post(f"{seen.path}/files", {"file_id": one}) for one in ids))
    assert sorted(await seen.searched() or []) == sorted(ids) == sorted(await v1_files(v1, seen))
    assert len(await v2.listed("/vector_stores")) == 1


Door = Callable[[Client, str], Awaitable[tuple[str, JSON]]]


async def made_with(v1: Client, file_id: str) -> tuple[str, JSON]:
    del v1
    return "/assistants", {"model": "scripted", "tools": [RETRIEVAL], "file_ids": [file_id]}


async def attached(v1: Client, file_id: str) -> tuple[str, JSON]:
    assistant = await v1.assistant(tools=[RETRIEVAL])
    return f"/assistants/{assistant['id']}/files", {"file_id": file_id}


async def modified(v1: Client, file_id: str) -> tuple[str, JSON]:
    assistant = await v1.assistant(tools=[RETRIEVAL])
    return f"/assistants/{assistant['id']}", {"file_ids": [file_id]}


async def switched_on(v1: Client, file_id: str) -> tuple[str, JSON]:
    assistant = await v1.assistant(tools=[CODE], file_ids=[file_id])
    return f"/assistants/{assistant['id']}", {"tools": [RETRIEVAL]}


@pytest.mark.parametrize("door", [made_with, attached, modified, switched_on])
async def test_a_file_that_only_retrieval_would_use_must_be_readable(
    v1: Client, v2: Client, door: Door
) -> None:
    """ERR-63, FILE-09: 400, and nothing is written."""
    (file_id,) = await uploaded(v1, "a.png")
    path, body = await door(v1, file_id)
    before = await v2.listed("/assistants")
    error = await v1.refused("POST", path, body)
    assert error == Error(400, f"Failed to index file: Unsupported file {file_id} type: .png")
    assert await v2.listed("/assistants") == before
    assert await v2.listed("/vector_stores") == []


async def test_the_code_interpreter_takes_what_cannot_be_searched(v1: Client, v2: Client) -> None:
    """V1V2-02, ERR-63, FILE-09: with both tools on, each gets what it can use."""
    text, picture = await uploaded(v1, "a.txt", "a.png")
    seen = await assistant_with(v1, v2, CODE, RETRIEVAL, file_ids=[picture, text])
    assert (await seen.code_files(), await seen.searched()) == ([picture, text], [text])
    await v1.delete(f"{seen.path}/files/{picture}")
    assert (await seen.code_files(), await seen.searched()) == ([text], [text])


async def test_v2_may_switch_on_a_search_in_what_cannot_be_searched(v1: Client, v2: Client) -> None:
    """V1V2-03: the files of v1 are none of its business, so it is not refused for them."""
    text, picture = await uploaded(v1, "a.txt", "a.png")
    seen = await assistant_with(v1, v2, CODE, file_ids=[picture, text])
    await v2.post(seen.path, {"tools": [SEARCH]})
    assert (await seen.code_files(), await seen.searched()) == (None, [text])
    assert await v1_files(v1, seen) == [picture, text]


async def in_message(v1: Client, message: JSON) -> str:
    thread = await v1.thread()
    await v1.post(f"/threads/{thread['id']}/messages", message)
    return f"/threads/{thread['id']}"


async def in_thread(v1: Client, message: JSON) -> str:
    thread = await v1.post("/threads", {"messages": [message]})
    return f"/threads/{thread['id']}"


async def in_run(v1: Client, message: JSON) -> str:
    assistant, thread = await v1.assistant(), await v1.thread()
    await v1.run(thread["id"], assistant["id"], additional_messages=[message])
    return f"/threads/{thread['id']}"


async def in_thread_and_run(v1: Client, message: JSON) -> str:
    assistant = await v1.assistant()
    body = {"assistant_id": assistant["id"], "thread": {"messages": [message]}}
    return f"/threads/{(await v1.post('/threads/runs', body))['thread_id']}"


@pytest.mark.parametrize("place", [in_message, in_thread, in_run, in_thread_and_run])
async def test_files_of_v1_messages_join_a_store_of_the_thread(
    v1: Client, v2: Client, place: Callable[[Client, JSON], Awaitable[str]]
) -> None:
    """V1V2-02, MSG-04, MSG-10, RUN-25, VS-04: those that can be read; the others are for code."""
    text, picture = await uploaded(v1, "a.txt", "a.png")
    message = {"role": "user", "content": "look", "file_ids": [picture, text]}
    seen = Views(v2, await place(v1, message))
    assert (await seen.code_files(), await seen.searched()) == ([picture, text], [text])
    store = await v2.get(f"/vector_stores/{await seen.store()}")
    assert store["expires_after"] == {"anchor": "last_active_at", "days": 7}
    (said,) = await v2.listed(f"{seen.path}/messages")
    assert said["attachments"] == [
        {"file_id": file_id, "tools": [CODE, SEARCH]} for file_id in (picture, text)
    ]
    path = f"{seen.path}/messages/{said['id']}"
    assert (await v1.get(path))["file_ids"] == [picture, text]
    assert {one["id"] for one in await v1.listed(f"{path}/files")} == {picture, text}


async def test_a_thread_of_files_that_cannot_be_searched_has_no_store(
    v1: Client, v2: Client
) -> None:
    """V1V2-02, FILE-09: v1 does not say for which tool a file is, so nothing is refused."""
    (picture,) = await uploaded(v1, "a.png")
    message = {"role": "user", "content": "look", "file_ids": [picture]}
    seen = Views(v2, await in_message(v1, message))
    assert await seen.resources() == {"code_interpreter": {"file_ids": [picture]}}
    assert await v2.listed("/vector_stores") == []


async def test_an_attachment_of_v2_never_shows_in_v1(v1: Client, v2: Client) -> None:
    """V1V2-03, V1V2-06: the file is in the thread's store, and no file of the message."""
    (file_id,) = await uploaded(v2, "a.txt")
    attachment = {"file_id": file_id, "tools": [SEARCH]}
    thread = await v1.thread()
    said = await v2.say(thread["id"], "look", attachments=[attachment])
    assert await Views(v2, f"/threads/{thread['id']}").searched() == [file_id]
    path = f"/threads/{thread['id']}/messages/{said['id']}"
    assert ((await v1.get(path))["file_ids"], await v1.listed(f"{path}/files")) == ([], [])


async def test_files_of_v1_are_read_at_once(house: House, v1: Client) -> None:
    """V1V2-02, VS-02: whoever ingests is told."""
    ids = await uploaded(v1, "a.txt", "b.txt")
    assistant = await v1.assistant(tools=[RETRIEVAL], file_ids=ids[:1])
    await asyncio.wait_for(house.ports.dispatch.entries_announced(), 10)
    await v1.post(f"/assistants/{assistant['id']}/files", {"file_id": ids[1]})
    await asyncio.wait_for(house.ports.dispatch.entries_announced(), 10)
