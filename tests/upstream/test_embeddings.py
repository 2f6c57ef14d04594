"""The embeddings adapter against real servers on loopback."""

import base64
import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.services.ports import free_port
from understudy.app.models import open_embedder, open_reranker
from understudy.errors import Misconfigured, UpstreamBusy, UpstreamError
from understudy.settings import Settings, load_settings
from understudy.upstream.connection import Connection
from understudy.upstream.embeddings import Embeddings, unit_vector

from .loopback import KEY, Handler, Loopback, hang, replying, reset, serving


def embeddings(server: Loopback, **settings: Any) -> Embeddings:
    return Embeddings(Connection("loop", server.url, KEY), **{"model": "m", **settings})


def answer(*vectors: Any) -> bytes:
    """Write an answer, last vector first: the order of the list means nothing."""
    data = [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data[::-1], "usage": {}}).encode()


async def by_length(request: web.Request) -> web.Response:
    """Answer with a vector that tells how long the text is."""
    body = await request.json()
    return web.Response(body=answer(*([1.0, float(len(text))] for text in body["input"])))


def floats(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 4}f", vector)


async def failure(handler: Handler, *texts: str, **settings: Any) -> UpstreamError:
    async with serving(handler) as server:
        model = embeddings(server, **{"busy_seconds_max": 0, **settings})
        with pytest.raises(UpstreamError) as caught:
            await model.embed(texts or ["hi"])
        await model.close()
    assert KEY not in str(caught.value)
    return caught.value


async def test_texts_become_unit_vectors_in_their_order() -> None:
    async with serving(replying(answer([3.0, 4.0], [0, -2], [1e-9, 0.0]))) as server:
        model = embeddings(server)
        vectors = await model.embed(["a", "b", "c"])
        await model.close()
    assert [floats(vector) for vector in vectors] == [
        pytest.approx((0.6, 0.8)),
        (0.0, -1.0),
        (1.0, 0.0),
    ]
    assert server.bodies == [{"model": "m", "input": ["a", "b", "c"], "encoding_format": "float"}]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_base64_is_understood() -> None:
    packed = base64.b64encode(struct.pack("<2f", 3.0, 4.0)).decode()
    async with serving(replying(answer(packed))) as server:
        model = embeddings(server)
        (vector,) = await model.embed(["a"])
        await model.close()
    assert floats(vector) == pytest.approx((0.6, 0.8))


async def test_dimensions_are_asked_for_and_checked() -> None:
    async with serving(replying(answer([1.0, 2.0, 2.0]))) as server:
        model = embeddings(server, dimensions=3)
        (vector,) = await model.embed(["a"])
        await model.close()
    assert server.bodies[0]["dimensions"] == 3
    assert len(vector) == 12
    error = await failure(replying(answer([1.0, 2.0])), dimensions=3)
    assert "dimensions" in error.message


async def test_many_texts_go_in_portions() -> None:
    texts = ["x" * n for n in range(1, 101)]
    async with serving(by_length) as server:
        model = embeddings(server)
        vectors = await model.embed(texts)
        await model.close()
    assert vectors == [unit_vector([1.0, float(len(text))]) for text in texts]
    assert [len(body["input"]) for body in server.bodies] == [32, 32, 32, 4]


async def test_long_texts_go_in_smaller_portions() -> None:
    texts = ["x" * 90_000] * 5 + ["y" * 500_000]
    async with serving(by_length) as server:
        model = embeddings(server)
        assert len(await model.embed(texts)) == 6
        await model.close()
    assert [len(body["input"]) for body in server.bodies] == [2, 2, 1, 1]


async def test_no_texts_need_no_call() -> None:
    async with serving(by_length) as server:
        model = embeddings(server)
        assert await model.embed([]) == []
        await model.close()
    assert server.bodies == []


async def test_a_busy_server_is_asked_again() -> None:
    calls = 0

    async def busy_twice(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        if calls < 3:
            return web.Response(status=503 if calls == 1 else 429)
        return await by_length(request)

    async with serving(busy_twice) as server:
        model = embeddings(server, first_pause_seconds=0.001)
        assert len(await model.embed(["a"])) == 1
        await model.close()
    assert calls == 3


async def test_a_server_that_stays_busy_is_given_up() -> None:
    handler = replying(b'{"error": {"message": "slow down"}}', status=429, Retry_After="90")
    error = await failure(handler, busy_seconds_max=60)
    assert isinstance(error, UpstreamBusy)
    assert error.rate_limited
    assert error.retry_after_seconds == 90
    assert "slow down" in error.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b'{"data": 1}',
        b'{"data": []}',
        answer([1.0], [1.0]),
        b'{"data": [{"index": 1, "embedding": [1.0]}]}',
        answer([]),
        answer([0.0, 0.0]),
        answer([None]),
        answer("not base64!"),
        answer("AAAA"),
        answer(base64.b64encode(struct.pack("<2f", math.nan, 1.0)).decode()),
        b'{"data": [{"index": 0, "embedding": [1e999]}]}',
        b'{"data": [{"index": 0, "embedding": [1e308, 1e308, 1e308, 1e308]}]}',
    ],
)
async def test_malformed_answers_are_errors(body: bytes) -> None:
    error = await failure(replying(body))
    assert "malformed" in error.message


async def test_vectors_of_different_lengths_are_an_error() -> None:
    error = await failure(replying(answer([1.0], [1.0, 2.0])), "a", "b")
    assert "different lengths" in error.message


async def test_refusals_and_broken_connections_are_errors() -> None:
    refused = await failure(replying(b'{"error": "no such model"}', status=404))
    assert "answered 404: no such model" in refused.message
    assert not isinstance(refused, UpstreamBusy)

    async def cut_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"data": [')
        await reset(request)
        return response

    assert "broke off" in (await failure(cut_off)).message

    async def silent(request: web.Request) -> web.StreamResponse:
        await hang(request)
        raise AssertionError

    assert "did not answer in time" in (await failure(silent, timeout_seconds=0.05)).message


async def test_a_server_that_is_not_there_is_an_error() -> None:
    model = Embeddings(Connection("gone", f"http://127.0.0.1:{free_port()}/v1"), model="m")
    with pytest.raises(UpstreamError, match="cannot be reached"):
        await model.embed(["a"])
    await model.close()


def configured(tmp_path: Path, toml: str, **given: Any) -> Settings:
    config = tmp_path / "understudy.toml"
    config.write_text(toml)
    return load_settings(config, **given)


async def test_the_models_of_the_environment_are_those_of_its_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(replying(answer([1.0]))) as server:
        monkeypatch.setenv("UNDERSTUDY_UPSTREAM_URL", server.url)
        monkeypatch.setenv("UNDERSTUDY_UPSTREAM_KEY", KEY)
        monkeypatch.setenv("UNDERSTUDY_EMBEDDING_MODEL", "small")
        model = open_embedder(configured(tmp_path, ""))
        assert model is not None
        await model.embed(["a"])
        await model.close()
    assert server.bodies[0]["model"] == "small"
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_the_first_upstream_with_such_a_model_is_asked(tmp_path: Path) -> None:
    plain = '[[upstreams]]\nname = "a"\nbase_url = "http://127.0.0.1:1"\n'
    assert open_embedder(configured(tmp_path, plain)) is None
    assert open_reranker(configured(tmp_path, plain)) is None
    both = plain.replace('"a"', '"b"') + 'embedding_model = "e"\nrerank_model = "r"\n'
    assert open_embedder(configured(tmp_path, plain + both)) is not None
    assert open_reranker(configured(tmp_path, plain + both)) is not None


def test_a_scripted_upstream_has_no_such_models(tmp_path: Path) -> None:
    toml = '[[upstreams]]\nname = "a"\nkind = "scripted"\nscript = "x"\nrerank_model = "r"\n'
    with pytest.raises(Misconfigured, match="rerank"):
        configured(tmp_path, toml)
