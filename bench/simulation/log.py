"""What happened in a simulation, as far as anybody asks."""

from simpy import Environment

from bench.simulation.run import Run


class Log:
    """Times of runs, from the end of the warm-up on."""

    def __init__(self, env: Environment, warm_up_seconds: float) -> None:
        self.waits: list[float] = []
        self.took: list[float] = []
        self.recoveries: list[float] = []
        self.made = 0
        self.ended = 0
        self._env = env
        self._from = warm_up_seconds

    def claimed(self, run: Run) -> None:
        """Note how long it waited, or how long it took until somebody took it up again."""
        if run.claims > 1:
            self.recoveries.append(self._env.now - run.lost_at)
        elif run.created_at >= self._from:
            self.waits.append(self._env.now - run.created_at)

    def answered(self, run: Run) -> None:
        """Note that its client has everything."""
        self.ended += 1
        if self._env.now >= self._from:
            self.took.append(self._env.now - run.created_at)
