"""The ways to dispatch, each real. A new adapter is one more entry here."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from tests.services.nats import (
    NatsServer,
    debians_server,
    nats_prefix,
    newest_server,
    own_nats_server,
    running,
)
from understudy.dispatch.base import Dispatch
from understudy.dispatch.in_process import InProcessDispatch
from understudy.dispatch.nats import NatsDispatch

__all__ = ["nats_prefix", "own_nats_server"]

Another = Callable[[], Awaitable[NatsDispatch]]


PROGRAMS = {"newest": newest_server, "debian": debians_server}


def _program(name: str) -> str:
    program = PROGRAMS[name]()
    if program is None:
        pytest.skip(f"the {name} nats-server is not installed")
    return program


@pytest.fixture(params=PROGRAMS)
def nats_program(request: pytest.FixtureRequest) -> str:
    """Give each of the two servers in turn: what works must work with both."""
    return _program(request.param)


@pytest.fixture(scope="session")
def newest_nats_server() -> Iterator[NatsServer]:
    """Give a running server of the newest version."""
    yield from running(_program("newest"))


@pytest.fixture(scope="session")
def debian_nats_server() -> Iterator[NatsServer]:
    """Give a running server of Debian's version."""
    yield from running(_program("debian"))


@pytest.fixture(params=PROGRAMS)
def nats_server(request: pytest.FixtureRequest) -> NatsServer:
    """Give each of the two running servers; tests that harm theirs start one of their own."""
    server: NatsServer = request.getfixturevalue(f"{request.param}_nats_server")
    return server


async def _in_process(_: pytest.FixtureRequest) -> Dispatch:
    return InProcessDispatch()


async def _newest_nats(request: pytest.FixtureRequest) -> Dispatch:
    return await _nats(request.getfixturevalue("newest_nats_server"))


async def _debian_nats(request: pytest.FixtureRequest) -> Dispatch:
    return await _nats(request.getfixturevalue("debian_nats_server"))


async def _nats(server: NatsServer) -> Dispatch:
    return await NatsDispatch.open(server.url, prefix=f"test-{uuid4().hex}")


@pytest.fixture(
    params=[
        _in_process,
        pytest.param(_newest_nats, marks=pytest.mark.cluster),
        pytest.param(_debian_nats, marks=pytest.mark.cluster),
    ]
)
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
