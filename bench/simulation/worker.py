"""A worker: takes offers while it has places, claims, waits, commits; it may be killed."""

from collections import Counter

import simpy
from simpy import Environment, Interrupt
from simpy.resources.resource import Request
from simpy.resources.store import StoreGet

from bench.simulation.commits import Writers
from bench.simulation.log import Log
from bench.simulation.offers import Offers, run_of
from bench.simulation.run import Run
from bench.simulation.scenario import Costs, Sizes
from bench.simulation.stations import Process, Station, Work
from bench.simulation.upstream import Upstream


class Worker:
    """Works on at most ``legs_max`` runs at a time."""

    def __init__(
        self,
        env: Environment,
        process: Process,
        writers: Writers,
        offers: Offers,
        upstream: Upstream,
        log: Log,
        costs: Costs,
        sizes: Sizes,
    ) -> None:
        self.process = process
        self.legs = Station(env, f"legs of {process.station.name}", sizes.legs_max)
        self._env = env
        self._writers = writers
        self._offers = offers
        self._upstream = upstream
        self._log = log
        self._costs = costs
        self._sizes = sizes
        self._of_project: Counter[int] = Counter()
        self._tasks: dict[Run, simpy.Process] = {}
        self._started_at = env.now
        self._taking = env.process(self._take_offers())

    def kill(self) -> None:
        """Stop everything at once, as SIGKILL does."""
        self._taking.interrupt()
        for task in [*self._tasks.values()]:
            task.interrupt()

    def start_again(self) -> None:
        """Be a new process on the same machine."""
        self._started_at = self._env.now
        self._taking = self._env.process(self._take_offers())

    def _take_offers(self) -> Work:
        while True:
            place = self.legs.request()
            yield place
            offer = self._offers.take()
            try:
                yield offer
            except Interrupt:
                self._let_go(offer, place)
                return
            self._accept(run_of(offer), place)

    def _let_go(self, offer: StoreGet, place: Request) -> None:
        """Leave an offer that has just come to the queue's redelivery."""
        if offer.triggered:
            self._offers.give_back(run_of(offer))
        else:
            offer.cancel()
        self.legs.unused(place)

    def _accept(self, run: Run, place: Request) -> None:
        most = self._sizes.legs_per_project_max
        if most is not None and self._of_project[run.project] >= most:
            self._offers.give_back(run)
            self.legs.unused(place)
        else:
            self.legs.taken()
            self._of_project[run.project] += 1
            self._tasks[run] = self._env.process(self._leg(run, place))

    def _leg(self, run: Run, place: Request) -> Work:
        claims = run.claims
        try:
            yield from self._claim(run)
            yield from self._upstream.answering(self._answer())
            yield from self.process.compute(self._costs.worker_cpu_seconds / 2)
            yield self._writers.commit()
            run.ended.succeed()
        except Interrupt:
            self._lose(run, was_claimed=run.claims > claims)
        finally:
            del self._tasks[run]
            self._of_project[run.project] -= 1
            self.legs.left(place)

    def _claim(self, run: Run) -> Work:
        yield from self.process.compute(self._costs.worker_cpu_seconds / 2)
        yield self._writers.commit()
        run.claims += 1
        self._offers.claimed(run)
        self._log.claimed(run)

    def _answer(self) -> Work:
        """Wait for the model; the message is written on the way, and nobody waits for that."""
        seconds = self._upstream.delay_seconds()
        yield self._env.timeout(seconds / 2)
        self._writers.commit()
        yield self._env.timeout(seconds / 2)

    def _lose(self, run: Run, *, was_claimed: bool) -> None:
        if not was_claimed:
            self._offers.give_back(run)
            return
        run.lost_at = self._env.now
        run.lease_until = self._renewed_at() + self._sizes.lease_seconds
        self._offers.abandon(run)

    def _renewed_at(self) -> float:
        """Return when all leases were prolonged last: three times in the time of a lease."""
        every = self._sizes.lease_seconds / 3
        return self._env.now - (self._env.now - self._started_at) % every
