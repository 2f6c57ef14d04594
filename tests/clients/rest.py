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
