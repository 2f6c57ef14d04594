"""Records what the suites send: `python -m tests.strict.record` in the root of the project.

The recording is what the shim's mapping is tested on without a server, a network or a suite.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from .placeholders import Call, without_form
from .shim import call_of, serving
from .suites import FILES_RUN, VERSIONS, api_at, prepared

RECORDING = Path(__file__).parent / "recorded_requests.json"


class Recorder:
    """Refuses every request at once and remembers each different one."""

    def __init__(self) -> None:
        self.calls: set[Call] = set()

    async def answer(self, request: web.Request) -> web.Response:
        """Remember the call and answer 500, which the client is told not to retry."""
        self.calls.add(without_form(await call_of(request)))
        error = {"message": "recorded", "type": "recorder", "param": None, "code": None}
        return web.json_response({"error": error}, status=500, headers={"x-should-retry": "false"})


def recorded_calls() -> list[Call]:
    """Return every different call that some version of the suites sends."""
    return [
        Call(entry["method"], entry["path"], entry["query"], entry["body"].encode())
        for entry in json.loads(RECORDING.read_text())
    ]


async def record() -> None:
    """Run every version against the recorder and write the recording."""
    recorder = Recorder()
    async with serving(recorder.answer) as url:
        for version in VERSIONS:
            suite = await prepared(version)
            # Every case fails here, and a thousand tracebacks take longer than the cases.
            await suite.pytest(["-q", "--tb=no", *FILES_RUN], api_at(f"{url}/v1"))
    entries = [_entry(call) for call in recorder.calls]
    entries.sort(
        key=lambda entry: [
            entry["path"],
            entry["method"],
            entry["query"],
            entry["body"],
        ]
    )
    RECORDING.write_text(json.dumps(entries, indent=1) + "\n")


def _entry(call: Call) -> dict[str, Any]:
    return {
        "method": call.method,
        "path": call.path,
        "query": call.query,
        "body": call.body.decode(),
    }


if __name__ == "__main__":
    asyncio.run(record())
