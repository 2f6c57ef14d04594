"""The description of the API that the server gives of itself."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from understudy.api import openapi
from understudy.api.openapi import document
from understudy.api.routes import TABLE

from .conftest import House

DOCUMENT: dict[str, Any] = json.loads(document())
OPERATIONS = [
    pytest.param(operation, id=operation["operationId"])
    for methods in DOCUMENT["paths"].values()
    for operation in methods.values()
]


async def test_it_is_served_without_a_key(house: House) -> None:
    async with house.session.get(f"{house.root}/openapi.json") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
        assert await answer.json() == DOCUMENT


def test_nothing_of_it_is_imported_before_it_is_asked_for() -> None:
    look = "import sys, understudy.app.running; print('understudy.api.openapi' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "False"


def test_every_route_is_listed_and_described() -> None:
    listed = {
        (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
    }
    assert listed == {(row.method, re.sub(r":\w+", "", row.path)) for row in TABLE}
    assert {row.handler for row in TABLE} == set(openapi._DESCRIBED)


def test_operation_ids_are_unique() -> None:
    ids = [param.id for param in OPERATIONS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_says_what_it_takes_and_answers(operation: dict[str, Any]) -> None:
    assert operation["summary"].endswith((".", ":", ","))
    assert set(operation["responses"]) == {"200", "400", "401", "404"}
    assert operation["responses"]["200"]["content"]


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for schema in schemas.values():
        assert jsonschema_rs.meta.is_valid(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        )
    for reference in references(DOCUMENT):
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from references(each)
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref":
                yield each
            else:
                yield from references(each)


def test_names_of_schemas_are_public() -> None:
    """Names with a leading underscore, or with a module before them, are ours alone."""
    names = list(DOCUMENT["components"]["schemas"])
    assert [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)] == []


def test_streams_and_uploads_have_their_media_types() -> None:
    paths = DOCUMENT["paths"]
    created = paths["/threads/{thread_id}/runs"]["post"]["responses"]["200"]["content"]
    assert set(created) == {"application/json", "text/event-stream"}
    followed = paths["/threads/{thread_id}/runs/{run_id}/events"]["get"]["responses"]["200"]
    assert set(followed["content"]) == {"text/event-stream"}
    assert set(paths["/files"]["post"]["requestBody"]["content"]) == {"multipart/form-data"}
    content = paths["/files/{file_id}/content"]["get"]["responses"]["200"]["content"]
    assert set(content) == {"application/octet-stream"}
