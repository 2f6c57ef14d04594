"""The files in deploy/ are what Docker, Compose, Kubernetes and systemd take."""

import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.deploy.rendering import VALUES, page_of

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
BIN = Path(sys.executable).parent
COMPOSE = [*sorted(DEPLOY.glob("docker-compose*.yaml")), DEPLOY / "compose" / "sandbox.yaml"]
MANIFESTS = [
    *sorted((DEPLOY / "kubernetes").glob("*.yaml")),
    *(page_of(values) for values in VALUES),
]
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# The newest version that the validator knows, and one whose fields we must not be ahead of.
KUBERNETES = ["1.37", "1.31"]
# Out of ten, as systemd counts; the runner has to keep the rights that it closes sessions in with.
EXPOSURE_MAX = {"understudy-sandbox.service": 40}
EXPOSURE_MAX_OTHERS = 25

systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def complaints(*command: str | Path, cwd: Path | None = None) -> str:
    """Return what the linter says when it is not content."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=50)
    return "" if done.returncode == 0 else done.stdout + done.stderr or "failed"


def test_hadolint_finds_nothing_in_the_dockerfiles() -> None:
    files = sorted(DEPLOY.glob("*Dockerfile"))
    assert len(files) == 2
    assert complaints(BIN / "hadolint", "--failure-threshold", "info", *files) == ""


def test_compose_files_follow_the_specification() -> None:
    check = (BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    assert complaints(*check, *COMPOSE) == ""


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.stem)
def test_manifests_have_only_fields_that_kubernetes_knows(file: Path, version: str) -> None:
    for manifest in yaml.safe_load_all(file.read_text()):
        if "x-k8s.io" not in manifest["apiVersion"] and "keda.sh" not in manifest["apiVersion"]:
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Return a folder with the units, whose command is the one that is installed here."""
    for unit in UNITS:
        text = unit.read_text().replace("/opt/understudy/bin/understudy", str(BIN / "understudy"))
        (tmp_path / unit.name).write_text(text)
    return tmp_path


@systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_understands_the_units(units: Path, unit: Path) -> None:
    instance = f"./{unit.name.replace('@.', '@1.')}"
    verify = ("systemd-analyze", "verify", "--man=no", "--recursive-errors=no")
    done = subprocess.run(
        (*verify, instance), cwd=units, capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, done.stderr) == (0, "")


@systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_units_are_closed_in(unit: Path) -> None:
    threshold = EXPOSURE_MAX.get(unit.name, EXPOSURE_MAX_OTHERS)
    security = ("systemd-analyze", "security", "--no-pager", "--offline=true")
    assert complaints(*security, f"--threshold={threshold}", unit) == ""
