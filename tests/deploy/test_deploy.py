"""What lies in deploy/ is well-formed, and gives the runner what it needs and no more."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.seccomp.write_profile import NEEDED

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROFILE = DEPLOY / "seccomp" / "understudy-runner.json"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def manifests(file: Path) -> list[dict[str, Any]]:
    return [*yaml.safe_load_all(file.read_text())]


def rules(name: str) -> Iterator[dict[str, Any]]:
    """Yield the rules of the profile that name this call and depend on nothing."""
    for rule in json.loads(PROFILE.read_text())["syscalls"]:
        conditions = (rule.get(one) for one in ("args", "includes", "excludes"))
        if name in rule["names"] and not any(conditions):
            yield rule


@pytest.mark.parametrize("name", NEEDED)
def test_the_profile_allows_what_closing_a_session_in_takes(name: str) -> None:
    assert [rule["action"] for rule in rules(name)] == ["SCMP_ACT_ALLOW"]


@pytest.mark.parametrize(
    "name", ["bpf", "ptrace", "open_by_handle_at", "init_module", "kexec_load"]
)
def test_the_profile_keeps_the_rest_of_the_default(name: str) -> None:
    assert [*rules(name)] == []
    assert json.loads(PROFILE.read_text())["defaultAction"] == "SCMP_ACT_ERRNO"


def test_the_page_names_every_call() -> None:
    told = re.search(r"It adds (.+?) to the container", (DEPLOY / "README.md").read_text())
    assert told
    assert re.findall(r"`(\w+)`", told[1]) == list(NEEDED)


def test_the_runner_of_compose_has_no_network_no_rights_and_no_secrets() -> None:
    services = manifests(DEPLOY / "compose" / "sandbox.yaml")[0]["services"]
    runner = services["sandbox"]
    assert runner["network_mode"] == "none"
    assert runner["cap_drop"] == ["ALL"]
    assert runner["read_only"]
    assert not {"environment", "env_file", "secrets"} & runner.keys()
    assert [volume.partition(":")[0] for volume in runner["volumes"]] == ["sandbox-door"]
    profile = next(one for one in runner["security_opt"] if one.startswith("seccomp:"))
    assert (DEPLOY.parent / profile.partition(":")[2]).samefile(PROFILE)
    addresses = json.loads(services["understudy"]["environment"]["UNDERSTUDY_SANDBOX_RUNNERS"])
    assert addresses == [f"unix:{runner['command'][1]}"]


def pods(file: Path) -> Iterator[dict[str, Any]]:
    for one in manifests(file):
        spec = one["spec"]
        template = spec.get("podTemplate") or spec.get("template")
        if template:
            yield template["spec"]


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.stem)
def test_pods_have_no_rights_and_no_token(file: Path) -> None:
    for pod in pods(file):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"]
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.stem)
def test_pods_reach_nobody(file: Path) -> None:
    (policy,) = (one for one in manifests(file) if one["kind"] == "NetworkPolicy")
    assert policy["spec"]["egress"] == []
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}


def test_each_way_of_isolation_has_its_pods() -> None:
    shared, own = (
        next(pods(DEPLOY / "kubernetes" / name))
        for name in ("runners.yaml", "pod-per-session.yaml")
    )
    assert shared["securityContext"]["seccompProfile"]["localhostProfile"] == PROFILE.name
    assert "--isolation=external" in own["containers"][0]["args"]
    assert own["runtimeClassName"]
    assert own["restartPolicy"] == "Never"
