"""Measure the adapter's CPU per chunk against a zero-delay server: not a test, run it by hand.

    python tests/upstream/measure_chat_completions.py [streams] [chunks per stream] [pause in ms]

The server runs in a process of its own and sends one chunk per write, with a pause between them; a
pause of some milliseconds makes every chunk a read and a batch of its own, which is the dearest
case. Only the client's CPU is counted.
"""

import asyncio
import sys
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection

import uvloop
from aiohttp import web

from understudy.upstream.base import ModelRequest, TextDelta
from understudy.upstream.chat_completions import ChatCompletions

CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,'
    b'"model":"m","system_fingerprint":null,"choices":[{"index":0,"delta":{"content":" word"},'
    b'"logprobs":null,"finish_reason":null}]}\n\n'
)
END = (
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
    b"data: [DONE]\n\n"
)


def serve(ready: Connection, chunks: int, pause_ms: int) -> None:
    """Serve answers of so many chunks until the parent ends this process."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(chunks):
            await response.write(CHUNK)
            await asyncio.sleep(pause_ms / 1000)
        await response.write(END)
        return response

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        ready.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    uvloop.run(main())


async def read_one(upstream: ChatCompletions) -> tuple[int, int]:
    """Return the batches and the characters of one answer."""
    batches = letters = 0
    request = ModelRequest(model="m", messages=[{"role": "user", "content": "go"}])
    async for batch in upstream.stream(request):
        batches += 1
        letters += sum(len(event.text) for event in batch if isinstance(event, TextDelta))
    return batches, letters


async def measure(port: int, streams: int, chunks: int) -> None:
    """Print what one round of concurrent streams cost."""
    upstream = ChatCompletions("loopback", f"http://127.0.0.1:{port}/v1")
    await asyncio.gather(*(read_one(upstream) for _ in range(streams)))
    wall, cpu = time.perf_counter(), time.process_time()
    answers = await asyncio.gather(*(read_one(upstream) for _ in range(streams)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    await upstream.close()
    expected = streams * chunks * len(" word")
    if sum(letters for _, letters in answers) != expected:
        raise SystemExit("the answers are not what the server sent")
    total, batches = streams * chunks, sum(count for count, _ in answers)
    print(  # noqa: T201 -- the result
        f"{streams} streams x {chunks} chunks: {cpu / total * 1e6:.1f} us CPU per chunk, "
        f"{total / wall:,.0f} chunks/s, {total / batches:.2f} chunks per batch"
    )


def main() -> None:
    """Start the server, measure, end the server."""
    numbers = [int(text) for text in sys.argv[1:]]
    streams, chunks, pause_ms = numbers + [1, 2_000, 1][len(numbers) :]
    context = get_context("spawn")
    parent, child = context.Pipe()
    server = context.Process(target=serve, args=(child, chunks, pause_ms), daemon=True)
    server.start()
    try:
        uvloop.run(measure(parent.recv(), streams, chunks))
    finally:
        server.terminate()
        server.join(10)


if __name__ == "__main__":
    main()
