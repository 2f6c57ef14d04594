"""The reranking adapter against the forms in which servers answer."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web

from understudy.errors import UpstreamBusy, UpstreamError
from understudy.upstream.connection import Connection
from understudy.upstream.reranking import Reranking

from .loopback import KEY, Handler, replying, serving


def ranking(*scores: float) -> bytes:
    """Answer as Cohere, Jina, vLLM and LiteLLM do, best first."""
    ranked = [{"index": n, "relevance_score": score} for n, score in enumerate(scores)]
    ranked.sort(key=lambda one: -one["relevance_score"])
    return json.dumps({"id": "x", "results": ranked, "meta": {}}).encode()


async def scores(handler: Handler, *texts: str) -> tuple[Sequence[float], list[dict[str, Any]]]:
    """Return the scores and the requests that were made."""
    async with serving(handler) as server:
        model = Reranking(Connection("loop", server.url, KEY), model="m")
        try:
            return await model.rerank("q", texts), server.bodies
        finally:
            await model.close()


async def test_scores_come_in_the_order_of_the_texts() -> None:
    given, bodies = await scores(replying(ranking(0.1, 0.9, 0.5)), "a", "b", "c")
    assert given == [0.1, 0.9, 0.5]
    assert bodies == [{"model": "m", "query": "q", "documents": ["a", "b", "c"], "top_n": 3}]


async def test_logits_become_scores_and_are_remembered_as_logits() -> None:
    """llama.cpp answers so; later answers may by chance lie in 0..1."""
    answers = iter([ranking(7.7, -2.3, -1000), ranking(0.0, 0.5)])

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=next(answers))

    async with serving(handler) as server:
        model = Reranking(Connection("loop", server.url, KEY), model="m")
        first = await model.rerank("q", ["a", "b", "c"])
        second = await model.rerank("q", ["a", "b"])
        await model.close()
    assert [round(one, 3) for one in first] == [1.0, 0.091, 0.0]
    assert [round(one, 3) for one in second] == [0.5, 0.622]


async def test_text_embeddings_inference_is_asked_in_its_own_form() -> None:
    async def handler(request: web.Request) -> web.Response:
        body = await request.json()
        if "texts" not in body:
            return web.Response(
                status=422, text="Failed to deserialize the JSON body: missing field `texts`"
            )
        return web.json_response([{"index": 1, "score": 0.8}, {"index": 0, "score": 0.2}])

    async with serving(handler) as server:
        model = Reranking(Connection("loop", server.url, KEY), model="m")
        assert await model.rerank("q", ["a", "b"]) == [0.2, 0.8]
        assert await model.rerank("q", ["a", "b"]) == [0.2, 0.8]
        await model.close()
    assert [sorted(body) for body in server.bodies[1:]] == [["query", "texts"]] * 2


async def test_no_texts_need_no_call() -> None:
    given, bodies = await scores(replying(b"never"))
    assert (list(given), bodies) == ([], [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        ranking(0.5),
        ranking(0.5, 0.5, 0.5),
        b'{"results": [{"index": 0}, {"index": 1}]}',
        b'{"results": [{"index": 0, "score": 1e999}, {"index": 1, "score": 1}]}',
    ],
)
async def test_malformed_answers_are_errors(body: bytes) -> None:
    with pytest.raises(UpstreamError, match="malformed"):
        await scores(replying(body), "a", "b")


async def test_refusals_are_errors() -> None:
    with pytest.raises(UpstreamBusy):
        await scores(replying(b"", status=503), "a")
    with pytest.raises(UpstreamError, match="answered 501: no reranking here"):
        await scores(replying(b'{"error": "no reranking here"}', status=501), "a")
