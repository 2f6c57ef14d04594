"""Opens what answers model calls."""

from understudy.settings import Settings, UpstreamSettings
from understudy.upstream.base import Embedder, Reranker, Upstream
from understudy.upstream.catalogue import Catalogue, Entry
from understudy.upstream.chat_completions import ChatCompletions
from understudy.upstream.connection import Connection
from understudy.upstream.demo import Demo
from understudy.upstream.embeddings import Embeddings
from understudy.upstream.reranking import Reranking
from understudy.upstream.scripted import Scripted


def open_models(settings: Settings) -> Catalogue:
    """Build all upstreams: those of the file, the one of the environment, and the demo."""
    entries = [_entry(one) for one in settings.endpoints]
    entries.append(Entry(name="demo", upstream=Demo(), models=("demo",)))
    return Catalogue(entries, settings.aliases)


def _entry(settings: UpstreamSettings) -> Entry:
    upstream = _upstream(settings)
    return Entry(
        name=settings.name,
        upstream=upstream,
        models=tuple(settings.models),
        serves_any=not settings.models,
        context_windows=settings.context_windows,
        calls_max=settings.calls_max,
    )


def _upstream(settings: UpstreamSettings) -> Upstream:
    if settings.kind == "scripted" and settings.script is not None:
        return Scripted.from_file(settings.script)
    return ChatCompletions(
        settings.name,
        settings.base_url,
        settings.secret(),
        idle_timeout_seconds=settings.idle_timeout_seconds,
        max_tokens_field=settings.max_tokens_field,
    )


def open_embedder(settings: Settings) -> Embedder | None:
    """Build the first embedding model that an upstream has, if one has any."""
    for one in settings.endpoints:
        if one.embedding_model:
            return Embeddings(
                _connection(one), model=one.embedding_model, dimensions=one.embedding_dimensions
            )
    return None


def open_reranker(settings: Settings) -> Reranker | None:
    """Build the first reranking model that an upstream has, if one has any."""
    for one in settings.endpoints:
        if one.rerank_model:
            return Reranking(_connection(one), model=one.rerank_model)
    return None


def _connection(one: UpstreamSettings) -> Connection:
    return Connection(one.name, one.base_url, one.secret())
