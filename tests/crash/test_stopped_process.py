"""A server that stands still for longer than its lease, and one that is started beside it."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .client import Event, StubbornClient
from .conftest import StartServer
from .model import GatedModel, text
from .scenarios import set_up
from .story import check_told_once, objects, texts, written

pytestmark = pytest.mark.crash

COMMAND = Path(sys.executable).with_name("understudy")
WAIT_SECONDS_MAX = 10


def test_a_worker_that_slept_over_its_lease_writes_one_message(
    start: StartServer, tmp_path: Path
) -> None:
    database = tmp_path / "server-0" / "data" / "understudy.sqlite3"
    with GatedModel(text("One ", "two ", "three.")).serving() as model:
        server = start(
            UNDERSTUDY_UPSTREAM_URL=model.url,
            UNDERSTUDY_LEASE_SECONDS="0.3",
            UNDERSTUDY_SWEEP_SECONDS="0.05",
        )
        client = StubbornClient(server)

        def stop_at_first_delta(event: Event) -> None:
            if event.name == "thread.message.delta" and not stopped:
                stopped.append(event)
                os.kill(server.pid, signal.SIGSTOP)
                wait_until_the_lease_is_over(database)
                os.kill(server.pid, signal.SIGCONT)
                model.allow_all()

        stopped: list[Event] = []
        client.on_event = stop_at_first_delta
        model.allow(1)
        thread, body = set_up(client, "hello")
        client.stream(f"{thread}/runs", {**body, "model": "gated"})
        check_told_once(client.events)
        left = objects(client, thread)
        assert written(left) == ["One two three."]
        assert list(texts(client.events).values()) == ["One two three."]
        assert len(left["steps"][0]) == 1


def wait_until_the_lease_is_over(database: Path) -> None:
    end = time.monotonic() + WAIT_SECONDS_MAX
    with contextlib.closing(sqlite3.connect(database)) as connection:
        while time.monotonic() < end:
            (until,) = connection.execute("SELECT lease_until FROM runs").fetchone()
            if until < time.time():
                return
            time.sleep(0.02)
    raise AssertionError("the lease was renewed by a process that stands still")


def test_a_second_worker_on_the_same_data_is_refused_in_plain_words(
    start: StartServer, tmp_path: Path
) -> None:
    start()
    data = str(tmp_path / "server-0" / "data")
    second = subprocess.run(
        [str(COMMAND), "serve", "--port", "0", "--data-dir", data],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert "Another server is working on" in second.stderr
    assert "Traceback" not in second.stderr


def test_the_command_itself_resumes_what_another_process_began(
    start: StartServer, tmp_path: Path
) -> None:
    """The other tests fork their servers from one process; here it is the installed command."""
    with GatedModel(text("One ", "two.")).serving() as model:
        server = start(UNDERSTUDY_UPSTREAM_URL=model.url)
        client = StubbornClient(server)
        folder = tmp_path / "server-0"
        commands: list[subprocess.Popen[bytes]] = []

        def revive_by_command(known_deaths: int) -> None:
            server.died = known_deaths + 1
            arguments = ["--port", str(server.port), "--data-dir", str(folder / "data")]
            settings = {**os.environ, "UNDERSTUDY_UPSTREAM_URL": model.url}
            with server.log.open("ab") as log:
                commands.append(
                    subprocess.Popen(
                        [str(COMMAND), "serve", *arguments], env=settings, stdout=log, stderr=log
                    )
                )
            model.allow_all()
            server.wait_until_healthy(commands[0].poll)

        vars(server)["revive"] = revive_by_command
        client.on_event = lambda event: (
            server.kill() if event.name == "thread.message.delta" and not commands else None
        )
        model.allow(1)
        thread, body = set_up(client, "hello")
        try:
            client.stream(f"{thread}/runs", {**body, "model": "gated"})
            check_told_once(client.events)
            assert written(objects(client, thread)) == ["One two."]
        finally:
            commands[0].terminate()
            commands[0].wait(WAIT_SECONDS_MAX)
