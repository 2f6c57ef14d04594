"""The work queue and, behind it, the rows: what finds no place in the queue waits for a sweep."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from itertools import islice
from typing import cast

from simpy import Environment, Store
from simpy.resources.store import StoreGet

from bench.simulation.run import Run
from bench.simulation.scenario import Sizes
from bench.simulation.stations import Work


def run_of(offer: StoreGet) -> Run:
    """Return whose offer has come."""
    return cast("Run", offer.value)


class Offers:
    """At most so many offers of each project at once; the sweeper lets projects take turns."""

    def __init__(self, env: Environment, sizes: Sizes, wake_up_seconds: float) -> None:
        self.depth = 0
        self.depth_max = 0
        self._env = env
        self._sizes = sizes
        self._wake_up_seconds = wake_up_seconds
        self._queue: Store = Store(env)
        self._offered: Counter[int] = Counter()
        self._in_rows: defaultdict[int, deque[Run]] = defaultdict(deque)
        self._orphans: list[Run] = []

    def make(self, run: Run) -> None:
        """Offer a run, or leave it to the sweeper when its project has enough offers."""
        self.depth += 1
        self.depth_max = max(self.depth_max, self.depth)
        if self._has_room(run.project):
            self._offer(run)
        else:
            self._in_rows[run.project].append(run)

    def take(self) -> StoreGet:
        """Return what happens when there is an offer for the worker that asks."""
        return self._queue.get()

    def claimed(self, run: Run) -> None:
        """Count it as waiting no more."""
        self.depth -= 1
        self._offered[run.project] -= 1

    def give_back(self, run: Run) -> None:
        """Offer it again a little later: it was declined, or its worker died before the claim."""
        self._env.process(self._deliver(run, self._sizes.decline_seconds))

    def abandon(self, run: Run) -> None:
        """Leave it to the sweeper from the end of its lease on."""
        self._orphans.append(run)

    def sweep_for_ever(self) -> Work:
        """Offer what the rows have and the queue has not, every so often."""
        while True:
            yield self._env.timeout(self._sizes.sweep_seconds)
            self._sweep()

    def _sweep(self) -> None:
        now = self._env.now
        over = [run for run in self._orphans if run.lease_until <= now]
        self._orphans = [run for run in self._orphans if run.lease_until > now]
        for run in over:
            self.make(run)
        for run in islice(self._in_turns(), self._sizes.sweep_runs_max):
            self._offer(run)

    def _in_turns(self) -> Iterator[Run]:
        """Yield what may be offered, one of each project after the other."""
        projects = deque(self._in_rows)
        while projects:
            project = projects.popleft()
            waiting = self._in_rows[project]
            if waiting and self._has_room(project):
                yield waiting.popleft()
                projects.append(project)

    def _has_room(self, project: int) -> bool:
        most = self._sizes.offers_per_project_max
        return most is None or self._offered[project] < most

    def _offer(self, run: Run) -> None:
        self._offered[run.project] += 1
        self._env.process(self._deliver(run, self._wake_up_seconds))

    def _deliver(self, run: Run, after_seconds: float) -> Work:
        yield self._env.timeout(after_seconds)
        self._queue.put(run)
