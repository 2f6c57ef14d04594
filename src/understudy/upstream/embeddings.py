"""Any server with POST /embeddings, as OpenAI has it."""

import asyncio
import math
import sys
from array import array
from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from understudy.errors import UpstreamBusy, UpstreamError
from understudy.upstream.connection import Connection

# Within what servers take at once: TEI 32 texts by default, OpenAI 300,000 tokens.
_BATCH_TEXTS_MAX = 32
_BATCH_CHARACTERS_MAX = 200_000
_FLOAT_BYTES = 4


class Embedding(msgspec.Struct):
    """The vector of the text with this index: numbers, or little-endian float32 in base64."""

    index: int
    embedding: list[float] | str


class EmbeddingList(msgspec.Struct):
    """The answer of POST /embeddings."""

    data: list[Embedding]


_decode = msgspec.json.Decoder(EmbeddingList).decode


class Embeddings:
    """An embedding model of an OpenAI-compatible endpoint.

    ``dimensions`` asks for shorter vectors, where the model can do that. A busy server is asked
    again for ``busy_seconds_max``, at the times that it names or else at growing intervals.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        model: str,
        dimensions: int | None = None,
        timeout_seconds: float = 120,
        busy_seconds_max: float = 60,
        first_pause_seconds: float = 0.5,
    ) -> None:
        self._connection = connection
        self._model = model
        self._dimensions = dimensions
        self._timeout_seconds = timeout_seconds
        self._busy_seconds_max = busy_seconds_max
        self._first_pause_seconds = first_pause_seconds

    @property
    def model(self) -> str:
        """Return the model with the dimensions that it is asked for."""
        return self._model if self._dimensions is None else f"{self._model}@{self._dimensions}"

    async def embed(self, texts: Sequence[str]) -> Sequence[bytes]:
        """Return unit vectors; see the port."""
        vectors: list[bytes] = []
        for batch in _batches(texts):
            vectors += await self._patiently(batch)
        if len(set(map(len, vectors))) > 1:
            raise self._connection.error("sent vectors of different lengths")
        return vectors

    async def close(self) -> None:
        """Release connections."""
        await self._connection.close()

    async def _patiently(self, batch: Sequence[str]) -> list[bytes]:
        pause, left = self._first_pause_seconds, self._busy_seconds_max
        while True:
            try:
                return await self._embed(batch)
            except UpstreamBusy as busy:
                wait = max(pause, busy.retry_after_seconds or 0)
                if wait > left:
                    raise
            await asyncio.sleep(wait)
            pause, left = pause * 2, left - wait

    async def _embed(self, batch: Sequence[str]) -> list[bytes]:
        body: dict[str, Any] = {"model": self._model, "input": batch, "encoding_format": "float"}
        if self._dimensions is not None:
            body["dimensions"] = self._dimensions
        answer = await self._connection.ask(
            "embeddings", msgspec.json.encode(body), timeout_seconds=self._timeout_seconds
        )
        return self._read(answer, len(batch))

    def _read(self, answer: bytes, count: int) -> list[bytes]:
        try:
            data = sorted(_decode(answer).data, key=lambda one: one.index)
            vectors = [unit_vector(_floats(one.embedding)) for one in data]
        except (ValueError, OverflowError) as error:
            raise self._malformed(str(error)) from error
        if [one.index for one in data] != list(range(count)):
            raise self._malformed(f"{len(data)} vectors for {count} texts")
        if self._dimensions and any(len(one) != self._dimensions * _FLOAT_BYTES for one in vectors):
            raise self._malformed(f"vectors that have not the {self._dimensions} dimensions asked")
        return vectors

    def _malformed(self, what: str) -> UpstreamError:
        return self._connection.error(f"sent malformed embeddings ({what})")


def unit_vector(values: Sequence[float]) -> bytes:
    """Return the vector at length 1 as little-endian float32. Raises ValueError if it has none."""
    length = math.hypot(*values)
    if not math.isfinite(length) or length == 0:
        raise ValueError("a vector without direction")
    unit = array("f", [value / length for value in values])
    if sys.byteorder == "big":
        unit.byteswap()
    return unit.tobytes()


def _floats(embedding: list[float] | str) -> Sequence[float]:
    if isinstance(embedding, list):
        return embedding
    values = array("f", b64decode(embedding, validate=True))
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the texts in portions that a server takes at once."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        if batch and (
            len(batch) == _BATCH_TEXTS_MAX or characters + len(text) > _BATCH_CHARACTERS_MAX
        ):
            yield batch
            batch, characters = [], 0
        batch.append(text)
        characters += len(text)
    if batch:
        yield batch
