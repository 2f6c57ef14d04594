"""The shim is transparent: the client sees the server's own bytes, whatever they are."""

import gzip
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from .scenery import Scenery, SceneryError
from .shim import Shim, running_shim, serving

KEY = "sk-real"
LIBRARY = {"thread_id": "thread_1", "assistant_id": "asst_1"}
ODD_JSON = b'{"id" :  "thread_1",\n "b\\u00e9": 1.0, "id":"again" }'


class KnownScenery(Scenery):
    """Scenery that was set up before, so that no server has to make it."""

    async def ids(self, scene: object) -> dict[str, str]:
        """Return the same ids for every scene."""
        del scene
        return LIBRARY


async def _server(request: web.Request) -> web.StreamResponse:
    """Answer oddly, in the ways in which a proxy could lose something."""
    match request.path:
        case "/v1/threads/thread_1":
            return web.Response(body=ODD_JSON, headers={"X-Odd": "kept", "Content-Type": "a/b"})
        case "/v1/compressed":
            packed = gzip.compress(ODD_JSON, mtime=0)
            return web.Response(body=packed, headers={"Content-Encoding": "gzip"})
        case "/v1/stream":
            return await _stream(request)
    seen = f"{request.raw_path} {request.headers.getall('Authorization')}"
    return web.Response(status=418, reason="Odd", text=f"{seen} {await request.text()}")


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    for frame in (
        b"event: a\ndata: {}\n\n",
        b": ping\n\n",
        b"event: done\ndata: [DONE]\n\n",
    ):
        await response.write(frame)
    return response


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a shim in front of the odd server."""
    async with (
        serving(_server) as server_url,
        aiohttp.ClientSession(server_url, auto_decompress=False) as to_server,
    ):
        shim = Shim(to_server, KEY, KnownScenery(to_server, KEY))
        async with (
            serving(shim.answer) as shim_url,
            aiohttp.ClientSession(shim_url, auto_decompress=False) as session,
        ):
            yield session


async def test_status_headers_and_bytes_of_an_answer_are_kept(
    client: aiohttp.ClientSession,
) -> None:
    """Odd spaces, escapes and doubled keys arrive as the server wrote them."""
    async with client.get("/v1/threads/thread_id") as answer:
        assert await answer.read() == ODD_JSON
        assert (answer.status, answer.headers["X-Odd"]) == (200, "kept")
        assert answer.headers.getall("Content-Type") == ["a/b"]


async def test_a_compressed_answer_stays_compressed(
    client: aiohttp.ClientSession,
) -> None:
    """The shim does not unpack what it passes on."""
    async with client.get("/v1/compressed") as answer:
        assert gzip.decompress(await answer.read()) == ODD_JSON
        assert answer.headers["Content-Encoding"] == "gzip"


async def test_a_stream_arrives_frame_by_frame(client: aiohttp.ClientSession) -> None:
    """SSE passes with its content type and every byte (STR-01)."""
    async with client.get("/v1/stream") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert (await answer.read()).endswith(b": ping\n\nevent: done\ndata: [DONE]\n\n")


async def test_a_request_keeps_its_target_and_body_and_gets_the_key(
    client: aiohttp.ClientSession,
) -> None:
    """Only the key is exchanged when nothing needs to be filled in or repaired."""
    headers = {"Authorization": "Bearer My API Key"}
    async with client.post("/v1/odd?include%5B%5D=a", headers=headers, data=b"{ }") as answer:
        assert (answer.status, answer.reason) == (418, "Odd")
        assert await answer.text() == "/v1/odd?include%5B%5D=a ['Bearer sk-real'] { }"


async def test_scenery_that_cannot_be_made_fails_the_case_with_the_reason() -> None:
    """A refused set-up is a 500 that the client does not retry (GEN-13)."""
    async with serving(_server) as server_url, aiohttp.ClientSession(server_url) as to_server:
        shim = Shim(to_server, KEY, Scenery(to_server, KEY))
        async with serving(shim.answer) as url, to_server.get(f"{url}/v1/threads/t") as answer:
            assert (answer.status, answer.headers["x-should-retry"]) == (500, "false")
            assert "shim: POST /assistants: 418" in await answer.text()


async def test_a_shim_does_not_start_on_a_server_that_refuses_its_scenery() -> None:
    """The reason is told once, before any case runs."""
    async with serving(_server) as server_url:
        with pytest.raises(SceneryError, match="POST /assistants: 418"):
            async with running_shim(server_url, KEY):
                pass
