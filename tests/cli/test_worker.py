"""``understudy worker`` and ``understudy migrate``, beside an API without a worker."""

import signal
from pathlib import Path

import pytest

from tests.cli.command import SECONDS_MAX, serving, understudy, working
from understudy.settings import without_password

QUICK = {"UNDERSTUDY_SWEEP_SECONDS": "0.1"}


def test_a_worker_does_what_an_api_without_one_has_taken(tmp_path: Path) -> None:
    with serving(tmp_path, "--no-worker") as api:
        key = api.first_key
        assistant = api.ask("POST", "/v1/assistants", key, {"model": "demo"})[1]
        message = {"role": "user", "content": "Hello"}
        new = {"assistant_id": assistant["id"], "thread": {"messages": [message]}}
        run = api.ask("POST", "/v1/threads/runs", key, new)[1]
        path = f"/v1/threads/{run['thread_id']}/runs/{run['id']}"
        assert api.ask("GET", path, key)[1]["status"] == "queued"
        with working(tmp_path, **QUICK):
            assert api.ask("GET", f"{path}?wait=20", key)[1]["status"] == "completed"


def test_a_worker_tells_its_health_and_nothing_else(tmp_path: Path) -> None:
    with working(tmp_path) as worker:
        assert worker.ask("GET", "/healthz", "none") == (200, {"status": "ok"})
        status, told = worker.ask("GET", "/readyz", "none")
        assert (status, told["status"]) == (200, "ok")
        assert worker.ask("GET", "/v1/models", "none")[0] == 404


def test_a_worker_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with working(tmp_path) as worker:
        assert worker.ask("GET", "/healthz", "none")[0] == 200
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(SECONDS_MAX) == 0


def test_two_workers_do_not_share_a_data_folder(tmp_path: Path) -> None:
    with working(tmp_path):
        second = understudy("worker", "--data-dir", tmp_path / "data", folder=tmp_path)
        second.refused("Another server is working on", "--data-dir")


def test_an_embedded_database_is_always_up_to_date(tmp_path: Path) -> None:
    ended = understudy("migrate", "--data-dir", tmp_path / "data", folder=tmp_path)
    assert (ended.code, ended.out) == (0, "The database is up to date.\n")


def test_a_database_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://me:secret@127.0.0.1:9/rows"
    for command in ("migrate", "worker", "doctor"):
        ended = understudy(command, folder=tmp_path, UNDERSTUDY_DATABASE_URL=url)
        assert ended.code == 1
        assert "PostgreSQL" in ended.out + ended.err
        assert "secret" not in ended.out + ended.err
        assert "Traceback" not in ended.err


def test_the_doctor_says_what_other_machines_could_not_see(tmp_path: Path) -> None:
    url = "postgresql://me:secret@127.0.0.1:9/rows"
    told = understudy("doctor", folder=tmp_path, UNDERSTUDY_DATABASE_URL=url).out
    assert "postgresql://127.0.0.1:9/rows" in told
    for phrase in ("UNDERSTUDY_NATS_URL", "UNDERSTUDY_FILES_URL", "UNDERSTUDY_SANDBOX=remote"):
        assert phrase in told


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://u:pa,ss@host:5432/rows?sslmode=require", "postgresql://host:5432/rows"),
        ("postgresql://u:p/a@host/rows", "postgresql://host/rows"),
        ("nats://me:pw@one:4222,nats://tok@two:4222", "nats://one:4222,two:4222"),
        ("user:pw@host:4222", "host:4222"),
        ("nats://one,tok@two", "nats://one,two"),
    ],
)
def test_addresses_are_shown_without_who_connects(address: str, shown: str) -> None:
    assert without_password(address) == shown
