"""With ``--profile``: what one plain run asks of PostgreSQL and of NATS."""

from collections import Counter
from dataclasses import dataclass

import asyncpg
import nats
from nats.aio.msg import Msg

from bench.cluster.cluster import Cluster
from bench.load import by_clients, close_all, connections_to, make_assistant, stream_run
from bench.script import Script
from bench.transcript import expect_plain

RUNS = 400
CLIENTS = 32
SCRIPT = Script(deltas=50)
STATEMENTS_SHOWN = 40
STATEMENT_CHARS = 150

_EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements"
_RESET = "SELECT pg_stat_statements_reset()"
_STATEMENTS = """
    SELECT query, calls, rows, total_exec_time FROM pg_stat_statements
    ORDER BY total_exec_time DESC, calls DESC
"""


@dataclass(frozen=True)
class Statement:
    """What a statement came to, per run."""

    query: str
    calls: float
    rows: float
    milliseconds: float


async def show(cluster: Cluster) -> None:
    """Print what a batch of runs came to, per run."""
    database = await asyncpg.connect(cluster.servers.postgres.url())
    messages: Counter[str] = Counter()
    listening = await nats.connect(cluster.servers.nats.url)

    async def count(message: Msg) -> None:
        messages[_kind(message.subject)] += 1

    await listening.subscribe(">", cb=count)
    await database.execute(_EXTENSION)
    await database.execute(_RESET)
    await _runs(cluster)
    rows = await database.fetch(_STATEMENTS)
    await database.close()
    await listening.drain()
    _print_statements([Statement(row[0], *(value / RUNS for value in row[1:])) for row in rows])
    _print_messages(messages)


async def _runs(cluster: Cluster) -> None:
    target = cluster.target
    assistant_id = await make_assistant(target, SCRIPT)
    connections = await connections_to(target, CLIENTS)
    answers = await by_clients(connections, RUNS, lambda one: stream_run(one, target, assistant_id))
    close_all(connections)
    for answer in answers:
        expect_plain(answer, SCRIPT.text)


def _kind(subject: str) -> str:
    """Return the words of a subject without what names one run, project or request."""
    words = subject.split(".")
    if words[0] == "$JS":
        return ".".join(words[:5] if words[1] == "API" else words[:4])
    return words[0] if words[0] == "_INBOX" else ".".join(words[:2])


def _print_statements(statements: list[Statement]) -> None:
    print("\nstatements per run: calls, rows, ms of PostgreSQL")
    for one in statements[:STATEMENTS_SHOWN]:
        text = " ".join(one.query.split())[:STATEMENT_CHARS]
        print(f"{one.calls:8.3f} {one.rows:8.3f} {one.milliseconds:8.4f}  {text}")
    commits = sum(one.calls for one in statements if one.query.upper().startswith("COMMIT"))
    calls = sum(one.calls for one in statements)
    spent = sum(one.milliseconds for one in statements)
    print(f"{calls:.2f} statements, {commits:.2f} explicit commits, {spent:.3f} ms")


def _print_messages(messages: Counter[str]) -> None:
    print("\nNATS messages per run, by subject")
    for kind, number in messages.most_common():
        print(f"{number / RUNS:8.3f}  {kind}")
    print(f"{sum(messages.values()) / RUNS:8.3f}  in all")
