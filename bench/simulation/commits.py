"""Grouped commits: each writer of a process takes what has queued up as one transaction."""

from collections import deque

from simpy import Environment, Event

from bench.simulation.scenario import Costs, Sizes
from bench.simulation.stations import Machine, Work


class Writers:
    """The writing connections of one process."""

    def __init__(self, env: Environment, database: Machine, costs: Costs, sizes: Sizes) -> None:
        self._env = env
        self._database = database
        self._costs = costs
        self._group_max = sizes.group_max
        self._idle = sizes.writers_per_process
        self._waiting: deque[Event] = deque()

    def commit(self) -> Event:
        """Return what happens when this one change is on disk."""
        done = self._env.event()
        self._waiting.append(done)
        if self._idle:
            self._idle -= 1
            self._env.process(self._write())
        return done

    def _write(self) -> Work:
        while self._waiting:
            count = min(len(self._waiting), self._group_max)
            group = [self._waiting.popleft() for _ in range(count)]
            costs = self._costs
            yield from self._database.compute(
                costs.transaction_cpu_seconds + count * costs.change_cpu_seconds
            )
            # Flushes of several connections are one on disk, so this is a delay and no queue.
            yield self._env.timeout(costs.flush_seconds)
            for done in group:
                done.succeed()
        self._idle += 1
