"""What PostgreSQL writes to its log for a run when many are kept, with ids led by the time or not.

The rows of runs are copied into the tables of the migrations, whose indexes decide: half a million
runs first, then some thousand more behind a checkpoint, in groups as a busy process writes them.
"""

import itertools
import random
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from unittest import mock

import asyncpg

from bench.cluster.servers import postgres_server
from bench.figure import Figure, figure
from bench.lab import Lab
from bench.loop import run
from understudy import ids
from understudy.storage.postgres.migrating import migrate

CASE = "cluster-log"
KEPT = 500_000
KEPT_QUICK = 50_000
ADDED = 3_000
GROUP = 30
LOADED_AT_ONCE = 10_000
RUNS_PER_SECOND = 20
BEGIN = 1_700_000_000
BODY = b'{"text": "%s"}' % (b"x" * 600)
NO_CHECKPOINTS = ("max_wal_size = '32GB'", "checkpoint_timeout = '1h'")
ALNUM = string.ascii_letters + string.digits
NOTE = f"{ADDED:,} runs of five rows behind a checkpoint, beside those that are kept"

NewId = Callable[[ids.Kind], str]
Rows = Mapping[str, Sequence[Mapping[str, object]]]


def measure(lab: Lab) -> list[Figure]:
    """Measure ours, and what it would be with ids that are random from their first character."""
    kept = KEPT_QUICK if lab.scale.name == "quick" else KEPT
    rng = random.Random(1)

    def random_id(kind: ids.Kind) -> str:
        return f"{kind}_{''.join(rng.choices(ALNUM, k=24))}"

    return [
        figure(CASE, name, "kB", [run(_kilobytes_per_run(new_id, kept))], note=NOTE)
        for name, new_id in (
            (f"log of a run, {kept:,} kept", ids.new_id),
            (f"log of a run, {kept:,} kept, random ids", random_id),
        )
    ]


async def _kilobytes_per_run(new_id: NewId, kept: int) -> float:
    with postgres_server() as server:
        await migrate(server.url())
        connection = await asyncpg.connect(server.url())
        for setting in NO_CHECKPOINTS:
            await connection.execute(f"ALTER SYSTEM SET {setting}")
        await connection.execute("SELECT pg_reload_conf()")
        times = (BEGIN + number / RUNS_PER_SECOND for number in itertools.count())
        for rows in _batches(new_id, times, kept, LOADED_AT_ONCE):
            await _add(connection, rows)
        await connection.execute("CHECKPOINT")
        begin = await connection.fetchval("SELECT pg_current_wal_lsn()")
        for rows in _batches(new_id, times, ADDED, GROUP):
            await _add(connection, rows)
        written = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), $1)"
        byte_count = await connection.fetchval(written, begin)
        await connection.close()
        return float(byte_count) / ADDED / 1000


def _batches(new_id: NewId, times: Iterator[float], runs: int, size: int) -> Iterator[Rows]:
    """Yield the rows of runs by table, as if they had been made at these times."""
    for _ in range(0, runs, size):
        made = [_rows_of_run(new_id, seconds) for seconds in itertools.islice(times, size)]
        yield {table: [row for rows in made for row in rows[table]] for table in made[0]}


def _rows_of_run(new_id: NewId, seconds: float) -> Rows:
    # Half a million runs are made in a minute; their ids have to lie as far apart as their times.
    with mock.patch.object(ids, "time", seconds.__float__):
        thread, run_id = new_id("thread"), new_id("run")
        messages, step = [new_id("msg"), new_id("msg")], new_id("step")
    common = {"project_id": "proj_1", "created_at": int(seconds), "body": BODY}
    here = {**common, "thread_id": thread}
    state = {"status": "completed", "turn": "over", "attempt": 1, "position": 9}
    others = {"deadline": int(seconds) + 600, "journal": b"x" * 100}
    return {
        "threads": [{**common, "id": thread}],
        "messages": [
            {**here, "id": messages[0], "run_id": None},
            {**here, "id": messages[1], "run_id": run_id},
        ],
        "runs": [{**here, "id": run_id, **state, **others}],
        "run_steps": [{**here, "id": step, "run_id": run_id}],
    }


async def _add(connection: asyncpg.Connection, rows: Rows) -> None:
    async with connection.transaction():
        for table, made in rows.items():
            records = [tuple(row.values()) for row in made]
            await connection.copy_records_to_table(table, records=records, columns=[*made[0]])
