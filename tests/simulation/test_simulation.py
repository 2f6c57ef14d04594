"""The simulation agrees with queueing theory, with what was measured, and with its own rules."""

import math
from pathlib import Path

import msgspec
import pytest
from simpy import Environment

from bench.simulation.checking import Measured, compare, read_measured
from bench.simulation.offers import Offers, run_of
from bench.simulation.run import Run
from bench.simulation.scenario import (
    Clients,
    Costs,
    Loss,
    Model,
    Scenario,
    Sizes,
    Steady,
    read_scenario,
)
from bench.simulation.simulate import predict_scaling, simulate

FOLDER = Path(__file__).resolve().parents[2] / "bench" / "simulation"
FREE = Costs()


def waiting_share(servers: int, load: float) -> float:
    """Return Erlang's C: the share of customers who wait, with this much work for the servers."""
    terms = [load**count / math.factorial(count) for count in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(terms) + last)


@pytest.mark.parametrize("servers", [1, 8])
def test_waiting_for_workers_is_as_erlang_has_it(servers: int) -> None:
    rate = 0.8 * servers
    outcome = simulate(
        Scenario(
            arrivals=Steady(rate),
            costs=FREE,
            model=Model(delay_seconds=1, variation=1),
            sizes=Sizes(legs_max=servers, sweep_seconds=1_000),
            seconds=40_000 / servers,
            warm_up_seconds=100,
        )
    )
    one_in_a_hundred = math.log(waiting_share(servers, rate) / 0.01) / (servers - rate)
    assert outcome.wait_p99_ms / 1000 == pytest.approx(one_in_a_hundred, rel=0.12)
    assert outcome.used["legs of worker 1"] == pytest.approx(0.8, rel=0.03)


def test_grouped_commits_share_what_a_transaction_costs() -> None:
    costs = Costs(transaction_cpu_seconds=0.001, change_cpu_seconds=0.0001)
    alone, grouped = (
        simulate(
            Scenario(
                arrivals=Clients(64),
                costs=costs,
                sizes=Sizes(database_cores=1, writers_per_process=1, group_max=group_max),
                seconds=10,
                warm_up_seconds=1,
            )
        )
        for group_max in (1, 64)
    )
    # Four changes a run: create, claim, message, end.
    assert alone.runs_per_second == pytest.approx(1 / (4 * 0.0011), rel=0.03)
    assert alone.bottleneck == "database"
    assert grouped.runs_per_second > 4 * alone.runs_per_second


def test_a_lost_worker_costs_a_lease_and_a_sweep_and_no_run() -> None:
    sizes = Sizes(workers=3, lease_seconds=6, sweep_seconds=1)
    scenario = Scenario(
        arrivals=Steady(50),
        costs=FREE,
        model=Model(delay_seconds=4),
        sizes=sizes,
        loss=Loss(at_seconds=20, workers=2, back_after_seconds=3),
        seconds=60,
    )
    outcome = simulate(scenario)
    assert outcome.recovered == pytest.approx(50 * 4 * 2 / 3, rel=0.2)
    assert sizes.lease_seconds * 2 / 3 <= outcome.recovery_max_seconds
    assert outcome.recovery_max_seconds <= sizes.lease_seconds + sizes.sweep_seconds
    assert outcome.queue_depth_end == 0


def test_runs_that_found_no_place_in_the_queue_come_back_in_turns() -> None:
    env = Environment()
    offers = Offers(env, Sizes(offers_per_project_max=2, sweep_runs_max=2), wake_up_seconds=0)
    runs = [Run(project, 0.0, env.event()) for project in [0] * 10 + [1] * 10]
    for made in runs:
        offers.make(made)
    first = [offers.take() for _ in range(4)]
    env.run(until=0.5)
    for run in (run_of(take) for take in first):
        offers.claimed(run)
    offers._sweep()
    second = [offers.take() for _ in range(3)]
    env.run(until=0.9)
    assert [run_of(take).project for take in second if take.triggered] == [0, 1]


@pytest.mark.parametrize(
    ("scenario", "short"),
    [
        (Scenario(arrivals=Clients(50), costs=Costs(api_cpu_seconds=0.01), seconds=10), "API 1"),
        (Scenario(arrivals=Clients(50), costs=Costs(worker_cpu_seconds=0.01), seconds=10),
         "worker 1"),
        (
            Scenario(
                arrivals=Steady(20), costs=FREE, model=Model(delay_seconds=1, at_once_max=10)
            ),
            "model",
        ),
        (Scenario(arrivals=Steady(20), costs=FREE, model=Model(delay_seconds=1)), "nothing"),
    ],
)  # fmt: skip
def test_the_first_bottleneck_is_named(scenario: Scenario, short: str) -> None:
    assert simulate(scenario).bottleneck == short


def test_a_seed_makes_an_outcome() -> None:
    scenario = Scenario(
        arrivals=Steady(20), costs=FREE, model=Model(delay_seconds=1, variation=2), seconds=20
    )
    again = msgspec.structs.replace(scenario, seed=scenario.seed)
    other = msgspec.structs.replace(scenario, seed=2)
    assert simulate(scenario) == simulate(again) != simulate(other)


def test_workers_with_few_places_scale_until_the_cores_are_full() -> None:
    costs = Costs(api_cpu_seconds=0.002, worker_cpu_seconds=0.002)
    sizes = Sizes(shared_cores=2, legs_max=25, api_processes=2)
    found = predict_scaling(costs, Model(delay_seconds=0.2), 500, sizes, (1, 2, 8))
    rates = {workers: outcome.runs_per_second for workers, outcome in found.items()}
    assert rates[2] == pytest.approx(2 * rates[1], rel=0.05)
    assert rates[8] == pytest.approx(500, rel=0.05)
    assert found[8].bottleneck == "cores"


@pytest.mark.parametrize(
    "measured", read_measured(FOLDER / "measured" / "embedded.yaml"), ids=lambda one: one.name
)
def test_the_embedded_server_is_simulated_as_it_was_measured(measured: Measured) -> None:
    for compared in compare(measured):
        assert abs(compared.difference) < 0.15, str(compared)


@pytest.mark.parametrize(
    "file", sorted((FOLDER / "scenarios").glob("*.yaml")), ids=lambda file: file.stem
)
def test_scenarios_can_be_read(file: Path) -> None:
    assert read_scenario(file).seconds > 0
