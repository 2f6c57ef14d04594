"""Any server with POST /rerank, in the form of Cohere and Jina.

vLLM, llama.cpp, LiteLLM and Infinity speak it. Text Embeddings Inference calls the documents
``texts`` and answers with a bare list; it is recognised by its refusal and asked in its own form.
llama.cpp answers with logits instead of scores, which shows as soon as one is not in 0..1.
"""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from understudy.errors import UpstreamBusy, UpstreamError
from understudy.upstream.connection import Connection

_TEXTS_WANTED = "missing field `texts`"


class Ranked(msgspec.Struct):
    """How well the document with this index fits."""

    index: int
    relevance_score: float | None = None
    score: float | None = None

    @property
    def value(self) -> float:
        """Return the score, whatever it is called. Raises ValueError if there is none."""
        value = self.score if self.relevance_score is None else self.relevance_score
        if value is None or not math.isfinite(value):
            raise ValueError("a document without a score")
        return value


class RankedList(msgspec.Struct):
    """The answer in the form of Cohere and Jina."""

    results: list[Ranked]


_decode = msgspec.json.Decoder(RankedList | list[Ranked]).decode


class Reranking:
    """A reranking model of an endpoint."""

    def __init__(
        self,
        connection: Connection,
        *,
        model: str,
        timeout_seconds: float = 30,
    ) -> None:
        self._connection = connection
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._takes_texts = False
        self._answers_logits = False

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        """Return scores; see the port."""
        if not texts:
            return ()
        scores = self._read(await self._ask(query, texts), len(texts))
        self._answers_logits = self._answers_logits or any(not 0 <= one <= 1 for one in scores)
        return [_sigmoid(one) for one in scores] if self._answers_logits else scores

    async def close(self) -> None:
        """Release connections."""
        await self._connection.close()

    async def _ask(self, query: str, texts: Sequence[str]) -> bytes:
        if self._takes_texts:
            return await self._post({"query": query, "texts": texts})
        try:
            return await self._post(
                {"model": self._model, "query": query, "documents": texts, "top_n": len(texts)}
            )
        except UpstreamBusy:
            raise
        except UpstreamError as error:
            if _TEXTS_WANTED not in error.message:
                raise
        self._takes_texts = True
        return await self._post({"query": query, "texts": texts})

    async def _post(self, body: dict[str, Any]) -> bytes:
        return await self._connection.ask(
            "rerank", msgspec.json.encode(body), timeout_seconds=self._timeout_seconds
        )

    def _read(self, answer: bytes, count: int) -> list[float]:
        try:
            decoded = _decode(answer)
            ranked = decoded.results if isinstance(decoded, RankedList) else decoded
            by_index = {one.index: one.value for one in ranked}
        except ValueError as error:
            raise self._malformed(str(error)) from error
        if set(by_index) != set(range(count)):
            raise self._malformed(f"{len(by_index)} scores for {count} documents")
        return [by_index[index] for index in range(count)]

    def _malformed(self, what: str) -> UpstreamError:
        return self._connection.error(f"sent a malformed ranking ({what})")


def _sigmoid(logit: float) -> float:
    """Return the logit as a score in 0..1, without overflow however large it is."""
    return (1 + math.tanh(logit / 2)) / 2
