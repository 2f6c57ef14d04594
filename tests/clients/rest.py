"""Requests without any client package: what the samples of 2023 did with curl."""

import base64
import json
from dataclasses import dataclass
from typing import Any, Literal
from urllib.request import Request

from .server import DIRECT, LiveServer


@dataclass(frozen=True)
class Rest:
    """Speaks to the server with the standard library alone."""

    server: LiveServer
    era: Literal["v1", "v2"] = "v2"
    prefix: str = "/v1"
    auth: Literal["bearer", "basic", "api-key"] = "bearer"

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Return the JSON that the server answers to a POST; raise HTTPError for a refusal."""
        return self._answer(Request(self._url(path), json.dumps(body).encode(), self._headers()))

    def get(self, path: str) -> Any:
        """Return the JSON that the server answers to a GET; raise HTTPError for a refusal."""
        return self._answer(Request(self._url(path), headers=self._headers()))

    def delete(self, path: str) -> Any:
        """Return the JSON that the server answers to a DELETE; raise HTTPError for a refusal."""
        return self._answer(Request(self._url(path), headers=self._headers(), method="DELETE"))

    def run_to_its_end(self, body: dict[str, Any]) -> Any:
        """Create a thread and a run from the body and return the run's last streamed state."""
        data = json.dumps({**body, "stream": True}).encode()
        request = Request(self._url("/threads/runs"), data, self._headers())
        with DIRECT.open(request, timeout=20) as answer:
            lines = [line.decode() for line in answer if line.startswith(b"data: {")]
        return json.loads(lines[-1].removeprefix("data: "))

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file for assistants and return its id."""
        mark = "a-line-that-no-file-here-holds"
        part = f'--{mark}\r\nContent-Disposition: form-data; name="'
        body = (
            f'{part}purpose"\r\n\r\nassistants\r\n{part}file"; filename="{name}"\r\n\r\n'.encode()
            + content
            + f"\r\n--{mark}--\r\n".encode()
        )
        headers = self._headers() | {"Content-Type": f"multipart/form-data; boundary={mark}"}
        return str(self._answer(Request(self._url("/files"), body, headers))["id"])

    def _url(self, path: str) -> str:
        return f"{self.server.root}{self.prefix}{path}"

    def _headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "OpenAI-Beta": f"assistants={self.era}",
            **self._credentials(),
        }

    def _credentials(self) -> dict[str, str]:
        key = self.server.key
        if self.auth == "api-key":
            return {"api-key": key}
        if self.auth == "basic":
            return {"Authorization": "Basic " + base64.b64encode(f":{key}".encode()).decode()}
        return {"Authorization": f"Bearer {key}"}

    def _answer(self, request: Request) -> Any:
        with DIRECT.open(request, timeout=20) as answer:
            return json.load(answer)
