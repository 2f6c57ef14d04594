"""Compose and systemd give our processes no rights, and the time that they need to stop."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SINGLE, CLUSTER, SANDBOX = (
    yaml.safe_load((DEPLOY / name).read_text())["services"]
    for name in ("docker-compose.yaml", "docker-compose.cluster.yaml", "compose/sandbox.yaml")
)
OURS: list[dict[str, Any]] = [
    service
    for services in (SINGLE, CLUSTER)
    for service in services.values()
    if service["image"] == "understudy"
]
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SLACK_SECONDS = 10


def command(service: dict[str, Any]) -> str:
    return " ".join(service["command"])


def setting(unit: Path, name: str) -> str | None:
    """Return what a unit says of this, in the last place."""
    found = re.findall(rf"^(?:Environment=)?'?{name}=(.+?)'?$", unit.read_text(), re.MULTILINE)
    return found[-1] if found else None


@pytest.mark.parametrize("service", OURS, ids=command)
def test_containers_have_no_rights_and_a_system_that_cannot_be_written(
    service: dict[str, Any],
) -> None:
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_image_has_a_user_of_its_own() -> None:
    assert "\nUSER 1600:1600\n" in (DEPLOY / "Dockerfile").read_text()


def test_the_cluster_s_runner_is_the_one_with_no_network_and_no_secrets() -> None:
    assert CLUSTER["sandbox"] == SANDBOX["sandbox"]


@pytest.mark.parametrize("server", [SANDBOX["understudy"], CLUSTER["worker"]])
def test_who_works_can_open_the_runner_s_door(server: dict[str, Any]) -> None:
    runner = SANDBOX["sandbox"]
    addresses = json.loads(server["environment"]["UNDERSTUDY_SANDBOX_RUNNERS"])
    assert addresses == [f"unix:{runner['command'][1]}"]
    assert server["environment"]["UNDERSTUDY_SANDBOX"] == "remote"
    assert server["volumes"] == runner["volumes"]
    assert server["group_add"] == [runner["command"][3].removeprefix(":")]


@pytest.mark.parametrize(
    "service", [one for one in OURS if "stop_grace_period" in one], ids=command
)
def test_compose_waits_longer_than_the_drain(service: dict[str, Any]) -> None:
    grace = int(service["stop_grace_period"].removesuffix("s"))
    assert grace >= int(service["environment"]["UNDERSTUDY_DRAIN_SECONDS"]) + SLACK_SECONDS


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_waits_longer_than_the_drain(unit: Path) -> None:
    drain = setting(unit, "UNDERSTUDY_DRAIN_SECONDS")
    if drain is None:
        assert unit.stem in ("understudy-migrate", "understudy-sandbox")
        return
    assert int(setting(unit, "TimeoutStopSec") or 0) >= int(drain) + SLACK_SECONDS


@pytest.mark.parametrize("name", ["understudy.service", "understudy-worker@.service"])
def test_units_that_work_know_the_runner_s_door(name: str) -> None:
    unit, runner = DEPLOY / "systemd" / name, DEPLOY / "systemd" / "understudy-sandbox.service"
    door = re.search(r"--socket (\S+) --socket-owner :(\S+)", runner.read_text())
    assert door
    assert json.loads(setting(unit, "UNDERSTUDY_SANDBOX_RUNNERS") or "") == [f"unix:{door[1]}"]
    assert setting(unit, "SupplementaryGroups") == door[2]
