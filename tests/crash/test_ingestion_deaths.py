"""SIGKILL while files are ingested: every passage is found once, and nothing is left lying around.

The server dies at an exact commit of its rows or of the index of chunks, or its reading processes
are killed. What clients then see is compared with an undisturbed run of the same scenario.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from .client import StubbornClient
from .conftest import StartServer
from .server import MortalServer
from .server_that_dies import Death
from .story import normal

pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]

FILES = {
    "rain.txt": "It rains in Oslo on day {}. Nobody minds the umbrella.\n",
    "snow.md": "# Day {}\n\nIt snows in Bergen, and the harbour is white.\n\n",
}
LINES = 300
QUESTIONS = ("umbrella day 17", "harbour", "rains snows")
COMMITS = 9  # two for each file, the store, and for each entry its claim and its end
INDEX_COMMITS_MAX = 40
WAIT_SECONDS_MAX = 60
# One file at a time, and no lease is prolonged, so that commits are the same in every run.
SETTINGS = {"UNDERSTUDY_INGESTIONS_MAX": "1", "UNDERSTUDY_LEASE_SECONDS": "600"}
_undisturbed: list[Any] = []


def ingest(client: StubbornClient, lines: int = LINES) -> str:
    """Make a store of two files, wait until they are ingested, and return its path."""
    file_ids = [
        client.upload(name, "".join(line.format(number) for number in range(lines)))
        for name, line in FILES.items()
    ]
    store = client.post("/v1/vector_stores", {"file_ids": file_ids})
    path = f"/v1/vector_stores/{store['id']}"
    until(lambda: client.get(path)["status"] == "completed")
    return path


def seen(client: StubbornClient, path: str) -> Any:
    """Return all that a client can see of a store."""
    listed = client.get(f"{path}/files?order=asc")["data"]
    contents = [client.get(f"{path}/files/{file['id']}/content")["data"] for file in listed]
    found = [
        client.post(f"{path}/search", {"query": question, "max_num_results": 50})["data"]
        for question in QUESTIONS
    ]
    return normal({"store": client.get(path), "files": listed, "texts": contents, "found": found})


def undisturbed(start: StartServer) -> Any:
    """Return what is seen on a server that lives."""
    if not _undisturbed:
        client = StubbornClient(start(**SETTINGS))
        _undisturbed.append(seen(client, ingest(client)))
    return _undisturbed[0]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def readers(server: MortalServer) -> list[psutil.Process]:
    """Return the processes from which readings are forked; they complain into the server's log."""
    return [
        process
        for process in psutil.process_iter()
        if _standard_error(process) == server.log and process.pid != server.pid
    ]


def _standard_error(process: psutil.Process) -> Path | None:
    try:
        return Path(f"/proc/{process.pid}/fd/2").readlink()
    except OSError:  # it has just ended, or is somebody else's
        return None


def check_nothing_is_left(server: MortalServer) -> None:
    """No process but those of the living server, and no file that waits to be read."""
    until(lambda: all(_parent(reader) == server.pid for reader in readers(server)))
    assert len(readers(server)) <= 1
    assert list((server.data / "reading").iterdir()) == []


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def test_the_last_commit_is_the_last(start: StartServer) -> None:
    server = start(Death("before", COMMITS + 1), **SETTINGS)
    ingest(StubbornClient(server))
    assert server.died == 0


@pytest.mark.parametrize("commit", range(1, COMMITS + 1))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_at_a_commit_changes_nothing(when: Any, commit: int, start: StartServer) -> None:
    server = start(Death(when, commit), **SETTINGS)
    client = StubbornClient(server)
    left = seen(client, ingest(client))
    assert server.died == 1
    assert left == undisturbed(start)
    check_nothing_is_left(server)


def test_a_death_at_a_commit_of_the_index_changes_nothing(start: StartServer) -> None:
    """However many there are: the last server of this test is one that nothing kills."""
    for commit in range(1, INDEX_COMMITS_MAX):
        server = start(Death("before", commit, of="index"), **SETTINGS)
        client = StubbornClient(server)
        left = seen(client, ingest(client))
        assert left == undisturbed(start)
        check_nothing_is_left(server)
        if not server.died:
            break
        server.stop()
    assert len(FILES) < commit < INDEX_COMMITS_MAX - 1


def test_readers_that_are_killed_cost_a_lease(start: StartServer) -> None:
    """All of them, in the middle of their files."""
    server = start(**{**SETTINGS, "UNDERSTUDY_LEASE_SECONDS": "1"})
    client = StubbornClient(server)
    warm = ingest(client)
    (reader,) = readers(server)
    reader.suspend()
    file_ids = [file["id"] for file in client.get(f"{warm}/files?order=asc")["data"]]
    path = f"/v1/vector_stores/{client.post('/v1/vector_stores', {'file_ids': file_ids})['id']}"
    until(lambda: list((server.data / "reading").iterdir()) != [])
    reader.kill()
    until(lambda: client.get(path)["status"] == "completed")
    assert seen(client, path) == undisturbed(start)
    check_nothing_is_left(server)
