"""The model: it takes its time, and gives so many answers at once."""

import math
from random import Random

from simpy import Environment

from bench.simulation.scenario import Model
from bench.simulation.stations import Station, Work


class Upstream:
    """Answers, each after a delay of its own."""

    def __init__(self, env: Environment, model: Model, random: Random) -> None:
        self.station = (
            Station(env, "model", model.at_once_max) if model.at_once_max is not None else None
        )
        self._env = env
        self._model = model
        self._random = random

    def answering(self, work: Work) -> Work:
        """Do this while the model answers, as soon as it has a place for us."""
        if self.station is None:
            yield from work
        else:
            yield from self.station.hold(work)

    def delay_seconds(self) -> float:
        """Return how long the next answer takes."""
        mean, variation = self._model.delay_seconds, self._model.variation
        if mean <= 0 or variation == 0:
            return mean
        if variation == 1:
            return self._random.expovariate(1 / mean)
        variance = math.log(1 + variation**2)
        return self._random.lognormvariate(math.log(mean) - variance / 2, math.sqrt(variance))
