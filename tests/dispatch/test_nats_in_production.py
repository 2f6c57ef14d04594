"""NATS as it is in production: three servers that know each other, accounts, and TLS."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import nats.errors
import nats.js.errors
import pytest

from tests.services.certificates import write_certificates
from tests.services.nats import NatsServer
from tests.services.nats_accounts import Operator
from tests.services.ports import free_port
from understudy.dispatch.nats import NatsDispatch
from understudy.dispatch.nats.streams import Keeping
from understudy.errors import Misconfigured
from understudy.wire.events import EventId

from .tale import BEFORE, COMPLETED, PROJECT, SOON, STARTED, heard, text, texts

pytestmark = pytest.mark.cluster

SERVERS = 3
# Servers vote for a leader when they have missed the old one for some seconds.
VOTE_SECONDS_MAX = 60.0
CLUSTER = """
server_name: s{number}
cluster {{ name: c, listen: "127.0.0.1:{port}", routes: [{routes}] }}
"""


@pytest.fixture
def three(nats_program: str) -> Iterator[Sequence[NatsServer]]:
    """Give three servers that are one."""
    ports = [free_port() for _ in range(SERVERS)]
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
    with ExitStack() as removing:
        servers = []
        for number, port in enumerate(ports):
            more = CLUSTER.format(number=number, port=port, routes=routes)
            servers.append(NatsServer(program=nats_program, more=more))
            removing.callback(servers[-1].remove)
        for server in servers:
            server.start()
        yield servers


@pytest.fixture
async def pair(three: Sequence[NatsServer]) -> AsyncIterator[tuple[NatsDispatch, NatsDispatch]]:
    """Give the dispatches of two processes, as soon as the servers have voted."""
    async with AsyncExitStack() as closing:
        opened = []
        for _ in range(2):
            opened.append(await _opened(three))
            closing.push_async_callback(opened[-1].close)
        yield opened[0], opened[1]


async def _opened(three: Sequence[NatsServer]) -> NatsDispatch:
    url = ",".join(server.url for server in three)
    async with asyncio.timeout(VOTE_SECONDS_MAX):
        while True:
            try:
                return await NatsDispatch.open(url, keeping=Keeping(replicas=SERVERS))
            except Misconfigured:
                await asyncio.sleep(SOON)


async def works(*dispatches: NatsDispatch) -> None:
    """Return when both streams have leaders, which answer."""
    for dispatch in dispatches:
        await kept(dispatch, "events", 0)
        await kept(dispatch, "offers", 0)


async def offered(dispatch: NatsDispatch, run_id: str) -> None:
    """Return when the offer is in the queue: one that is not answered is left to the sweeper."""
    async with asyncio.timeout(VOTE_SECONDS_MAX):
        while not await _is_kept(dispatch, "offers", 1):
            await dispatch.offer(run_id, PROJECT)
            await asyncio.sleep(SOON)


async def kept(dispatch: NatsDispatch, stream: str, messages: int) -> None:
    """Return when so many messages are in the stream, and in two copies at least."""
    async with asyncio.timeout(VOTE_SECONDS_MAX):
        while not await _is_kept(dispatch, stream, messages):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(SOON)


async def _is_kept(dispatch: NatsDispatch, stream: str, messages: int) -> bool:
    try:
        info = await dispatch._connection.jetstream.stream_info(f"understudy-{stream}")
    except (nats.errors.Error, nats.js.errors.Error, OSError):
        return False
    peers = (info.cluster.replicas if info.cluster else None) or []
    copies = [peer for peer in peers if peer.current and not peer.lag]
    return info.state.messages >= messages and bool(copies)


@pytest.mark.timeout(240)
async def test_the_leader_of_three_servers_dies_and_nothing_is_lost(
    three: Sequence[NatsServer], pair: tuple[NatsDispatch, NatsDispatch]
) -> None:
    """What two of them have is there when the others have voted."""
    api, worker = pair
    listener = await api.subscribe("run_1")
    await offered(api, "run_1")
    worker.publish("run_1", [STARTED, text("one ", 7)], BEFORE)
    assert texts(await heard(listener, 2)) == "one "
    await kept(worker, "events", 1)
    info = await worker._connection.jetstream.stream_info("understudy-events")
    assert info.cluster is not None
    three[int(str(info.cluster.leader)[-1])].kill()
    await works(api, worker)
    offer = await asyncio.wait_for(worker.next_offer(), VOTE_SECONDS_MAX)
    assert offer.run_id == "run_1"
    await offer.done()
    worker.publish("run_1", [text("two", 10)], EventId(1, 7))
    told = ""
    async with asyncio.timeout(VOTE_SECONDS_MAX):
        while not told.endswith("two"):
            told += texts(await listener.next(VOTE_SECONDS_MAX))
    await kept(worker, "events", 2)
    late = await worker.subscribe("run_1")
    assert texts(await heard(late, 1)).startswith("one two")
    await offered(api, "run_2")
    assert (await asyncio.wait_for(worker.next_offer(), VOTE_SECONDS_MAX)).run_id == "run_2"


async def test_a_credentials_file_opens_the_door(nats_program: str, tmp_path: Path) -> None:
    operator = Operator()
    credentials = operator.write_credentials(tmp_path / "us.creds")
    server = NatsServer(program=nats_program, more=operator.configuration())
    try:
        server.start()
        with pytest.raises(Misconfigured, match="nats_credentials"):
            await NatsDispatch.open(server.url)
        await _carries(server.url, credentials)
    finally:
        server.remove()


async def test_an_encrypted_connection_to_a_server_of_ones_own_authority(
    nats_program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, certificate, key = write_certificates(tmp_path)
    more = f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}'
    server = NatsServer(program=nats_program, more=more)
    url = server.url.replace("nats://", "tls://")
    try:
        server.start()
        with pytest.raises(Misconfigured, match="CERTIFICATE_VERIFY_FAILED"):
            await NatsDispatch.open(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        await _carries(url, None)
    finally:
        server.remove()


async def _carries(url: str, credentials: Path | None) -> None:
    """Send an offer and events there and back."""
    dispatch = await NatsDispatch.open(url, credentials)
    try:
        listener = await dispatch.subscribe("run_1")
        await dispatch.offer("run_1", PROJECT)
        assert (await asyncio.wait_for(dispatch.next_offer(), 20)).run_id == "run_1"
        dispatch.publish("run_1", [STARTED, COMPLETED], BEFORE)
        assert await heard(listener, 2) == [STARTED, COMPLETED]
    finally:
        await dispatch.close()
