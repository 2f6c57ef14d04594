"""The places for legs in one worker: so many in all, and not all of them for one project."""

import asyncio
from collections import Counter


class Places:
    """Counts legs.

    A project may not take the last places, even while no other one wants them: legs last for
    minutes, and whoever comes next would wait for the end of one.
    """

    def __init__(self, in_all: int, per_project: int | None = None) -> None:
        self._free = asyncio.Semaphore(in_all)
        self._per_project = per_project or in_all - in_all // 8
        self._taken: Counter[str] = Counter()

    async def wait_for_one(self) -> None:
        """Take a place for somebody who is not known yet."""
        await self._free.acquire()

    def leave(self) -> None:
        """Give a place back that nobody was given."""
        self._free.release()

    def give_to(self, project_id: str) -> bool:
        """Give the place that was taken to the project, unless it has as many as it may."""
        if not self.left_for(project_id):
            return False
        self._taken[project_id] += 1
        return True

    def left_for(self, project_id: str) -> int:
        """Return how many more places the project may be given."""
        return self._per_project - self._taken[project_id]

    def give_back(self, project_id: str) -> None:
        """Take the place of a project's leg that has ended."""
        self._taken[project_id] -= 1
        if not self._taken[project_id]:
            del self._taken[project_id]
        self._free.release()
