"""An embedding model for the tests of ingestion."""

from array import array
from collections.abc import Sequence

from understudy.storage.chunks import Vector


class Compass:
    """An embedding model for which all texts point north; it can be told to fail."""

    def __init__(self) -> None:
        self.model = "compass"
        self.error: Exception | None = None
        self.asked = 0

    @property
    def north(self) -> Vector:
        """Return the vector that all texts have."""
        return Vector(self.model, array("f", [1.0, 0.0]).tobytes())

    async def embed(self, texts: Sequence[str]) -> Sequence[bytes]:
        """See the port."""
        self.asked += 1
        if self.error is not None:
            raise self.error
        return [self.north.packed for _ in texts]

    async def close(self) -> None:
        """There is nothing to release."""
