"""Models: what a run may name."""

import pytest

from .client import Client, Error
from .conftest import Build


async def test_all_models_are_listed(either: Client) -> None:
    """GEN-15: the demo, and what the upstreams serve, in the list's own envelope."""
    page = await either.get("/models")
    assert list(page) == ["object", "data"]
    assert page["object"] == "list"
    assert {one["id"] for one in page["data"]} == {"demo", "scripted"}
    for one in page["data"]:
        assert list(one) == ["id", "object", "created", "owned_by"]
        assert (one["object"], type(one["created"])) == ("model", int)
        assert await either.get(f"/models/{one['id']}") == one


async def test_an_alias_is_a_model(build: Build) -> None:
    """ERR-58 (D-21): dead names mean living models, and assistants keep the name they gave."""
    house = await build(aliases={"gpt-4-turbo": "scripted"})
    client = house.client()
    assert (await client.get("/models/gpt-4-turbo"))["id"] == "gpt-4-turbo"
    assistant = await client.assistant(model="gpt-4-turbo")
    thread = await client.thread("hello")
    run = await client.settled(await client.run(thread["id"], assistant["id"]))
    assert (assistant["model"], run["model"]) == ("gpt-4-turbo", "gpt-4-turbo")
    assert (run["status"], house.script.requests[0].model) == ("completed", "scripted")


@pytest.mark.parametrize("name", ["gpt-9", "a/b", "ä"])
async def test_an_unknown_model_is_not_found(v2: Client, name: str) -> None:
    """ERR-58: 404, also for names with a slash."""
    path = f"/models/{name}".replace("ä", "%C3%A4")
    error = await v2.refused("GET", path)
    assert (error.status, error.param, error.code) == (404, "model", "model_not_found")
    assert error.message == f"The model '{name}' does not exist"


async def test_models_with_slashes_can_be_retrieved(build: Build) -> None:
    """ERR-58: names such as meta/llama are whole names."""
    client = (await build(aliases={"meta/llama-3": "scripted"})).client()
    assert (await client.get("/models/meta/llama-3"))["id"] == "meta/llama-3"


async def test_models_need_a_key(build: Build) -> None:
    """AUTH-02: also the list of models is only for those with a key."""
    house = await build()
    assert (await house.anonymous().refused("GET", "/models")).status == 401


async def test_models_cannot_be_deleted(v2: Client) -> None:
    """ERR-33: no other method stands at these paths."""
    assert await v2.refused("DELETE", "/models/demo") == Error(
        405,
        "Not allowed to DELETE on /v1/models/demo. "
        "(HINT: Perhaps you meant to use a different HTTP method?)",
    )
