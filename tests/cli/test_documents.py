"""The documents say what the code does: settings, the run's diagram, examples, links."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from tests.cli.command import SECONDS_MAX, environment, serving
from understudy.runs.status import chart
from understudy.settings import Settings, UpstreamSettings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
ROW = re.compile(r"^\| `(\w+)` \| `(UNDERSTUDY_\w+)` \| (\S+) \|", re.MULTILINE)


def settings_of_the_page() -> dict[str, tuple[str, str]]:
    """Return variable and default by name, as docs/settings.md has them."""
    rows = ROW.findall((DOCS / "settings.md").read_text())
    return {name: (variable, default.strip("`")) for name, variable, default in rows}


def default_of(name: str) -> str:
    default = Settings.model_fields[name].default
    assert default is not PydanticUndefined
    if default is None:
        return "none"
    return json.dumps(default) if isinstance(default, bool) else str(default)


def test_the_page_of_settings_has_every_setting_and_no_other() -> None:
    assert settings_of_the_page().keys() == Settings.model_fields.keys()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_page_of_settings_is_right(name: str) -> None:
    expected = (f"UNDERSTUDY_{name.upper()}", default_of(name))
    assert settings_of_the_page()[name] == expected


@pytest.mark.parametrize("name", UpstreamSettings.model_fields)
def test_the_page_of_settings_has_every_setting_of_an_upstream(name: str) -> None:
    assert f"`{name}`" in (DOCS / "settings.md").read_text()


def test_the_diagram_of_a_run_is_that_of_the_table() -> None:
    assert f"```mermaid\n{chart()}\n```" in (DOCS / "architecture.md").read_text(), "make docs"


def test_the_examples_of_the_extensions_work_as_they_stand(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the examples need curl")
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / "extensions.md").read_text(), re.DOTALL)
    program = "set -euo pipefail\n" + "\n".join(blocks)
    with serving(tmp_path) as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        variables = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": server.first_key}
        done = subprocess.run(
            ["bash", "-c", program],
            env={**environment(variables), "no_proxy": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "openai-poll-after-ms: " in done.stdout
    assert '"status":"requires_action"' in done.stdout
    assert '"status":"cancelled"' in done.stdout
    assert "event: thread.run.completed" in done.stdout
    threads = re.findall(r'"id":"(thread_\w+)".{0,80}"order":"4711"', done.stdout)
    assert len(threads) == 2, "the same request was answered twice"
    assert len({*threads}) == 1, "and done once"


def test_bare_make_names_every_target() -> None:
    told = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=True
    )
    for target in ("demo", "test", "lint", "types", "check", "serve", "bench", "docs", "clean"):
        assert f"make {target} " in told.stdout


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda path: path.name
)
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    assert [t for t in targets if not (document.parent / t).exists()] == []
