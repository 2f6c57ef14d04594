"""The adapter against real servers on loopback: requests, failures, timeouts, closing."""

import asyncio
import base64
import json
from contextlib import aclosing
from typing import Any

import pytest
from aiohttp import web

from tests.services.ports import free_port
from understudy.clock import ManualClock
from understudy.errors import Misconfigured, UpstreamBusy, UpstreamError
from understudy.upstream.base import ModelInfo, TextDelta
from understudy.upstream.chat_completions import ChatCompletions

from .conversations import WEATHER, ask, events_of, hear, user
from .loopback import (
    KEY,
    Handler,
    delta,
    hang,
    replying,
    reset,
    serving,
    sse,
    streaming,
)

HELLO = sse(delta(content="hello"), delta("stop"))


async def refusal(handler: Handler, **settings: Any) -> UpstreamError:
    """Return the error with which a call of such a server ends."""
    async with serving(handler) as server:
        upstream = server.adapter(**settings)
        with pytest.raises(UpstreamError) as caught:
            await events_of(upstream, ask("hi"))
        await upstream.close()
    assert KEY not in str(caught.value)
    return caught.value


async def test_the_request_carries_what_is_set_and_nothing_else() -> None:
    """Whatever is None is left out; streaming and usage are asked for; the key is sent."""
    async with serving(replying(HELLO)) as server:
        upstream = server.adapter()
        await hear(upstream, ask("hi", model="m"))
        await upstream.close()
    assert server.bodies == [
        {
            "model": "m",
            "messages": [user("hi")],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert server.headers[0]["Accept-Encoding"] == "identity"


async def test_every_field_is_passed_on() -> None:
    """Tools, choice, sampling, limits, json_schema and images go out as they came in."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    fields: dict[str, Any] = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, image]}],
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "parallel_tool_calls": False,
        "temperature": 0.0,
        "top_p": 0.5,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        "reasoning_effort": "low",
    }
    async with serving(replying(HELLO)) as server:
        upstream = server.adapter(max_tokens_field="max_completion_tokens")
        await hear(upstream, ask("", max_completion_tokens=7, **fields))
        await upstream.close()
    (body,) = server.bodies
    assert body.pop("max_completion_tokens") == 7
    assert body.items() >= fields.items()


async def test_choices_about_tools_are_not_sent_without_tools() -> None:
    """Endpoints refuse tool_choice and parallel_tool_calls when there are no tools."""
    async with serving(replying(HELLO)) as server:
        upstream = server.adapter()
        request = ask("x", tool_choice="auto", parallel_tool_calls=True, max_completion_tokens=3)
        await hear(upstream, request)
        await upstream.close()
    assert server.bodies[0].keys() == {
        "model", "messages", "stream", "stream_options", "max_tokens",
    }  # fmt: skip


async def test_a_large_image_is_sent_whole() -> None:
    """A body of several megabytes arrives, without a warning."""
    url = "data:image/png;base64," + base64.b64encode(bytes(3_000_000)).decode()
    async with serving(replying(HELLO)) as server:
        upstream = server.adapter()
        content = [{"type": "image_url", "image_url": {"url": url}}]
        request = ask("", messages=[{"role": "user", "content": content}])
        assert (await hear(upstream, request)).text == "hello"
        await upstream.close()
    assert server.bodies[0]["messages"][0]["content"] == content


async def test_one_connection_serves_call_after_call() -> None:
    """An answer that was read to its end gives its connection back."""
    ports = set()

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return await streaming(HELLO)(request)

    async with serving(handler) as server:
        upstream = server.adapter()
        for _ in range(5):
            await hear(upstream, ask("hi"))
        await upstream.close()
    assert len(ports) == 1


async def test_a_whole_completion_instead_of_a_stream() -> None:
    """A server that ignores "stream" and sends JSON is accepted."""
    message = {"choices": [{"message": {"content": "hello"}, "finish_reason": "length"}]}
    async with serving(replying(json.dumps(message).encode())) as server:
        upstream = server.adapter()
        answer = await hear(upstream, ask("hi"))
        await upstream.close()
    assert (answer.text, answer.finish) == ("hello", "length")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        ({"Retry_After": "Tue, 14 Nov 2000 22:13:50 GMT"}, 0.0),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "inf"}, None),
        ({"retry_after_ms": "250", "Retry_After": "7"}, 0.25),
    ],
)
async def test_busy_before_the_first_byte(
    status: int, headers: dict[str, str], seconds: float | None
) -> None:
    """429 and 503 are worth another try, after the wait that the server asks for."""
    body = b'{"error":{"message":"slow down","type":"rate_limit_error"}}'
    clock = ManualClock(1_700_000_000.0)
    error = await refusal(replying(body, status=status, **headers), clock=clock)
    assert isinstance(error, UpstreamBusy)
    assert error.retry_after_seconds == seconds
    assert error.rate_limited is (status == 429)
    assert "slow down" in error.message


@pytest.mark.parametrize("field", ["type", "code"])
async def test_an_empty_account_is_not_worth_another_try(field: str) -> None:
    """429 with insufficient_quota is a rate limit that waiting does not lift."""
    body = json.dumps({"error": {"message": "pay", field: "insufficient_quota"}}).encode()
    error = await refusal(replying(body, status=429))
    assert not isinstance(error, UpstreamBusy)
    assert error.rate_limited


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":{"message":"no such model"}}', "no such model"),
        (b'{"error":"no such model"}', "no such model"),
        (b'{"message":"no such model"}', "no such model"),
        (b'{"detail":[{"msg":"no such model"}]}', "no such model"),
        (b"<html>\n no such model</html>", "<html> no such model"),
        (f'{{"error":{{"message":"bad key {KEY}"}}}}'.encode(), "bad key [key]"),
        (b"", "Bad Request"),
        (b"\xff[]", "answered 400"),
        (b"[]", "answered 400"),
    ],
)
async def test_other_refusals_carry_the_servers_words(body: bytes, words: str) -> None:
    """RUN-1A: the cause is visible, in every shape that servers give it, and never the key."""
    error = await refusal(replying(body, status=400))
    assert not isinstance(error, UpstreamBusy)
    assert "loop" in error.message
    assert words in error.message


async def test_long_refusals_are_shortened() -> None:
    """A page of HTML does not become a page of error."""
    assert len((await refusal(replying(b"x" * 500_000, status=500))).message) < 400


async def test_redirects_are_not_followed() -> None:
    """A redirect would turn the POST into a GET, and could carry the key elsewhere."""
    error = await refusal(replying(b"", status=301, Location="https://elsewhere.example/"))
    assert "moved to https://elsewhere.example/" in error.message


async def test_a_reset_in_the_middle() -> None:
    """What arrived before the connection broke is told, then the error."""
    async with serving(streaming(sse(delta(content="so far"), done=False), end=reset)) as server:
        upstream = server.adapter()
        batches = upstream.stream(ask("hi"))
        assert list(await anext(batches)) == [TextDelta("so far")]
        with pytest.raises(UpstreamError, match="broke off the stream"):
            await anext(batches)
        await upstream.close()


async def test_a_reset_after_the_finish_reason_loses_nothing() -> None:
    """An answer that has said how it finished is whole."""
    pieces = sse(delta(content="all"), delta("stop"), done=False)
    async with serving(streaming(pieces, end=reset)) as server:
        upstream = server.adapter()
        assert (await hear(upstream, ask("hi"))).text == "all"
        await upstream.close()


async def test_a_reset_before_the_answer() -> None:
    """A server that drops the connection is tried once more, then reported."""

    async def handler(request: web.Request) -> web.StreamResponse:
        await reset(request)
        return web.Response()

    assert "broke off before it answered" in (await refusal(handler)).message


async def test_a_kept_connection_that_died_is_replaced() -> None:
    """The server may close an idle connection just when we use it: nobody notices."""
    closed = False

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal closed
        if len(server.bodies) == 2 and not closed:
            closed = True
            await reset(request)
        return await replying(HELLO)(request)

    async with serving(handler) as server:
        upstream = server.adapter()
        for _ in range(2):
            assert (await hear(upstream, ask("hi"))).text == "hello"
        await upstream.close()
    assert closed
    assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (sse(delta(content="x"), done=False), "ended the stream early"),
        (sse("{oops"), "malformed chunk"),
        (sse({"error": {"message": f"boom {KEY}"}}), "boom [key]"),
    ],
)
async def test_broken_streams_name_the_endpoint(body: bytes, message: str) -> None:
    """RUN-1A: an error of the stream is told with the endpoint's name, and never the key."""
    error = await refusal(streaming(body))
    assert "'loop'" in error.message
    assert message in error.message


async def test_nobody_listens() -> None:
    """A refused connection names the address and the next step."""
    upstream = ChatCompletions("x", f"http://u:pw@127.0.0.1:{free_port()}/v1?q=secret")
    for attempt in (events_of(upstream, ask("hi")), upstream.models()):
        with pytest.raises(UpstreamError) as caught:
            await attempt
        assert "cannot be reached at http://127.0.0.1:" in caught.value.message
        assert "Check that it is running" in caught.value.message
        assert "secret" not in caught.value.message
        assert "pw" not in caught.value.message
    await upstream.close()


async def test_a_server_that_keeps_the_body_open_after_done() -> None:
    """[DONE] is the end, whether or not the server closes the body."""
    async with serving(streaming(HELLO, end=hang)) as server:
        upstream = server.adapter()
        assert (await hear(upstream, ask("hi"))).text == "hello"
        await upstream.close()


async def test_silence_between_chunks() -> None:
    """A server that stops talking is given up after the idle timeout."""
    error = await refusal(streaming(HELLO[:20], end=hang), idle_timeout_seconds=0.05)
    assert "sent nothing for 0.05 seconds" in error.message


async def test_silence_before_the_first_chunk() -> None:
    """Headers without a chunk, or no headers at all, end with the first chunk's timeout."""
    error = await refusal(streaming(end=hang), first_chunk_timeout_seconds=0.05)
    assert "sent nothing for 0.05 seconds" in error.message

    async def mute(request: web.Request) -> web.StreamResponse:
        await hang(request)
        return web.Response()

    error = await refusal(mute, first_chunk_timeout_seconds=0.05)
    assert "did not answer in time" in error.message


async def test_a_slow_reader_is_not_a_silent_server() -> None:
    """The time that we take over a batch does not count as the server's silence."""
    rest = asyncio.Event()

    async def wait_for_reader(_: web.Request) -> None:
        await rest.wait()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = await streaming(sse(delta(content="a"), done=False), end=wait_for_reader)(
            request
        )
        await response.write(HELLO)
        return response

    async with serving(handler) as server:
        upstream = server.adapter(idle_timeout_seconds=0.2)
        texts = []
        async for batch in upstream.stream(ask("hi")):
            texts += [event.text for event in batch if isinstance(event, TextDelta)]
            if not rest.is_set():
                rest.set()
                await asyncio.sleep(0.3)  # the behaviour under test is the passing of this time
        await upstream.close()
    assert texts == ["a", "hello"]


async def test_closing_the_iterator_aborts_the_call() -> None:
    """RUN-1x: a cancelled run's model call ends at the server at once."""
    async with serving(streaming(sse(delta(content="a"), done=False), end=hang)) as server:
        upstream = server.adapter()
        async with aclosing(upstream.stream(ask("hi"))) as batches:
            await anext(batches)
        async with asyncio.timeout(5):
            await server.gone.wait()
        await upstream.close()


@pytest.mark.parametrize("talks", [True, False])
async def test_cancelling_the_reader_aborts_the_call(*, talks: bool) -> None:
    """A task that is cancelled while it waits, for a chunk or for the headers, ends the call."""
    begun = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if talks:
            return await streaming(sse(delta(content="a"), done=False), end=hang)(request)
        begun.set()
        await hang(request)
        return web.Response()

    async with serving(handler) as server:
        upstream = server.adapter()

        async def read() -> None:
            async for _ in upstream.stream(ask("hi")):
                begun.set()

        reader = asyncio.create_task(read())
        async with asyncio.timeout(5):
            await begun.wait()
            reader.cancel()
            await server.gone.wait()
        await upstream.close()


async def test_models_are_listed() -> None:
    """GET /models gives ids and owners; the endpoint's name stands in for a missing owner."""
    body = b'{"object":"list","data":[{"id":"a","owned_by":"us"},{"id":"b"}]}'
    async with serving(replying(body)) as server:
        upstream = server.adapter()
        assert await upstream.models() == [ModelInfo("a", "us"), ModelInfo("b", "loop")]
        await upstream.close()


@pytest.mark.parametrize(("status", "body"), [(404, b"x"), (200, b'{"data":null}')])
async def test_an_endpoint_without_a_list_lists_nothing(status: int, body: bytes) -> None:
    """An endpoint without the route is up all the same."""
    async with serving(replying(body, status=status)) as server:
        upstream = server.adapter()
        assert not await upstream.models()
        await upstream.close()


@pytest.mark.parametrize(("status", "body"), [(401, b'{"error":"who?"}'), (200, b"<html>")])
async def test_a_list_that_fails_is_an_error(status: int, body: bytes) -> None:
    """A refused or malformed list is told."""
    async with serving(replying(body, status=status)) as server:
        upstream = server.adapter()
        with pytest.raises(UpstreamError, match=r"who\?|malformed list"):
            await upstream.models()
        await upstream.close()


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "localhost/v1", "ftp://x/", "http://", "http://x:port/"]
)
def test_a_wrong_base_url_is_refused_with_an_example(url: str) -> None:
    """Misconfigured names the upstream and shows what a right URL looks like."""
    with pytest.raises(Misconfigured, match=r"'x' cannot be used.*http://127\.0\.0\.1:11434/v1"):
        ChatCompletions("x", url, None)


async def test_a_query_in_the_base_url_is_kept() -> None:
    """Azure's api-version goes with every request, and a slash at the end does no harm."""
    paths = []

    async def handler(request: web.Request) -> web.StreamResponse:
        paths.append(request.path_qs)
        return await replying(HELLO)(request)

    async with serving(handler) as server:
        upstream = ChatCompletions("x", f"{server.url}/?api-version=1")
        await hear(upstream, ask("hi"))
        await upstream.close()
    assert paths == ["/v1/chat/completions?api-version=1"]
    assert "Authorization" not in server.headers[0]
