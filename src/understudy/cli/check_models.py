"""What the doctor asks the models: whether each endpoint answers, and where aliases lead."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from understudy.cli.finding import Finding, ok, problem, warning
from understudy.errors import UpstreamError
from understudy.upstream.base import Embedder, Reranker, Upstream

SHOWN_MAX = 8
DEMO = "demo"
FLOAT_BYTES = 4
SAMPLE = "Is anybody there?"
WITHOUT_IT = "Start it, or correct it in understudy.toml; until then files are searched without it."


class Source(Struct, frozen=True, kw_only=True):
    """One upstream as it is configured; ``models`` is empty when it serves any name."""

    name: str
    upstream: Upstream
    models: tuple[str, ...] = ()


async def check_models(sources: Sequence[Source], aliases: Mapping[str, str]) -> list[Finding]:
    """Ask every upstream for its models, and follow every alias."""
    listed = await asyncio.gather(*(_listed(source) for source in sources))
    found = [_answer(*pair) for pair in zip(sources, listed, strict=True)]
    if [source.name for source in sources] == [DEMO]:
        found.append(_only_demo())
    known = {name for names in listed if isinstance(names, list) for name in names}
    complete = all(isinstance(names, list) and names for names in listed)
    return found + ([_alias(*pair, known) for pair in aliases.items()] if complete else [])


async def _listed(source: Source) -> list[str] | UpstreamError:
    try:
        return [model.id for model in await source.upstream.models()]
    except UpstreamError as error:
        return error


def _answer(source: Source, listed: list[str] | UpstreamError) -> Finding:
    what = f"Model endpoint {source.name}"
    if isinstance(listed, UpstreamError):
        mend = "Start it, or correct its base_url and api_key in understudy.toml or UNDERSTUDY_…"
        return problem("Models", listed.message, mend)
    if not listed:
        return ok("Models", f"{what} answers, but lists no models")
    missing = [name for name in source.models if name not in listed]
    if missing:
        told = f"{what} does not list {_some(missing)}. It lists {_some(listed)}."
        return warning("Models", told, "Correct its models in understudy.toml.")
    return ok("Models", f"{what} answers: {_some(listed)}")


def _only_demo() -> Finding:
    mend = "Attach a model: UNDERSTUDY_UPSTREAM_URL=http://127.0.0.1:11434/v1, or understudy.toml."
    return warning("Models", "Only the built-in demo answers; it is no language model.", mend)


async def check_embedder(embedder: Embedder) -> Finding:
    """Ask the embedding model for a vector."""
    try:
        (vector,) = await embedder.embed([SAMPLE])
    except UpstreamError as error:
        return problem("Embedding", error.message, WITHOUT_IT)
    return ok("Embedding", f"the model answers with {len(vector) // FLOAT_BYTES} numbers")


async def check_reranker(reranker: Reranker) -> Finding:
    """Ask the reranking model for a score."""
    try:
        await reranker.rerank(SAMPLE, [SAMPLE])
    except UpstreamError as error:
        return problem("Reranking", error.message, WITHOUT_IT)
    return ok("Reranking", "the model answers")


def _alias(alias: str, target: str, known: Iterable[str]) -> Finding:
    if target in known:
        return ok("Aliases", f"{alias} means {target}")
    mend = "Correct it under [aliases] in understudy.toml."
    return warning("Aliases", f"{alias} means {target}, which no endpoint lists.", mend)


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN_MAX
    return ", ".join(names[:SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")
