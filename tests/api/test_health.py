"""``/readyz``: whether a process should get requests, and which of its parts has trouble."""

import shutil

from msgspec import json

from understudy.api.health import ready

from .conftest import House


async def test_trouble_with_files_is_named_and_keeps_nobody_from_being_served(
    house: House,
) -> None:
    """It would be so in all processes at once; without any of them nothing at all would work."""
    folder = house.ports.settings.data_dir / "files"
    shutil.rmtree(folder)
    folder.write_text("in the way")
    reply = await ready(house.ports)
    told = json.decode(reply.body)
    assert (reply.status, told["status"]) == (200, "degraded")
    assert told["parts"]["database"] == "ok"
    assert told["parts"]["files"] != "ok"


async def test_without_the_database_a_process_is_not_ready(house: House) -> None:
    await house.ports.storage.close()
    reply = await ready(house.ports)
    assert (reply.status, json.decode(reply.body)["status"]) == (503, "unavailable")
