"""Which upstream answers to a model's name."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType

import msgspec

from understudy.errors import Misconfigured, UpstreamError
from understudy.upstream.base import ModelEvent, ModelInfo, ModelRequest, Upstream

_NO_WINDOWS: Mapping[str, int] = MappingProxyType({})


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream under its configured name.

    ``models`` are the names that it answers to. ``serves_any`` marks an endpoint that is also sent
    names that nobody lists. ``context_windows`` are tokens by model name. ``calls_max`` is how many
    calls may be under way at a time; the others wait.
    """

    name: str
    upstream: Upstream
    models: tuple[str, ...] = ()
    serves_any: bool = False
    context_windows: Mapping[str, int] = _NO_WINDOWS
    calls_max: int | None = None


class Route(msgspec.Struct, frozen=True):
    """Where a request goes, and the model name that it carries there."""

    entry: Entry
    model: str


class Catalogue:
    """All upstreams behind their aliases, in the order in which they are asked.

    A name is first looked up among the aliases, one step; then the upstream that lists it is taken;
    then the first that serves any name, with the name as it is; last the default model, if there is
    one. The ``demo`` upstream is an entry like any other, listing the model ``demo``.
    """

    def __init__(
        self, upstreams: Sequence[Entry], aliases: Mapping[str, str], default: str | None = None
    ) -> None:
        self._entries = tuple(upstreams)
        self._aliases = dict(aliases)
        self._default = default
        self._listed = {name: e for e in reversed(self._entries) for name in e.models}
        self._any = next((entry for entry in self._entries if entry.serves_any), None)
        self._slots = {
            one.name: asyncio.Semaphore(one.calls_max) for one in self._entries if one.calls_max
        }
        self._check()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return all upstreams in the order in which they are asked."""
        return self._entries

    def knows(self, model: str) -> bool:
        """Return whether a request for this model name has somewhere to go."""
        return self._route(model) is not None

    def context_window_tokens(self, model: str) -> int | None:
        """Return the configured context window of the model, or of what its alias means."""
        route = self._route(model)
        if route is None:
            return None
        windows = route.entry.context_windows
        return windows.get(route.model, windows.get(model))

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ModelEvent]]:
        """As Upstream.stream, after the model name has been mapped to an upstream."""
        route = self._route(request.model)
        if route is None:
            raise UpstreamError(f"No upstream serves the model '{request.model}'.")
        events = route.entry.upstream.stream(msgspec.structs.replace(request, model=route.model))
        slots = self._slots.get(route.entry.name)
        return events if slots is None else _when_free(slots, events)

    async def models(self) -> Sequence[ModelInfo]:
        """Return every model and alias; an upstream that is down is left out."""
        answers = await asyncio.gather(*map(_models_of, self._entries))
        up = [e for e, answer in zip(self._entries, answers, strict=True) if answer is not None]
        unique: dict[str, ModelInfo] = {}
        for info in (
            *(info for answer in answers for info in answer or ()),
            *self._alias_infos(up),
        ):
            unique.setdefault(info.id, info)
        return list(unique.values())

    async def close(self) -> None:
        """Close every upstream."""
        await asyncio.gather(*(entry.upstream.close() for entry in self._entries))

    def _route(self, model: str) -> Route | None:
        return self._direct(self._aliases.get(model, model)) or (
            self._direct(self._default) if self._default is not None else None
        )

    def _direct(self, model: str) -> Route | None:
        entry = self._listed.get(model, self._any)
        return Route(entry, model) if entry is not None else None

    def _alias_infos(self, up: Sequence[Entry]) -> list[ModelInfo]:
        routes = {alias: self._direct(target) for alias, target in self._aliases.items()}
        return [
            ModelInfo(alias, route.entry.name)
            for alias, route in routes.items()
            if route is not None and route.entry in up
        ]

    def _check(self) -> None:
        for alias, target in self._aliases.items():
            if self._direct(target) is None:
                raise Misconfigured(
                    f"The alias '{alias}' means '{target}', which no upstream lists. Add it to the "
                    "models of an upstream; an alias cannot mean another alias."
                )
        if self._default is not None and self._direct(self._default) is None:
            raise Misconfigured(
                f"The default model '{self._default}' is listed by no upstream. Add it to the "
                "models of one."
            )


async def _when_free(
    slots: asyncio.Semaphore, events: AsyncGenerator[Sequence[ModelEvent]]
) -> AsyncGenerator[Sequence[ModelEvent]]:
    """Yield the events of a call that begins once one of the slots is free."""
    async with slots, aclosing(events):
        async for batch in events:
            yield batch


async def _models_of(entry: Entry) -> Sequence[ModelInfo] | None:
    """Return the configured models or else those that the upstream lists; None when it is down."""
    try:
        infos = await entry.upstream.models()
    except UpstreamError:
        return None
    return [ModelInfo(name, entry.name) for name in entry.models] or infos
