"""From a scenario to its outcome."""

from collections.abc import Iterable, Mapping

import msgspec
from simpy import Environment

from bench.simulation.cluster import Cluster
from bench.simulation.outcome import Outcome, milliseconds
from bench.simulation.scenario import Clients, Costs, Model, Scenario, Sizes


def simulate(scenario: Scenario) -> Outcome:
    """Return what happens. The same scenario always has the same outcome."""
    env = Environment()
    cluster = Cluster(env, scenario)
    cluster.start()
    if scenario.warm_up_seconds > 0:
        env.run(until=scenario.warm_up_seconds)
    before = {station: station.busy_seconds() for station in cluster.stations()}
    env.run(until=scenario.seconds)
    counted = scenario.seconds - scenario.warm_up_seconds
    log = cluster.log
    return Outcome(
        runs_per_second=len(log.took) / counted,
        wait_p50_ms=milliseconds(log.waits, 50),
        wait_p99_ms=milliseconds(log.waits, 99),
        took_p50_ms=milliseconds(log.took, 50),
        took_p99_ms=milliseconds(log.took, 99),
        queue_depth_max=cluster.offers.depth_max,
        queue_depth_end=cluster.offers.depth,
        recovered=len(log.recoveries),
        recovery_max_seconds=max(log.recoveries, default=0.0),
        used={
            station.name: (station.busy_seconds() - busy) / counted / station.capacity
            for station, busy in before.items()
        },
    )


def predict_scaling(
    costs: Costs, model: Model, clients: int, sizes: Sizes, workers: Iterable[int] = (1, 2, 4)
) -> Mapping[int, Outcome]:
    """Return what a bench with so many clients would measure, for each number of workers.

    ``costs`` are those that it measured with one worker; ``sizes`` says how many cores all parts
    share.
    """
    return {
        count: simulate(
            Scenario(
                arrivals=Clients(clients),
                costs=costs,
                model=model,
                sizes=msgspec.structs.replace(sizes, workers=count),
                seconds=20.0,
                warm_up_seconds=4.0,
            )
        )
        for count in workers
    }
