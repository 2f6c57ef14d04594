"""What the port promises, of every adapter: demo, scripted, and a real endpoint on loopback."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import pytest
from aiohttp import web

from understudy.upstream.base import ModelRequest, Upstream
from understudy.upstream.demo import Demo
from understudy.upstream.scripted import Scripted

from .conversations import TIME, WEATHER, after_tools, ask, events_of, hear
from .loopback import delta, hang, serving, sse, streaming

SCRIPT = """
honour_budget: true
models: [demo]
rules:
  - on: /call
    call:
      - {name: get_weather, arguments: {city: Oslo}}
      - {name: get_time}
  - after_tools: true
    say: "{tool_outputs}"
  - say: "{last_user}"
"""


@asynccontextmanager
async def demo() -> AsyncIterator[Upstream]:
    """Give the demo."""
    yield Demo()


@asynccontextmanager
async def scripted() -> AsyncIterator[Upstream]:
    """Give a script that does what the demo does."""
    yield Scripted.from_text(SCRIPT)


@asynccontextmanager
async def endpoint() -> AsyncIterator[Upstream]:
    """Give an endpoint behind which the demo answers, through the whole dialect."""
    async with serving(_as_chat_completions) as server:
        upstream = server.adapter()
        try:
            yield upstream
        finally:
            await upstream.close()


async def _as_chat_completions(request: web.Request) -> web.StreamResponse:
    if request.method == "GET":
        return web.json_response({"data": [{"id": "demo"}]})
    body = await request.json()
    if body["messages"][-1]["content"] == "hang":
        return await streaming(sse(delta(content="a"), done=False), end=hang)(request)
    wanted = ModelRequest(
        model=body["model"],
        messages=body["messages"],
        tools=body.get("tools", ()),
        max_completion_tokens=body.get("max_tokens"),
    )
    answer = await hear(Demo(), wanted)
    calls = [
        {"index": i, "id": c[0], "function": {"name": c[1], "arguments": c[2]}}
        for i, c in enumerate(answer.calls)
    ]
    assert answer.usage is not None
    usage = {
        "prompt_tokens": answer.usage.prompt_tokens,
        "completion_tokens": answer.usage.completion_tokens,
    }
    pieces = [*([delta(tool_calls=calls)] if calls else []), delta(content=answer.text)]
    return await streaming(sse(*pieces, delta(answer.finish), {"choices": [], "usage": usage}))(
        request
    )


Adapter = Callable[[], AbstractAsyncContextManager[Upstream]]
each = pytest.mark.parametrize("adapter", [demo, scripted, endpoint])


@each
async def test_text_is_answered_with_text(adapter: Adapter) -> None:
    """A plain message gets text, its usage, and the finish reason stop."""
    async with adapter() as upstream:
        answer = await hear(upstream, ask("hello there"))
    assert "hello there" in answer.text
    assert answer.finish == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.completion_tokens > 0
    assert not answer.calls


@each
async def test_calls_are_announced_once_and_numbered(adapter: Adapter) -> None:
    """Two calls come with ids, names and JSON arguments, and finish with tool_calls."""
    text = '/call get_weather {"city":"Oslo"}\n/call get_time'
    async with adapter() as upstream:
        answer = await hear(upstream, ask(text, tools=[WEATHER, TIME]))
    assert [call[1:] for call in answer.calls] == [
        ["get_weather", '{"city":"Oslo"}'],
        ["get_time", "{}"],
    ]
    assert answer.finish == "tool_calls"


@each
async def test_tool_outputs_are_read(adapter: Adapter) -> None:
    """After tool outputs the model goes on with text."""
    async with adapter() as upstream:
        answer = await hear(upstream, after_tools("/call get_weather", "4 degrees", "snow"))
    assert "4 degrees" in answer.text
    assert "snow" in answer.text
    assert answer.finish == "stop"


@each
async def test_the_budget_ends_the_answer(adapter: Adapter) -> None:
    """RUN-30: max_completion_tokens ends with length and at most so many tokens."""
    async with adapter() as upstream:
        answer = await hear(upstream, ask("one two three four", max_completion_tokens=2))
    assert answer.finish == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2


@each
async def test_the_iterator_may_be_closed_early(adapter: Adapter) -> None:
    """Closing after the first batch raises nothing, and the upstream still works."""
    async with adapter() as upstream:
        for _ in range(2):
            stream = upstream.stream(ask("one two three"))
            assert isinstance(stream, AsyncGenerator)
            async with aclosing(stream):
                assert await anext(stream)
        assert (await hear(upstream, ask("still there"))).finish == "stop"


@each
async def test_models_are_listed(adapter: Adapter) -> None:
    """Each adapter names its models."""
    async with adapter() as upstream:
        assert [info.id for info in await upstream.models()] == ["demo"]


@pytest.mark.parametrize("adapter", [demo, scripted])
async def test_the_built_in_ones_are_deterministic(adapter: Adapter) -> None:
    """The same request gives the same events, call ids included."""
    request = ask("/call get_weather {}", tools=[WEATHER])
    async with adapter() as first, adapter() as second:
        assert await events_of(first, request) == await events_of(second, request)
