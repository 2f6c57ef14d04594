"""All parts of a cluster, put together as a scenario says."""

from collections.abc import Iterator
from itertools import cycle
from random import Random

from simpy import Environment

from bench.simulation.commits import Writers
from bench.simulation.log import Log
from bench.simulation.offers import Offers
from bench.simulation.run import Run
from bench.simulation.scenario import Bursts, Clients, Loss, Scenario, Steady
from bench.simulation.stations import Machine, Process, Station, Work
from bench.simulation.upstream import Upstream
from bench.simulation.worker import Worker


class Api:
    """An API process: takes a request, and tells the client how its run ends."""

    def __init__(self, process: Process, writers: Writers) -> None:
        self.process = process
        self.writers = writers


class Cluster:
    """API processes, a queue, workers, a database and a model."""

    def __init__(self, env: Environment, scenario: Scenario) -> None:
        self._env = env
        self._scenario = scenario
        self._random = Random(scenario.seed)
        sizes, costs = scenario.sizes, scenario.costs
        shared = sizes.shared_cores
        self._machine = Machine(env, "cores", shared)
        self._database = self._machine if shared else Machine(env, "database", sizes.database_cores)
        self.log = Log(env, scenario.warm_up_seconds)
        self.offers = Offers(env, sizes, costs.wake_up_seconds)
        self._upstream = Upstream(env, scenario.model, self._random)
        self._apis = [self._api(number) for number in range(sizes.api_processes)]
        self._workers = [self._worker(number) for number in range(sizes.workers)]
        self._turns = cycle(self._apis)
        self._projects = cycle(range(sizes.projects))

    def start(self) -> None:
        """Let runs arrive, sweeps sweep, and losses happen."""
        self._env.process(self.offers.sweep_for_ever())
        if self._scenario.loss is not None:
            self._env.process(self._lose_workers(self._scenario.loss))
        match self._scenario.arrivals:
            case Clients(count=count):
                for _ in range(count):
                    self._env.process(self._client())
            case Steady() | Bursts() as arrivals:
                self._env.process(self._arrive(arrivals))

    def stations(self) -> Iterator[Station]:
        """Yield what can be short, what is shared by most first."""
        machines = {self._machine, self._database}
        yield from (one.station for one in machines if one.station is not None)
        if self._upstream.station is not None:
            yield self._upstream.station
        processes = [*(api.process for api in self._apis), *(one.process for one in self._workers)]
        yield from (one.station for one in dict.fromkeys(processes))
        yield from (worker.legs for worker in self._workers)

    def _api(self, number: int) -> Api:
        process = Process(self._env, f"API {number + 1}", self._machine)
        return Api(process, self._writers())

    def _worker(self, number: int) -> Worker:
        sizes = self._scenario.sizes
        if sizes.together:
            api = self._apis[number]
            process, writers = api.process, api.writers
        else:
            process = Process(self._env, f"worker {number + 1}", self._machine)
            writers = self._writers()
        return Worker(
            self._env,
            process,
            writers,
            self.offers,
            self._upstream,
            self.log,
            self._scenario.costs,
            sizes,
        )

    def _writers(self) -> Writers:
        return Writers(self._env, self._database, self._scenario.costs, self._scenario.sizes)

    def _client(self) -> Work:
        while True:
            yield from self._run()

    def _arrive(self, arrivals: Steady | Bursts) -> Work:
        while True:
            rate = _rate_at(arrivals, self._env.now)
            yield self._env.timeout(self._random.expovariate(rate))
            self._env.process(self._run())

    def _run(self) -> Work:
        """Do what a client sees of a run: its request, and its end."""
        run = Run(next(self._projects), self._env.now, self._env.event())
        self.log.made += 1
        api, costs = next(self._turns), self._scenario.costs
        yield from api.process.compute(costs.api_cpu_seconds / 2)
        yield api.writers.commit()
        yield from self._machine.compute(costs.queue_cpu_seconds)
        self.offers.make(run)
        yield run.ended
        yield from api.process.compute(costs.api_cpu_seconds / 2)
        self.log.answered(run)

    def _lose_workers(self, loss: Loss) -> Work:
        yield self._env.timeout(loss.at_seconds)
        lost = self._workers[: loss.workers]
        for worker in lost:
            worker.kill()
        yield self._env.timeout(loss.back_after_seconds)
        for worker in lost:
            worker.start_again()


def _rate_at(arrivals: Steady | Bursts, now: float) -> float:
    match arrivals:
        case Bursts() if now % arrivals.every_seconds < arrivals.burst_seconds:
            return arrivals.burst_rate
        case _:
            return arrivals.rate
