"""The port to stored bytes. Keys are opaque; the rows that describe files live in storage."""

from collections.abc import AsyncIterator
from typing import Protocol


class Files(Protocol):
    """A place for bytes that are written once and read whole or in pieces."""

    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Store the chunks under the key and return how many bytes there were.

        Nothing is visible under the key until all of it is there. If the iterator raises, what
        was written so far is removed and the exception goes on.
        """
        ...

    def read(self, key: str) -> AsyncIterator[bytes]:
        """Yield the bytes in pieces. Raises KeyError when there is nothing under the key."""
        ...

    async def delete(self, key: str) -> None:
        """Remove the bytes; nothing happens when there are none."""
        ...

    async def check(self) -> None:
        """Raise OSError with a clear message when bytes cannot be stored."""
        ...
