"""What work waits for: the threads of processes, the cores under them, places of any kind."""

from collections.abc import Generator

from simpy import Environment, Event, Resource
from simpy.resources.resource import Request

Work = Generator[Event, object, None]


class Station:
    """So many places, and how much they have been used."""

    def __init__(self, env: Environment, name: str, capacity: int) -> None:
        self.name = name
        self.capacity = capacity
        self._env = env
        self._places = Resource(env, capacity)
        self._busy_seconds = 0.0
        self._taken = 0
        self._since = env.now

    def request(self) -> Request:
        """Ask for a place, to be given back by ``left`` if ``taken`` was called, or ``unused``."""
        return self._places.request()

    def taken(self) -> None:
        """Count a place as used from now on."""
        self._count(1)

    def left(self, request: Request) -> None:
        """Give a place back that was used."""
        self._count(-1)
        self._places.release(request)

    def unused(self, request: Request) -> None:
        """Give a place back that nothing was done in."""
        self._places.release(request)

    def hold(self, work: Work) -> Work:
        """Do this in one of the places, as soon as one is free."""
        with self._places.request() as place:
            yield place
            self._count(1)
            try:
                yield from work
            finally:
                self._count(-1)

    def busy_seconds(self) -> float:
        """Return how long places have been used, all of them together."""
        self._count(0)
        return self._busy_seconds

    def _count(self, more: int) -> None:
        self._busy_seconds += self._taken * (self._env.now - self._since)
        self._since = self._env.now
        self._taken += more


class Machine:
    """Cores that all processes on it share; without a number there are always enough."""

    def __init__(self, env: Environment, name: str, cores: int | None) -> None:
        self.station = Station(env, name, cores) if cores else None
        self._env = env

    def compute(self, seconds: float) -> Work:
        """Use a core for so long."""
        if seconds <= 0:
            return
        if self.station is None:
            yield self._env.timeout(seconds)
        else:
            yield from self.station.hold(self._busy(seconds))

    def _busy(self, seconds: float) -> Work:
        yield self._env.timeout(seconds)


class Process:
    """One thread, on a machine: Python does one thing at a time."""

    def __init__(self, env: Environment, name: str, machine: Machine) -> None:
        self.station = Station(env, name, 1)
        self._machine = machine

    def compute(self, seconds: float) -> Work:
        """Do something that takes so long when nobody is in the way."""
        if seconds > 0:
            yield from self.station.hold(self._machine.compute(seconds))
