"""The chart, as Helm has rendered it, gives pods what they need and no more."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.rendering import CHART, VALUES, mark_of, page_of, render
from understudy.dispatch.nats.streams import WORKERS
from understudy.dispatch.nats.subjects import Subjects
from understudy.settings import Settings

PAGES = [page_of(values) for values in VALUES]
helm = pytest.mark.skipif(
    importlib.util.find_spec("helm_python") is None, reason="helm-python-sdk is not installed"
)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
every_values = pytest.mark.parametrize("values", VALUES, ids=lambda values: values.stem)


def manifests(page: Path) -> list[dict[str, Any]]:
    return [*yaml.safe_load_all(page.read_text())]


def of_kind(page: Path, kind: str) -> list[dict[str, Any]]:
    return [one for one in manifests(page) if one["kind"] == kind]


def pods(page: Path) -> Iterator[dict[str, Any]]:
    for one in [*of_kind(page, "Deployment"), *of_kind(page, "Job")]:
        yield one["spec"]["template"]


@every_values
def test_the_rendered_pages_are_of_this_chart(values: Path) -> None:
    """After a change: python -m tests.deploy.rendering."""
    assert page_of(values).read_text().startswith(mark_of(values))


@helm
@every_values
def test_helm_renders_the_pages(values: Path) -> None:
    assert render(values) == page_of(values).read_text()


@helm
def test_helm_lint_finds_nothing() -> None:
    found: Any = importlib.import_module("helm_python").lint(str(CHART))
    said = [message["error"] for message in found["messages"]]
    assert said == ["icon is recommended"]


@every_page
def test_pods_have_no_rights_no_token_and_a_system_that_cannot_be_written(page: Path) -> None:
    for pod in (one["spec"] for one in pods(page)):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {
            "/tmp",  # noqa: S108 - a path in a container
            "/var/lib/understudy",
        }


@every_page
def test_kubernetes_waits_longer_than_the_drain(page: Path) -> None:
    for deployment in of_kind(page, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        values = {one["name"]: one["value"] for one in container["env"]}
        assert pod["terminationGracePeriodSeconds"] > int(values["UNDERSTUDY_DRAIN_SECONDS"]) + 5


@every_page
def test_the_migration_comes_first_and_needs_nothing_of_the_chart(page: Path) -> None:
    (job,) = of_kind(page, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    assert "serviceAccountName" not in pod
    assert all(volume.keys() == {"name", "emptyDir"} for volume in pod["volumes"])


@every_page
def test_secrets_come_from_the_secret_only(page: Path) -> None:
    secret = {
        f"UNDERSTUDY_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert secret
    for pod in (one["spec"] for one in pods(page)):
        (container,) = pod["containers"]
        assert container["envFrom"]
        assert not secret & {one["name"] for one in container.get("env", ())}


@every_page
def test_only_the_api_can_be_reached(page: Path) -> None:
    everybody, api = of_kind(page, "NetworkPolicy")
    labels = everybody["spec"]["podSelector"]["matchLabels"]
    assert all(labels.items() <= pod["metadata"]["labels"].items() for pod in pods(page))
    assert "ingress" not in everybody["spec"]
    assert set(everybody["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert api["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "api"


@every_page
def test_workers_may_reach_the_runners_of_deploy_kubernetes(page: Path) -> None:
    (policy,) = of_kind(CHART.parents[1] / "kubernetes" / "runners.yaml", "NetworkPolicy")
    (rule,) = policy["spec"]["ingress"]
    (peer,) = rule["from"]
    allowed = peer["podSelector"]["matchLabels"]
    workers = [pod for pod in pods(page) if pod["spec"]["containers"][0]["name"] == "worker"]
    assert workers
    assert all(allowed.items() <= pod["metadata"]["labels"].items() for pod in workers)


def test_workers_are_scaled_by_the_queue_that_there_is() -> None:
    """No package has KEDA's schema; values that are no strings are what it refuses most."""
    (full,) = (page for page in PAGES if page.stem == "full")
    (scaled,) = of_kind(full, "ScaledObject")
    triggers = scaled["spec"]["triggers"]
    assert [trigger["type"] for trigger in triggers] == ["nats-jetstream", "cpu"]
    assert all(
        isinstance(value, str) for trigger in triggers for value in trigger["metadata"].values()
    )
    prefix = Settings.model_fields["nats_prefix"].default
    assert triggers[0]["metadata"]["stream"] == Subjects(prefix).offers_stream
    assert triggers[0]["metadata"]["consumer"] == WORKERS


@every_page
def test_each_deployment_keeps_some_pods_while_nodes_are_emptied(page: Path) -> None:
    kept = [one["spec"]["selector"]["matchLabels"] for one in of_kind(page, "PodDisruptionBudget")]
    deployed = [one["spec"]["selector"]["matchLabels"] for one in of_kind(page, "Deployment")]
    assert kept == deployed
