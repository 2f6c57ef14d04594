"""The ways to dispatch, each real. A new adapter is one more entry here."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from tests.services.nats import NatsServer, nats_prefix, nats_server, own_nats_server
from understudy.dispatch.base import Dispatch
from understudy.dispatch.in_process import InProcessDispatch
from understudy.dispatch.nats import NatsDispatch

__all__ = ["nats_prefix", "nats_server", "own_nats_server"]

Another = Callable[[], Awaitable[NatsDispatch]]


async def _in_process(_: pytest.FixtureRequest) -> Dispatch:
    return InProcessDispatch()


async def _nats(request: pytest.FixtureRequest) -> Dispatch:
    server: NatsServer = request.getfixturevalue("nats_server")
    return await NatsDispatch.open(server.url, prefix=f"test-{uuid4().hex}")


@pytest.fixture(params=[_in_process, pytest.param(_nats, marks=pytest.mark.cluster)])
async def dispatch(request: pytest.FixtureRequest) -> AsyncIterator[Dispatch]:
    """Give a dispatch that nobody uses yet."""
    opened = await request.param(request)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def another(nats_server: NatsServer, nats_prefix: str) -> AsyncIterator[Another]:
    """Give what opens the dispatches of several processes of one installation."""
    async with AsyncExitStack() as closing:

        async def open_() -> NatsDispatch:
            opened = await NatsDispatch.open(nats_server.url, prefix=nats_prefix)
            closing.push_async_callback(opened.close)
            return opened

        yield open_
