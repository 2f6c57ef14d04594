"""Real objects for the literals of the suites, made through the server's own API on demand."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp

from .placeholders import Ids, Scene

MODEL = "demo"
HEADERS = {"OpenAI-Beta": "assistants=v2"}
FUNCTION = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look a word up.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
    },
}
CALL_THE_FUNCTION = '/call look_up {"word": "spine"}'
"""What the demo model answers with a call of the function (see the architecture page)."""

LIBRARY_FILES = ("one.txt", "picture.png", "two.txt")
"""The files of the library and of its store; one is of a type that cannot be searched (VS-08)."""

CONTENT = b'{"custom_id": "string"}\n'
"""What stands in every file, with the word that the suites search for."""

ATTRIBUTES = {"key": "string"}
"""What the suites filter by (VS-11)."""

READ_SECONDS_MAX = 30
CHECK_AGAIN_SECONDS = 0.05

PART = b"all of the file"
"""The only part of every upload; its md5 is what the suites name by the word md5."""


class SceneryError(Exception):
    """The server refused what the test needs before its case can be sent."""


class Scenery:
    """Makes the objects of a scene and returns their ids by the name that the suites use."""

    def __init__(self, session: aiohttp.ClientSession, key: str) -> None:
        self._session = session
        self._headers = {"Authorization": f"Bearer {key}", **HEADERS}
        self._library: Ids | None = None
        self._library_lock = asyncio.Lock()

    async def ids(self, scene: Scene) -> Ids:
        """Return the ids for a scene; those of the library are shared, all others are new."""
        library = await self._shared_library()
        own: Ids = {}
        match scene:
            case "library":
                pass
            case "fresh_assistant":
                own = {"assistant_id": await self._assistant()}
            case "fresh_thread":
                own = await self._thread()
            case "fresh_file":
                own = {"file_id": await self._file("assistants")}
            case "downloadable_file":
                own = {"file_id": await self._file("batch")}
            case "pending_run":
                own = await self._pending_run(library["assistant_id"])
            case "pending_upload":
                own = await self._pending_upload()
            case "fresh_store":
                own = await self._store()
            case "fresh_store_file" | "fresh_batch":
                own = await self._store_with([library["file_id"]])
        return {**library, **own}

    async def _shared_library(self) -> Ids:
        async with self._library_lock:
            if self._library is None:
                self._library = await self._new_library()
        return self._library

    async def _new_library(self) -> Ids:
        """Make one thread with plain and function runs, and neighbours for every list cursor."""
        assistants = [await self._assistant() for _ in range(3)]
        files = [await self._file("assistants", name) for name in LIBRARY_FILES]
        stores = [await self._store_with(files), await self._store(), await self._store()]
        await self._until_read(stores[0])
        pending = await self._pending_run(assistants[0])
        await self._submit(pending)
        thread = f"/threads/{pending['thread_id']}"
        for _ in range(2):
            await self._run(pending["thread_id"], assistants[0], "Hello.", "completed")
        steps = await self._listed(f"{thread}/runs/{pending['run_id']}/steps")
        messages = await self._listed(f"{thread}/messages")
        return {
            **pending,
            **stores[0],
            "assistant_id": assistants[0],
            "file_id": files[0],
            "message_id": messages[-1],
            "step_id": steps[0],
            **_ends("assistants", assistants),
            **_ends("files", files),
            **_ends("vector_stores", [store["vector_store_id"] for store in stores]),
            **_ends("runs", await self._listed(f"{thread}/runs")),
            **_ends("steps", steps),
            **_ends("messages", messages),
        }

    async def _assistant(self) -> str:
        body = {"model": MODEL, "instructions": "Be brief.", "tools": [FUNCTION]}
        return str((await self._ask("POST", "/assistants", body))["id"])

    async def _thread(self) -> Ids:
        thread = (await self._ask("POST", "/threads", {}))["id"]
        return {
            "thread_id": thread,
            "message_id": await self._message(thread, "Hello."),
        }

    async def _message(self, thread: str, text: str) -> str:
        body = {"role": "user", "content": text}
        return str((await self._ask("POST", f"/threads/{thread}/messages", body))["id"])

    async def _file(self, purpose: str, name: str = "lines.jsonl") -> str:
        form = aiohttp.FormData()
        form.add_field("purpose", purpose)
        form.add_field("file", CONTENT, filename=name)
        return str((await self._ask("POST", "/files", form))["id"])

    async def _pending_run(self, assistant: str) -> Ids:
        """Make a run that waits for the output of one function call."""
        thread = (await self._ask("POST", "/threads", {}))["id"]
        run = await self._run(thread, assistant, CALL_THE_FUNCTION, "requires_action")
        [call] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
        return {"thread_id": thread, "run_id": run["id"], "tool_call_id": call["id"]}

    async def _pending_upload(self) -> Ids:
        """Make an upload whose one part has arrived."""
        announced = {
            "filename": "a",
            "purpose": "assistants",
            "bytes": len(PART),
            "mime_type": "text/plain",
        }
        upload = (await self._ask("POST", "/uploads", announced))["id"]
        form = aiohttp.FormData()
        form.add_field("data", PART, filename="part")
        part = (await self._ask("POST", f"/uploads/{upload}/parts", form))["id"]
        md5 = hashlib.md5(PART, usedforsecurity=False).hexdigest()
        return {"upload_id": upload, "part_id": part, "part_md5": md5}

    async def _run(self, thread: str, assistant: str, text: str, end: str) -> dict[str, Any]:
        """Say something on the thread, run until the stream ends, and return the run."""
        await self._message(thread, text)
        body = {"assistant_id": assistant, "stream": True}
        await self._ask("POST", f"/threads/{thread}/runs", body)
        run = (await self._ask("GET", f"/threads/{thread}/runs?limit=1"))["data"][0]
        if run["status"] != end:
            raise SceneryError(f"The run for {text!r} should end {end}: {json.dumps(run)}")
        return dict(run)

    async def _submit(self, pending: Ids) -> None:
        outputs = [{"tool_call_id": pending["tool_call_id"], "output": "the backbone"}]
        path = f"/threads/{pending['thread_id']}/runs/{pending['run_id']}/submit_tool_outputs"
        await self._ask("POST", path, {"tool_outputs": outputs, "stream": True})

    async def _store(self) -> Ids:
        return {"vector_store_id": (await self._ask("POST", "/vector_stores", {"name": "a"}))["id"]}

    async def _store_with(self, files: list[str]) -> Ids:
        """Make a store with a batch of files, which have the attribute that is searched for."""
        store = await self._store()
        body = {"file_ids": files, "attributes": ATTRIBUTES}
        path = f"/vector_stores/{store['vector_store_id']}/file_batches"
        return {**store, "batch_id": (await self._ask("POST", path, body))["id"]}

    async def _until_read(self, batch: Ids) -> None:
        """Wait until each file of a batch was read or refused, as it should be."""
        path = f"/vector_stores/{batch['vector_store_id']}/file_batches/{batch['batch_id']}"
        shown = await asyncio.wait_for(self._ended_batch(path), READ_SECONDS_MAX)
        counts = shown["file_counts"]
        if (counts["completed"], counts["failed"]) != (2, 1):
            raise SceneryError(f"Two files should be read and one refused: {json.dumps(shown)}")
        found = await self._ask(
            "POST", f"/vector_stores/{batch['vector_store_id']}/search", {"query": "string"}
        )
        if len(found["data"]) != counts["completed"]:
            raise SceneryError(f"The word should be found in both files: {json.dumps(found)}")

    async def _ended_batch(self, path: str) -> dict[str, Any]:
        while True:
            shown = await self._ask("GET", path)
            if shown["status"] != "in_progress":
                return shown
            await asyncio.sleep(CHECK_AGAIN_SECONDS)

    async def _listed(self, path: str) -> list[str]:
        page = await self._ask("GET", f"{path}?order=asc")
        return [item["id"] for item in page["data"]]

    async def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return the JSON answer, or nothing for a stream, which is read to its end."""
        async with self._request(method, path, body) as answer:
            content = await answer.text()
            if answer.status != 200:
                raise SceneryError(f"{method} {path}: {answer.status} {content}")
            return dict(json.loads(content)) if answer.content_type == "application/json" else {}

    def _request(
        self, method: str, path: str, body: object
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        sent: Mapping[str, Any] = {"data" if isinstance(body, aiohttp.FormData) else "json": body}
        return self._session.request(method, f"/v1{path}", headers=self._headers, **sent)


def _ends(listed: str, ids: list[str]) -> Ids:
    return {f"first of {listed}": ids[0], f"last of {listed}": ids[-1]}
