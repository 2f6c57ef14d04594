"""Where requests go, and the bytes of a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.connection import Answer, Connection, connect


@dataclass(frozen=True)
class Target:
    """A loopback server and the key that it wants."""

    port: int
    key: str

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """Return one whole HTTP request."""
        content = b"" if body is None else msgspec.json.encode(body)
        lines = [
            f"{method} {path} HTTP/1.1",
            f"host: 127.0.0.1:{self.port}",
            f"authorization: Bearer {self.key}",
            "openai-beta: assistants=v2",
            "content-type: application/json",
            f"content-length: {len(content)}",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    async def connect(self) -> Connection:
        """Open a connection."""
        return await connect(self.port)

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send one request on a connection of its own."""
        connection = await self.connect()
        try:
            return await connection.request(self.request(method, path, body))
        finally:
            connection.close()
