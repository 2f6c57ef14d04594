"""The proxy between a generated suite and the server.

A request gets real ids, the repairs and the key; everything else of it, and every byte of the
answer, passes as it is, so that the client's strict validation sees what the server wrote. The only
exceptions are those of translations.py, each with a rule of the contract.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from .placeholders import Call, fill, scene_of, without_form
from .repairs import repaired
from .scenery import Scenery, SceneryError
from .translations import Translation, translated, translations_for

REQUEST_BYTES_MAX = 1 << 20
ANSWER_SECONDS_MAX = 30
NOT_SENT_ON = frozenset(
    {
        "host",
        "content-length",
        "authorization",
        "connection",
        "keep-alive",
        "transfer-encoding",
    }
)
NOT_SENT_BACK = frozenset({"connection", "keep-alive", "transfer-encoding"})


class Shim:
    """Answers one suite's calls with what the server answers to their repaired form."""

    def __init__(self, session: aiohttp.ClientSession, key: str, scenery: Scenery) -> None:
        self.repairs_used: Counter[str] = Counter()
        self.translations_used: Counter[str] = Counter()
        self.calls: set[Call] = set()
        self._session = session
        self._key = key
        self._scenery = scenery

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Send the call on and return the server's answer, byte for byte."""
        try:
            call = await self._real(await call_of(request))
        except SceneryError as failed:
            return _not_set_up(failed)
        async with self._session.request(
            call.method,
            URL(call.path + (f"?{call.query}" if call.query else ""), encoded=True),
            data=call.body or None,
            headers=_sent_on(request.headers, self._key),
            skip_auto_headers=(
                "User-Agent",
                "Accept",
                "Accept-Encoding",
                "Content-Type",
            ),
        ) as answer:
            translations = translations_for(call)
            if translations:
                return await self._translate(answer, translations)
            return await _relay(answer, request)

    async def _translate(
        self, answer: aiohttp.ClientResponse, translations: Sequence[Translation]
    ) -> web.Response:
        body = await answer.read()
        for translation in translations:
            before, body = body, translated(body, translation)
            self.translations_used.update([translation.name] if body != before else [])
        headers = [pair for pair in answer.headers.items() if pair[0].lower() not in NOT_SENT_BACK]
        kept = CIMultiDict((name, value) for name, value in headers if name != "Content-Length")
        return web.Response(status=answer.status, reason=answer.reason, body=body, headers=kept)

    async def _real(self, call: Call) -> Call:
        self.calls.add(without_form(call))
        ids = await self._scenery.ids(scene_of(call))
        real, used = repaired(fill(call, ids), ids)
        self.repairs_used.update(used)
        return real


@asynccontextmanager
async def running_shim(server_url: str, key: str) -> AsyncIterator[tuple[str, Shim]]:
    """Serve a shim on a free loopback port; yield its base URL and the shim.

    The library is made first: a server that refuses it raises SceneryError before any case runs.
    """
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
    async with (
        aiohttp.ClientSession(server_url, auto_decompress=False, timeout=timeout) as session,
        aiohttp.ClientSession(server_url, timeout=timeout) as scenery_session,
    ):
        scenery = Scenery(scenery_session, key)
        await scenery.ids("library")
        shim = Shim(session, key, scenery)
        async with serving(shim.answer) as url:
            yield f"{url}/v1", shim


@asynccontextmanager
async def serving(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """Answer every request on a free loopback port with one handler; yield the URL."""
    app = web.Application(client_max_size=REQUEST_BYTES_MAX)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def call_of(request: web.Request) -> Call:
    """Return the request with every part as it was sent."""
    path, _, query = request.raw_path.partition("?")
    return Call(request.method, path, query, await request.read())


def _sent_on(headers: Mapping[str, str], key: str) -> CIMultiDict[str]:
    kept = [(name, value) for name, value in headers.items() if name.lower() not in NOT_SENT_ON]
    return CIMultiDict([*kept, ("Authorization", f"Bearer {key}")])


async def _relay(answer: aiohttp.ClientResponse, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in NOT_SENT_BACK:
            response.headers.add(name, value)
    # The suites close their streams unread; the server then sees its client leave, as in life.
    with suppress(ConnectionResetError):
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    return response


def _not_set_up(failed: SceneryError) -> web.Response:
    """Return an answer that fails the case at once and says what the server would not make."""
    error = {"message": f"shim: {failed}", "type": "shim", "param": None, "code": None}
    return web.Response(
        status=500,
        text=json.dumps({"error": error}),
        content_type="application/json",
        headers={"x-should-retry": "false"},
    )
