"""A cluster on this machine: the servers, one API process, and workers that come and go."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from bench import process
from bench.cluster.servers import Servers, started
from bench.cost import cpu_seconds
from bench.lab import Lab
from bench.process import NOTHING_MORE, Running
from bench.target import Target

HARNESS = "clients and model"

Costs = Callable[[], Mapping[str, float]]
"""Returns the CPU seconds so far of each part."""


class Cluster:
    """What is running, and what each part of it has cost."""

    def __init__(self, lab: Lab, servers: Servers, settings: Mapping[str, str]) -> None:
        self.servers = servers
        self.workers: list[Running] = []
        self._lab = lab
        self._settings = {**servers.settings(lab.data_folder()), **settings}
        self._processes = ExitStack()

    @property
    def target(self) -> Target:
        """Return where the API is."""
        return self.api.target

    def start(self, workers: int) -> None:
        """Prepare the database, and start the API and so many workers."""
        process.command_output(["migrate"], self._settings)
        data, port = self._lab.data_folder(), self._lab.model.target.port
        key = process.make_key(data, self._settings)
        api = {**self._settings, "UNDERSTUDY_WORKER": "false"}
        self.api = self._processes.enter_context(process.server(data, key, port, settings=api))
        for _ in range(workers):
            self.add_worker()

    def add_worker(self) -> None:
        """Start one worker more."""
        data, port = self._lab.data_folder(), self._lab.model.target.port
        starting = process.worker(data, port, self._settings)
        self.workers.append(self._processes.enter_context(starting))

    def kill_worker(self) -> int:
        """End the oldest worker as a crash does; return when, on the monotonic clock."""
        victim = self.workers.pop(0)
        killed_ns = time.monotonic_ns()
        process.kill(victim.pid)
        return killed_ns

    def stop(self) -> None:
        """Stop the processes; the servers are others' to stop."""
        self._processes.close()

    def cpu_seconds(self) -> dict[str, float]:
        """Return what each part has cost so far, and what measuring it has."""
        return {
            "API": cpu_seconds(self.api.pid),
            "workers": sum(cpu_seconds(worker.pid) for worker in self.workers),
            "PostgreSQL": cpu_seconds(self.servers.postgres.pid),
            "NATS": cpu_seconds(self.servers.nats.pid),
            HARNESS: time.process_time() + cpu_seconds(self._lab.model.pid),
        }

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Rank the functions of all processes while the block runs, if profiles are wanted."""
        with ExitStack() as watches:
            watches.enter_context(self._lab.watched(self.api.pid, "API"))
            for number, worker in enumerate(self.workers, 1):
                watches.enter_context(self._lab.watched(worker.pid, f"worker {number}"))
            yield


@contextmanager
def fresh_cluster(
    lab: Lab, workers: int = 2, settings: Mapping[str, str] = NOTHING_MORE
) -> Iterator[Cluster]:
    """Run a cluster on an empty database; ``settings`` are variables for all its processes."""
    with started(counting_statements=lab.profile) as servers:
        cluster = Cluster(lab, servers, settings)
        try:
            cluster.start(workers)
            yield cluster
        finally:
            cluster.stop()
