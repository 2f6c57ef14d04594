"""schemathesis over the server's own description: whatever it thinks of, nothing breaks.

Requests fit the description or miss it on purpose, their ids are real ones in part, and both eras
are asked. The draws are the same in every run.
"""

import asyncio
import json
from typing import Any, cast

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
)

from understudy.api.openapi import document

from .client import Client, Era
from .conftest import Build

SCRIPT = """
rules:
  - {on: "^call", call: [{name: add, arguments: {a: 1}, id: call_1}]}
  - {say: "You said: {last_user}", after_tools: either}
"""
# Nothing may wait for longer than the tests do.
SETTINGS = dict(wait_seconds_max=0.1, expires_after_seconds=2, expires_after_seconds_max=2)
REQUEST_SECONDS_MAX = 10
Ids = dict[str, str]
Operation = APIOperation[Any, Any, Any, Any]
Case = schemathesis.Case[Any]
EXAMPLES = {GenerationMode.POSITIVE: 12, GenerationMode.NEGATIVE: 12}
SCHEMA = schemathesis.openapi.from_dict(json.loads(document()))
OPERATIONS = [cast("Operation", result.ok()) for result in SCHEMA.get_all_operations()]  # type: ignore[union-attr]


@pytest.mark.parametrize("era", ["v1", "v2"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: str(operation.label))
async def test_no_request_breaks_the_server(operation: Operation, era: Era, build: Build) -> None:
    house = await build(SCRIPT, **SETTINGS)
    client = house.client(era)
    ids = [await finished_run(client), await waiting_run(client)]
    headers = {"Authorization": f"Bearer {house.key}"}
    if operation.path.split("/")[1] not in {"files", "models"}:
        headers["OpenAI-Beta"] = f"assistants={era}"
    probe = Probe(operation, era, f"{house.root}/v1", headers, ids)
    for mode in GenerationMode:
        await asyncio.to_thread(probe.run, mode)


async def finished_run(client: Client) -> Ids:
    return await _ids(client, "hello", "completed")


async def waiting_run(client: Client) -> Ids:
    return await _ids(client, "call it", "requires_action")


async def _ids(client: Client, text: str, status: str) -> Ids:
    file = await client.upload(b"some text")
    assistant = await client.post("/assistants", {"model": "scripted"})
    message = {"role": "user", "content": text}
    thread = await client.post("/threads", {"messages": [message]})
    runs = f"/threads/{thread['id']}/runs"
    run = await client.post(runs, {"assistant_id": assistant["id"]})
    for _ in range(50):
        ended = await client.get(f"{runs}/{run['id']}?wait=10")
        if ended["status"] == status:
            break
    assert ended["status"] == status
    steps = await client.get(f"{runs}/{run['id']}/steps")
    messages = await client.get(f"/threads/{thread['id']}/messages")
    return {
        "assistant_id": assistant["id"],
        "thread_id": thread["id"],
        "run_id": run["id"],
        "step_id": steps["data"][0]["id"],
        "message_id": messages["data"][-1]["id"],
        "model": "scripted",
        "file_id": file["id"],
    }


class Probe:
    """Requests of one operation, drawn and checked."""

    def __init__(
        self, operation: Operation, era: Era, base_url: str, headers: Ids, ids: list[Ids]
    ) -> None:
        self._operation = operation
        self._era = era
        self._base_url = base_url
        self._headers = headers
        # The events of a run that waits for its client have no end.
        self._ids = ids[:1] if operation.path.endswith("/events") else ids

    def run(self, mode: GenerationMode) -> None:
        """Send so many requests; raises what the first bad answer is."""
        cases = self._operation.as_strategy(generation_mode=mode)

        @hypothesis.seed(20_260_826)
        @hypothesis.settings(
            max_examples=EXAMPLES[mode],
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=cases, ids=st.sampled_from([*self._ids, {}]))
        def probe(case: Case, ids: Ids) -> None:
            self._put_in(case, ids)
            with requests.Session() as session:
                session.trust_env = False
                response = case.call(
                    base_url=self._base_url,
                    headers={**self._headers, "Connection": "close"},
                    session=session,
                    timeout=REQUEST_SECONDS_MAX,
                )
            self._check(case, response)

        try:
            probe()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # nothing about it could be wrong

    def _put_in(self, case: Case, ids: Ids) -> None:
        """Let the request name objects that exist, in its path and in its body."""
        for name in set(ids) & set(case.path_parameters or {}):
            case.path_parameters[name] = ids[name]
        if isinstance(case.body, dict) and ids:
            outputs = [{"tool_call_id": "call_1", "output": "1"}]
            real: dict[str, Any] = {**ids, "tool_outputs": outputs}
            case.body |= {name: value for name, value in real.items() if name in case.body}

    def _check(self, case: Case, response: Any) -> None:
        checks = [not_a_server_error, content_type_conformance]
        if self._era == "v2":
            checks.append(response_schema_conformance)
        case.validate_response(response, checks=checks)
        if response.status_code >= 400:
            assert list(response.json()["error"]) == ["message", "type", "param", "code"]
