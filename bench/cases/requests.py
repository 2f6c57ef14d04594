"""Requests that the server answers in one CPU-second, sixteen clients: reads, lists, a write."""

from dataclasses import dataclass, field

from bench.connection import Connection
from bench.cost import cpu_seconds
from bench.figure import Figure, figure
from bench.lab import Lab
from bench.load import QUESTION, by_clients, close_all, connections_to, make_assistant
from bench.loop import run
from bench.process import Running
from bench.script import Script
from bench.target import Target

CLIENTS = 16
RUNS = 100


@dataclass
class Kind:
    """One request that is repeated."""

    name: str
    request: bytes
    per_cpu_second: list[float] = field(default_factory=list)


def measure(lab: Lab) -> list[Figure]:
    """Measure each kind, rounds interleaved, on a thread with 100 runs."""
    with lab.fresh_server() as server:
        return run(_measure(lab, server))


async def _measure(lab: Lab, server: Running) -> list[Figure]:
    thread_id, run_id = await _thread_with_runs(server.target)
    kinds = _kinds(server.target, thread_id, run_id)
    connections = await connections_to(server.target, CLIENTS)
    for number in range(lab.scale.rounds + 1):
        for kind in kinds:
            rate = await _round(server.pid, kind, connections, lab.scale.requests_per_round)
            if number:
                kind.per_cpu_second.append(rate)
    close_all(connections)
    return [figure("requests", kind.name, "per CPU-second", kind.per_cpu_second) for kind in kinds]


async def _thread_with_runs(target: Target) -> tuple[str, str]:
    assistant_id = await make_assistant(target, Script())
    thread = (await target.ask("POST", "/v1/threads", {})).json()
    connection = await target.connect()
    body = {"assistant_id": assistant_id, "stream": True}
    request = target.request("POST", f"/v1/threads/{thread['id']}/runs", body)
    for _ in range(RUNS):
        (await connection.request(request)).expect_success()
    connection.close()
    listed = (await target.ask("GET", f"/v1/threads/{thread['id']}/runs?limit=100")).json()["data"]
    if len(listed) != RUNS or any(one["status"] != "completed" for one in listed):
        raise RuntimeError("the runs to be listed did not complete")
    return thread["id"], listed[0]["id"]


def _kinds(target: Target, thread_id: str, run_id: str) -> list[Kind]:
    runs = f"/v1/threads/{thread_id}/runs"
    message = {"role": "user", "content": QUESTION}
    return [
        Kind("list of 100 runs", target.request("GET", f"{runs}?limit=100")),
        Kind("list of 20 runs", target.request("GET", runs)),
        Kind("get run", target.request("GET", f"{runs}/{run_id}")),
        Kind("create thread", target.request("POST", "/v1/threads", {})),
        Kind(
            "create message",
            target.request("POST", f"/v1/threads/{thread_id}/messages", message),
        ),
    ]


async def _round(pid: int, kind: Kind, connections: list[Connection], count: int) -> float:
    """Return the requests per CPU-second of one round."""

    async def once(connection: Connection) -> None:
        (await connection.request(kind.request)).expect_success()

    before = cpu_seconds(pid)
    await by_clients(connections, count, once)
    return count / (cpu_seconds(pid) - before)
