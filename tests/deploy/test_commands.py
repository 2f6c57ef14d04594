"""What the files in deploy/ call exists: commands, their options, and settings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.main import get_command

from tests.deploy.rendering import VALUES, page_of
from understudy.cli.main import app
from understudy.sandbox.serving import _parser
from understudy.settings import Settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
PROGRAM = "/opt/understudy/bin/understudy "
COMPOSE = [*sorted(DEPLOY.glob("docker-compose*.yaml")), DEPLOY / "compose" / "sandbox.yaml"]
VARIABLE = re.compile(r"\bUNDERSTUDY_[A-Z_]+\b(?!\*)")
SETTINGS = {f"UNDERSTUDY_{name.upper()}" for name in Settings.model_fields}
# Of the command line only: where the file of settings is.
OPTIONS = {"UNDERSTUDY_CONFIG"}


def called() -> Iterator[tuple[str, list[str]]]:
    """Yield each file with the arguments that it gives to ``understudy``."""
    for dockerfile in DEPLOY.glob("*Dockerfile"):
        yield dockerfile.name, _image_command(dockerfile)
    for compose in COMPOSE:
        yield from _compose_commands(compose)
    for page in (page_of(values) for values in VALUES):
        for arguments in _pod_commands(page):
            yield page.name, arguments
    for manifest in (DEPLOY / "kubernetes").glob("*.yaml"):
        for arguments in _pod_commands(manifest):
            yield manifest.name, ["sandbox", "serve", *arguments]
    for unit in (DEPLOY / "systemd").glob("*.service"):
        yield unit.name, _unit_command(unit)


def _image_command(dockerfile: Path) -> list[str]:
    text = dockerfile.read_text()
    words = [*_array(text, "ENTRYPOINT"), *_array(text, "CMD")]
    assert words[0] == "understudy"
    return words[1:]


def _array(text: str, instruction: str) -> list[str]:
    found = re.search(rf"^{instruction} (\[.*\])$", text, re.MULTILINE)
    return list(yaml.safe_load(found[1])) if found else []


def _compose_commands(file: Path) -> Iterator[tuple[str, list[str]]]:
    for service in yaml.safe_load(file.read_text())["services"].values():
        match service:
            case {"image": "understudy", "command": arguments}:
                yield file.name, arguments
            case {"image": "understudy-runner", "command": arguments}:
                yield file.name, ["sandbox", "serve", *arguments]


def _pod_commands(file: Path) -> Iterator[list[str]]:
    for manifest in yaml.safe_load_all(file.read_text()):
        spec: dict[str, Any] = manifest.get("spec", {})
        template = spec.get("podTemplate") or spec.get("template") or {}
        for container in template.get("spec", {}).get("containers", ()):
            yield container["args"]


def _unit_command(unit: Path) -> list[str]:
    text = unit.read_text().replace("\\\n", " ")
    found = re.search(rf"^ExecStart={PROGRAM}(.*)$", text, re.MULTILINE)
    assert found
    return shlex.split(found[1])


CALLED = [*called()]


def test_every_way_of_deploying_calls_something() -> None:
    assert {Path(name).suffix for name, _ in CALLED} == {"", ".Dockerfile", ".yaml", ".service"}
    commands = {tuple(arguments[:2]) for _, arguments in CALLED}
    assert {
        ("serve",),
        ("serve", "--no-worker"),
        ("worker",),
        ("migrate",),
        ("worker", "--health-port"),
    } <= commands
    assert ("sandbox", "serve") in commands


@pytest.mark.parametrize(
    "arguments",
    [one for _, one in CALLED],
    ids=[f"{name}: {' '.join(one)}" for name, one in CALLED],
)
def test_understudy_knows_the_command_and_its_options(arguments: list[str], tmp_path: Path) -> None:
    if arguments[:2] == ["sandbox", "serve"]:
        _parser(tmp_path).parse_args(_without_names_of_this_host(arguments[2:], tmp_path))
        return
    root = get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    name, command, rest = root.resolve_command(typer.Context(root), arguments)
    assert command is not None
    command.make_context(name, rest)


def _without_names_of_this_host(arguments: list[str], folder: Path) -> list[str]:
    """Put a secret and a group in place that a test's host has."""
    secret = folder / "secret"
    secret.write_text("of a test")
    text = "\0".join(arguments).replace("/etc/understudy/secret", str(secret))
    return text.replace(":understudy-door", ":0").split("\0")


@pytest.mark.parametrize(
    "file",
    [one for one in sorted(DEPLOY.rglob("*")) if one.is_file() and "__pycache__" not in str(one)],
    ids=lambda file: str(file.relative_to(DEPLOY)),
)
def test_every_variable_is_a_setting(file: Path) -> None:
    named = set(VARIABLE.findall(file.read_text()))
    assert named - OPTIONS <= SETTINGS
