"""The catalogue: which upstream answers to which name."""

from collections.abc import Mapping

import pytest

from tests.services.ports import free_port
from understudy.errors import Misconfigured, UpstreamError
from understudy.upstream.base import ModelInfo
from understudy.upstream.catalogue import Catalogue, Entry
from understudy.upstream.chat_completions import ChatCompletions
from understudy.upstream.demo import Demo
from understudy.upstream.scripted import Scripted

from .conversations import ask, events_of, hear

DEMO = Entry(name="demo", upstream=Demo(), models=("demo",))


def entry(name: str, *models: str, windows: Mapping[str, int] | None = None) -> Entry:
    """Return an upstream that says its own name; without models it serves any."""
    upstream = Scripted.from_text(f"models: [{name}-own]\nrules: [{{say: {name}}}]")
    return Entry(
        name=name,
        upstream=upstream,
        models=models,
        serves_any=not models,
        context_windows=windows or {},
    )


async def answers(catalogue: Catalogue, model: str) -> str:
    """Return who answers to a model's name."""
    assert catalogue.knows(model)
    return (await hear(catalogue, ask("hi", model=model))).text


async def test_aliases_then_lists_then_any() -> None:
    """A name goes to its alias's meaning, to who lists it, or to the first that serves any."""
    upstreams = [DEMO, entry("any"), entry("other"), entry("big", "qwen", "demo")]
    catalogue = Catalogue(upstreams, {"gpt-4o": "qwen", "gpt-4": "llama"})
    assert await answers(catalogue, "qwen") == "big"
    assert await answers(catalogue, "gpt-4o") == "big"
    assert await answers(catalogue, "gpt-4") == "any"
    assert await answers(catalogue, "whatever") == "any"
    assert "not a language model" in await answers(catalogue, "demo")


async def test_the_name_is_mapped_once() -> None:
    """The upstream gets what the alias means, or else the name as it is."""
    any_one = entry("any")
    catalogue = Catalogue([any_one], {"a": "b", "b": "c"})
    for model in ("a", "b", "x"):
        await answers(catalogue, model)
    assert isinstance(any_one.upstream, Scripted)
    assert [request.model for request in any_one.upstream.requests] == ["b", "c", "x"]


async def test_a_name_without_anybody() -> None:
    """ERR-58: nobody lists it and nobody serves any, so it is not known."""
    catalogue = Catalogue([DEMO], {})
    assert not catalogue.knows("gpt-4")
    with pytest.raises(UpstreamError, match="No upstream serves the model 'gpt-4'"):
        await events_of(catalogue, ask("hi", model="gpt-4"))


async def test_the_default_takes_what_nobody_else_does() -> None:
    """Dead model names of old assistants can all mean one model."""
    catalogue = Catalogue([DEMO, entry("big", "qwen")], {"q": "qwen"}, default="qwen")
    assert await answers(catalogue, "gpt-3.5-turbo") == "big"
    assert "not a language model" in await answers(catalogue, "demo")


def test_names_that_lead_nowhere_are_refused_at_once() -> None:
    """Misconfigured names the alias and the mend."""
    with pytest.raises(Misconfigured, match=r"alias 'a' means 'b'.*cannot mean another alias"):
        Catalogue([DEMO], {"a": "b", "b": "demo"})
    with pytest.raises(Misconfigured, match="default model 'x'"):
        Catalogue([DEMO], {}, default="x")


def test_context_windows() -> None:
    """A window is known by the served name, and for aliases of it."""
    catalogue = Catalogue([entry("big", "qwen", windows={"qwen": 4096})], {"gpt-4o": "qwen"})
    assert catalogue.context_window_tokens("qwen") == 4096
    assert catalogue.context_window_tokens("gpt-4o") == 4096
    assert catalogue.context_window_tokens("unknown") is None


async def test_models_leave_out_what_is_down() -> None:
    """Every model and alias once; configured names instead of listed ones; none that is down."""
    down = ChatCompletions("down", f"http://127.0.0.1:{free_port()}/v1")
    catalogue = Catalogue(
        [
            DEMO,
            entry("any"),
            entry("big", "qwen", "demo"),
            Entry(name="down", upstream=down, models=("gone",)),
        ],
        {"gpt-4o": "qwen", "gpt-4": "gone"},
    )
    assert await catalogue.models() == [
        ModelInfo("demo", "demo"),
        ModelInfo("any-own", "script"),
        ModelInfo("qwen", "big"),
        ModelInfo("gpt-4o", "big"),
    ]
    assert catalogue.knows("gone")
    await catalogue.close()
