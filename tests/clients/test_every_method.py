"""No method of a client's resources is left out by the scenarios (SDK-02)."""

import re

import pytest

from .environments import NODE_CLIENTS, PYTHON_CLIENTS, Client
from .programs import HERE, play, programs_for
from .server import LiveServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(400)]

OWNERS_OF_FILES = ("assistants", "messages", "vector_stores", "vectorStores")


@pytest.mark.parametrize("client", [*PYTHON_CLIENTS, *NODE_CLIENTS], ids=lambda c: c.name)
def test_every_method_is_called_by_a_scenario(client: Client, live_server: LiveServer) -> None:
    """The client itself lists its methods; each name stands in a program that it plays."""
    suffix = {"python": ".py", "node": ".mjs"}[client.language]
    surface = (HERE / client.language / "surface").with_suffix(suffix)
    methods = play(client, surface, live_server)
    common = surface.with_stem("common").read_text()
    told = common + "".join(program.read_text() for program in programs_for(client))
    missing = [
        f"{resource}.{name}"
        for resource, names in methods.items()
        for name in names
        if not _is_called(resource, name, told)
    ]
    assert missing == []


def _is_called(resource: str, name: str, told: str) -> bool:
    # `files.create` in the text of `assistants.files.create` is another resource's method.
    alone = "".join(rf"(?<!{owner}\.)" for owner in OWNERS_OF_FILES) if resource == "files" else ""
    raw = r"(with_raw_response\.|with_streaming_response\.)?"
    call = rf"{alone}\b{re.escape(resource)}\.{raw}{name}\b"
    removed = rf"remove\((\w+\.)*{re.escape(resource)}\b" if name in {"del", "delete"} else call
    return re.search(call, told) is not None or re.search(removed, told) is not None
