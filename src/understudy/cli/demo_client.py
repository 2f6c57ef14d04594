"""The least of a client: what the demo sends is plain HTTP, so that nothing is hidden."""

from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Literal

import msgspec

from understudy.cli.demo_failed import DemoFailed

ANSWER_SECONDS_MAX = 20.0
DONE = "[DONE]"


class StreamEvent(msgspec.Struct, frozen=True):
    """One event of a stream."""

    name: str
    data: Any


class DemoClient:
    """Speaks to the server with one key; every method raises DemoFailed when it is refused."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self._key = key

    def get(self, path: str, era: Literal["v1", "v2"] = "v2") -> Any:
        """Return the answer to a GET."""
        return self._json("GET", path, None, era)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the answer to a POST."""
        return self._json("POST", path, body, "v2")

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[StreamEvent]:
        """Yield the events of a POST as they come, without the ``done`` that ends them."""
        response = self._ask("POST", path, body, "v2")
        name = ""
        for line in _lines(response):
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data" and value == DONE:
                return
            elif field == "data":
                yield StreamEvent(name, msgspec.json.decode(value))
        raise DemoFailed(f"the stream of {path} broke off before its end.")

    def _json(self, method: str, path: str, body: dict[str, Any] | None, era: str) -> Any:
        return msgspec.json.decode(self._ask(method, path, body, era).read())

    def _ask(self, method: str, path: str, body: dict[str, Any] | None, era: str) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS_MAX)
        encoded = None if body is None else msgspec.json.encode(body)
        try:
            connection.request(method, path, encoded, self._headers(era))
            response = connection.getresponse()
        except (OSError, HTTPException) as error:
            raise DemoFailed(f"{method} {path} got no answer: {error}.") from error
        if response.status != 200:  # noqa: PLR2004 - the one good status
            told = response.read().decode(errors="replace")
            raise DemoFailed(f"{method} {path} was answered {response.status}: {told}")
        return response

    def _headers(self, era: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "OpenAI-Beta": f"assistants={era}",
            "Connection": "close",
        }


def _lines(response: HTTPResponse) -> Iterator[str]:
    try:
        while line := response.readline():
            yield line.decode().rstrip("\n")
    except (OSError, HTTPException) as error:
        raise DemoFailed(f"a stream broke off: {error}.") from error
