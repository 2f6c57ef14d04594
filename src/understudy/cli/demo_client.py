"""The least of a client: what the demo sends is plain HTTP, so that nothing is hidden."""

from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Literal

import msgspec

from understudy.cli.demo_failed import DemoFailed

ANSWER_SECONDS_MAX = 20.0
DONE = "[DONE]"
# What divides the parts of a form; no file of the demo's has it inside.
_BOUNDARY = "understudy-demo"

Era = Literal["v1", "v2"]


class StreamEvent(msgspec.Struct, frozen=True):
    """One event of a stream."""

    name: str
    data: Any


class _Body(msgspec.Struct, frozen=True):
    """What a request carries."""

    type: str
    bytes: bytes


class DemoClient:
    """Speaks to the server with one key; every method raises DemoFailed when it is refused."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self._key = key

    def get(self, path: str, era: Era = "v2") -> Any:
        """Return the answer to a GET."""
        return msgspec.json.decode(self._ask("GET", path, None, era).read())

    def content(self, path: str) -> bytes:
        """Return the bytes of a file."""
        return self._ask("GET", path, None, "v2").read()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the answer to a POST."""
        return msgspec.json.decode(self._ask("POST", path, _json(body)).read())

    def upload(self, file: Path, purpose: str) -> Any:
        """Return the answer to the upload of a file."""
        return msgspec.json.decode(self._ask("POST", "/v1/files", _form(file, purpose)).read())

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[StreamEvent]:
        """Yield the events of a POST as they come, without the ``done`` that ends them."""
        response = self._ask("POST", path, _json(body))
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

    def _ask(self, method: str, path: str, body: _Body | None, era: Era = "v2") -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS_MAX)
        headers = self._headers(era) | ({"Content-Type": body.type} if body else {})
        try:
            connection.request(method, path, body.bytes if body else None, headers)
            response = connection.getresponse()
        except (OSError, HTTPException) as error:
            raise DemoFailed(f"{method} {path} got no answer: {error}.") from error
        if response.status != 200:  # noqa: PLR2004 - the one good status
            told = response.read().decode(errors="replace")
            raise DemoFailed(f"{method} {path} was answered {response.status}: {told}")
        return response

    def _headers(self, era: Era) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._key}",
            "OpenAI-Beta": f"assistants={era}",
            "Connection": "close",
        }


def _json(body: dict[str, Any]) -> _Body:
    return _Body("application/json", msgspec.json.encode(body))


def _form(file: Path, purpose: str) -> _Body:
    """Return the form with which a file is uploaded (multipart/form-data)."""
    part = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name="
    head = f'{part}"purpose"\r\n\r\n{purpose}\r\n{part}"file"; filename="{file.name}"\r\n\r\n'
    end = f"\r\n--{_BOUNDARY}--\r\n"
    form = head.encode() + file.read_bytes() + end.encode()
    return _Body(f"multipart/form-data; boundary={_BOUNDARY}", form)


def _lines(response: HTTPResponse) -> Iterator[str]:
    try:
        while line := response.readline():
            yield line.decode().rstrip("\n")
    except (OSError, HTTPException) as error:
        raise DemoFailed(f"a stream broke off: {error}.") from error
