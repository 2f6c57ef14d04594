"""A language model whose every answer can be told from every other, and that notes each question.

The last message of the user names a job and what the model shall do, such as ``[j17] speak 30``:

    speak N    N words that occur nowhere else
    moody N    the same, and other words each time that it is asked
    call N     first the calls of N functions, then words about what came of them
    search     first a file_search, then words
    compute N  first a cell that prints N lines, then words
    stumble S  an HTTP status instead of the first answer, then words
    break N    N words, and then the connection breaks
    hang N     N words, and then silence

It also embeds texts, and notes when one of them is the query of a job: that is a search at work.
"""

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from .cells import cell
from .history import History

PIECE_SECONDS = 0.012
HANGING_SECONDS_MAX = 600
WORDS_OTHERWISE = 12
_JOB = re.compile(r"\[([\w.-]+)\] (\w+)(?: (\d+))?")
_VERBS_WITH_LENGTH = {"speak", "moody", "break", "hang"}
_DIMENSIONS = 8
_STUMBLES = (429, 503)

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What the model is going to say: words in pieces, or calls; and whether it gets to the end."""

    words: Sequence[str] = ()
    calls: Sequence[tuple[str, str, str]] = ()
    status: int = 200
    breaks: bool = False
    hangs: bool = False

    def noted(self) -> Json:
        """Return the answer as the history has it."""
        return {
            "text": "".join(self.words),
            "calls": [list(call) for call in self.calls],
            "status": self.status,
            "breaks": self.breaks,
        }


@dataclass
class Model:
    """Answers at ``/{caller}/v1``, so that each process has a place of its own to ask."""

    history: History
    url: str = ""
    is_down: bool = False
    _asked: Counter[str] = field(default_factory=Counter)
    _open: set[asyncio.Task[Any]] = field(default_factory=set)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Model"]:
        """Answer on a free loopback port until the block ends."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/{caller}/v1/chat/completions", self._complete)
        app.router.add_post("/{caller}/v1/embeddings", self._embed)
        app.router.add_get("/{caller}/v1/models", self._models)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def break_all(self) -> None:
        """Break off every answer that is under way."""
        for task in self._open:
            task.cancel()

    async def _models(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"data": [{"id": "m"}]})

    async def _embed(self, request: web.Request) -> web.Response:
        texts = (await request.json())["input"]
        texts = [texts] if isinstance(texts, str) else texts
        for text in texts:
            if query := re.fullmatch(r"what of \[([\w.-]+)\]\?", text):
                by = request.match_info["caller"]
                self.history.note("executed", tool="file_search", job=query[1], by=by)
        data = [{"index": n, "embedding": _vector(text)} for n, text in enumerate(texts)]
        return web.json_response({"data": data})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if self.is_down:
            return web.json_response({"error": {"message": "down"}}, status=503)
        body = await request.json()
        job, turn, order = _order(body["messages"])
        call = self.history.new_number()
        answer = self._answer(job, turn, order, call)
        self.history.note(
            "model_asked",
            call=call,
            by=request.match_info["caller"],
            job=job,
            turn=turn,
            context=[_said(one) for one in body["messages"]],
            answer=answer.noted(),
        )
        if answer.status != web.HTTPOk.status_code:
            self.history.note("model_told", call=call, how="refused")
            return web.json_response({"error": {"message": "stumbled"}}, status=answer.status)
        return await self._tell(request, call, answer)

    def _answer(self, job: str, turn: int, order: tuple[str, int], call: int) -> Answer:
        verb, number = order
        self._asked[job] += 1
        if verb == "stumble" and (number not in _STUMBLES or self._asked[job] == 1):
            return Answer(status=number)
        if verb == "call" and turn == 0:
            return Answer(calls=[_function(job, n) for n in range(number)])
        if verb == "search" and turn == 0:
            query = json.dumps({"query": f"what of [{job}]?"})
            return Answer(calls=[(f"call_{job}_0", "file_search", query)])
        if verb == "compute" and turn == 0:
            code = json.dumps({"code": cell(job, number)})
            return Answer(calls=[(f"call_{job}_0", "code_interpreter", code)])
        mood = f"/{call}" if verb == "moody" else ""
        count = number if verb in _VERBS_WITH_LENGTH else WORDS_OTHERWISE
        words = [f"{job}{mood}.{turn}.{n} " for n in range(count)]
        return Answer(words=words, breaks=verb == "break", hangs=verb == "hang")

    async def _tell(self, request: web.Request, call: int, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        how = "left"
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await response.prepare(request)
            for delta in _deltas(answer):
                await response.write(_choice(delta, None))
                await asyncio.sleep(PIECE_SECONDS)
            if answer.hangs:
                await asyncio.sleep(HANGING_SECONDS_MAX)
            how = "broken" if answer.breaks else "whole"
            if how == "whole":
                await response.write(_choice({}, "tool_calls" if answer.calls else "stop"))
                await response.write(b"data: [DONE]\n\n")
        except asyncio.CancelledError:
            how = "left" if request.transport is None else "broken"
            raise
        except ConnectionError:
            how = "left"
        finally:
            self._open.discard(task)
            self.history.note("model_told", call=call, how=how)
            if how == "broken" and request.transport is not None:
                request.transport.abort()
        return response


def _order(messages: Sequence[Json]) -> tuple[str, int, tuple[str, int]]:
    """Return the job, which of its turns this is, and what is wanted."""
    last = max(n for n, one in enumerate(messages) if one["role"] == "user")
    match = _JOB.search(_text(messages[last]))
    assert match is not None, messages[last]
    turn = sum(1 for one in messages[last:] if one.get("tool_calls"))
    return match[1], turn, (match[2], int(match[3] or 0))


def _text(message: Json) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _said(message: Json) -> Json:
    calls = [call["id"] for call in message.get("tool_calls", ())]
    answers = message.get("tool_call_id")
    return {"role": message["role"], "text": _text(message), "calls": calls, "answers": answers}


def _function(job: str, number: int) -> tuple[str, str, str]:
    arguments = json.dumps({"job": job, "number": number, "why": "x" * 40})
    return f"call_{job}_{number}", "look_up", arguments


def _deltas(answer: Answer) -> Sequence[Json]:
    deltas: list[Json] = [{"content": word} for word in answer.words]
    for index, (call_id, name, arguments) in enumerate(answer.calls):
        head = {"index": index, "id": call_id, "function": {"name": name, "arguments": ""}}
        middle = len(arguments) // 2
        pieces = [{"index": index, "function": {"arguments": arguments[:middle]}}]
        pieces += [{"index": index, "function": {"arguments": arguments[middle:]}}]
        deltas += [{"tool_calls": [one]} for one in (head, *pieces)]
    return deltas


def _choice(delta: Json, reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def _vector(text: str) -> list[float]:
    return [byte / 255 - 0.5 for byte in hashlib.sha256(text.encode()).digest()[:_DIMENSIONS]]
