"""What becomes of a run when the model's server has a bad day."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec import json

from understudy.clock import ManualClock
from understudy.upstream.base import Models
from understudy.upstream.catalogue import Catalogue, Entry
from understudy.upstream.chat_completions import ChatCompletions
from understudy.upstream.scripted import Scripted
from understudy.wire.objects.runs import Run

from .stage import Client, Stage, staged

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ANSWER = "rules: [{say: Hello}]"


def playing(script: str) -> tuple[Scripted, Models]:
    """Return the script, and a catalogue that has nothing else."""
    upstream = Scripted.from_text(script)
    return upstream, Catalogue([Entry(name="s", upstream=upstream, serves_any=True)], {})


async def outcome(stage: Stage, **more: Any) -> tuple[Client, Run]:
    """Ask for a run and wait for its end."""
    client = await stage.ask(**more)
    return client, await client.stops()


async def played(folder: Path, script: str) -> tuple[Client, Run, list[str]]:
    """Run against the script; return client, run and answers."""
    async with staged(folder, playing(script)[1]) as stage:
        client, run = await outcome(stage)
        return client, run, await stage.answers(client)


async def test_a_connection_that_breaks_fails_the_run_and_keeps_the_text(tmp_path: Path) -> None:
    """RUN-1A, STR-13, MSG-12."""
    script = "rules: [{say: [Hel, lo], break_after: 1}]"
    client, run, answers = await played(tmp_path, script)
    assert client.names[-3:] == ["message.incomplete", "run.step.failed", "run.failed"]
    assert (run.status, answers) == ("failed", ["Hel"])
    assert run.last_error is not None
    assert run.last_error.code == "server_error"
    assert "broke off" in run.last_error.message
    assert (run.completed_at, run.expires_at) == (None, None)


async def test_a_refusal_before_the_first_word_fails_the_run_with_its_reason(
    tmp_path: Path,
) -> None:
    """RUN-1A, RUN-1D."""
    script = "rules: [{error: {status: 500, message: out of order}}]"
    client, run, answers = await played(tmp_path, script)
    assert client.names == ["run.created", "run.queued", "run.in_progress", "run.failed"]
    assert run.last_error is not None
    assert "out of order" in run.last_error.message
    assert answers == []


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_model_is_asked_again_as_soon_as_it_wants(tmp_path: Path, status: int) -> None:
    """A model's rate limit does not kill a run that has time left."""
    error = f"{{status: {status}, retry_after_seconds: 0.01}}"
    upstream, models = playing(f"rules: [{{error: {error}, times: 3}}, {{say: Hello}}]")
    async with staged(tmp_path, models) as stage:
        client, run = await outcome(stage)
        assert (run.status, len(upstream.requests)) == ("completed", 4)
        assert client.names.count("run.in_progress") == 1


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limit_exceeded"), (503, "server_error")])
async def test_a_model_that_stays_busy_beyond_the_deadline_fails_the_run(
    tmp_path: Path, status: int, code: str
) -> None:
    """RUN-1D: there is no use in waiting for a time that the run does not have."""
    error = f"{{status: {status}, retry_after_seconds: 3600}}"
    _, run, _ = await played(tmp_path, f"rules: [{{error: {error}}}]")
    assert (run.status, run.last_error and run.last_error.code) == ("failed", code)


async def test_a_cancel_ends_the_wait_for_a_busy_model(tmp_path: Path) -> None:
    """RUN-17."""
    upstream, models = playing("rules: [{error: {status: 429, retry_after_seconds: 300}}]")
    async with staged(tmp_path, models) as stage:
        client = await stage.ask()
        await client.hears("run.in_progress")
        await stage.cancel(client)
        assert (await client.stops()).status == "cancelled"
        assert len(upstream.requests) <= 1


async def test_a_hanging_model_is_cut_off_at_the_deadline(tmp_path: Path) -> None:
    """RUN-19."""
    clock = ManualClock()
    models = playing("rules: [{say: Hel, hang: true}]")[1]
    async with staged(tmp_path, models, clock=clock, workers=0) as stage:
        client = await stage.ask()
        clock.advance(599.8)
        stage.hire()
        run = await client.stops()
        assert (run.status, await stage.answers(client)) == ("expired", ["Hel"])


async def test_a_script_without_usage_completes_with_an_estimate(tmp_path: Path) -> None:
    _, run, _ = await played(tmp_path, "rules: [{say: Hello world, usage: false}]")
    assert run.usage is not None
    assert run.usage.completion_tokens == 3


async def test_a_refusal_of_the_model_is_a_message(tmp_path: Path) -> None:
    """MSG-11."""
    async with staged(tmp_path, playing("rules: [{refuse: I will not.}]")[1]) as stage:
        client, run = await outcome(stage)
        (_, answer) = await stage.messages(client)
        assert run.status == "completed"
        assert [part.refusal for part in answer.content] == ["I will not."]  # type: ignore[union-attr]


async def test_a_hundred_runs_at_once_keep_their_answers_apart(tmp_path: Path) -> None:
    models = playing('rules: [{say: "You said: {last_user}"}]')[1]
    async with staged(tmp_path, models) as stage:
        clients = await asyncio.gather(*(stage.ask(f"number {n}") for n in range(100)))
        runs = await asyncio.gather(*(client.stops() for client in clients))
        assert {run.status for run in runs} == {"completed"}
        texts = [client.text for client in clients]
        assert texts == [f"You said: number {n}" for n in range(100)]


def chunk(finish: str | None = None, **delta: str) -> bytes:
    """Write a chunk of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.encode({"choices": [choice]}) + b"\n\n"


@asynccontextmanager
async def endpoint(handler: Handler) -> AsyncIterator[Models]:
    """Serve a model on loopback."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        port = runner.addresses[0][1]
        upstream = ChatCompletions("loop", f"http://127.0.0.1:{port}/v1", "sk-x")
        yield Catalogue([Entry(name="loop", upstream=upstream, serves_any=True)], {})
    finally:
        await runner.cleanup()


def streaming(*lines: bytes, reset: bool = False) -> Handler:
    """Answer with these bytes, and break the connection off if told to."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        if reset and request.transport is not None:
            request.transport.abort()
        return response

    return answer


FINE = (chunk(content="Hel"), chunk(content="lo"), chunk("stop"), b"data: [DONE]\n\n")
ENDPOINTS: dict[str, tuple[Handler, str, list[str]]] = {
    "well": (streaming(*FINE), "completed", ["Hello"]),
    "resets": (streaming(*FINE[:1], reset=True), "failed", ["Hel"]),
    "resets at once": (streaming(reset=True), "failed", []),
    "malformed": (streaming(FINE[0], b"data: {no json\n\n", *FINE[1:]), "failed", ["Hel"]),
    "other json": (streaming(FINE[0], b"data: [1, 2]\n\n", *FINE[1:]), "failed", ["Hel"]),
    "ends early": (streaming(FINE[0]), "failed", ["Hel"]),
    "ends without DONE": (streaming(*FINE[:3]), "completed", ["Hello"]),
}


@pytest.mark.parametrize("kind", ENDPOINTS)
async def test_a_real_endpoint_fails_its_own_run_and_no_other(tmp_path: Path, kind: str) -> None:
    """RUN-1A: over real sockets; afterwards the worker takes the next run."""
    handler, status, answers = ENDPOINTS[kind]
    answered = 0

    async def first_bad_then_good(request: web.Request) -> web.StreamResponse:
        nonlocal answered
        answered += 1
        return await (handler if answered == 1 else streaming(*FINE))(request)

    async with endpoint(first_bad_then_good) as models, staged(tmp_path, models) as stage:
        client, run = await outcome(stage)
        assert (run.status, await stage.answers(client)) == (status, answers)
        _, again = await outcome(stage)
        assert again.status == "completed"


async def test_a_real_rate_limit_is_waited_for(tmp_path: Path) -> None:
    asked = 0

    async def limited(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked < 3:
            return web.Response(status=429, headers={"Retry-After": "0"})
        return await streaming(*FINE)(request)

    async with endpoint(limited) as models, staged(tmp_path, models) as stage:
        _, run = await outcome(stage)
        assert (run.status, asked) == ("completed", 3)


async def test_an_endpoint_that_is_not_there_fails_the_run(tmp_path: Path) -> None:
    async with endpoint(streaming()) as models:
        pass
    async with staged(tmp_path, models) as stage:
        _, run = await outcome(stage)
        assert (run.status, run.last_error and run.last_error.code) == ("failed", "server_error")
