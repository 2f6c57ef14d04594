"""SIGKILL while many runs are at work: none is lost, none doubled, none stuck."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from .client import StubbornClient
from .conftest import StartServer
from .model import GatedModel, text
from .scenarios import set_up
from .story import check_told_once, names, objects, texts, written

pytestmark = pytest.mark.crash

CLIENTS = 24


@pytest.mark.timeout(120)
def test_runs_in_all_states_survive_two_deaths(start: StartServer) -> None:
    with GatedModel(text("Half ", "an ", "answer.")).serving() as model:
        server = start(UNDERSTUDY_UPSTREAM_URL=model.url)
        clients = [StubbornClient(server) for _ in range(CLIENTS)]

        def have_a_run(client: StubbornClient) -> str:
            thread, body = set_up(client, "hello")
            client.stream(f"{thread}/runs", {**body, "model": "gated"})
            return thread

        model.allow(2)
        with ThreadPoolExecutor(CLIENTS) as pool:
            work = [pool.submit(have_a_run, client) for client in clients]
            for calls in (CLIENTS // 3, CLIENTS):
                # So many are in mid answer; the others are created, claimed or not yet there.
                model.wait_for_calls(calls)
                server.kill()
                server.wait_for_life_after(server.died)
            model.allow_all()
            threads = [one.result() for one in work]
        for client, thread in zip(clients, threads, strict=True):
            check_told_once(client.events)
            assert names(client.events)[-1] == "thread.run.completed"
            left = objects(client, thread)
            assert [run["status"] for run in left["runs"]] == ["completed"]
            assert written(left) == ["Half an answer."]
            assert list(texts(client.events).values()) == ["Half an answer."]
