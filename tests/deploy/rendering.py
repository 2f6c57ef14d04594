"""What Helm makes of the chart, kept beside the tests, since Helm itself is too large for them.

``python -m tests.deploy.rendering`` writes it anew, with Helm's own code from the package
helm-python-sdk. Each page says which chart and values it was made of, so that a chart that changed
without it is noticed.
"""

import hashlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "understudy"
RENDERED = Path(__file__).parent / "rendered"
VALUES = sorted(RENDERED.glob("*.values.yaml"))


def page_of(values: Path) -> Path:
    """Return where the chart with these values is kept."""
    return RENDERED / values.name.replace(".values", "")


def mark_of(values: Path) -> str:
    """Return the line that says what a page was made of."""
    digest = hashlib.sha256()
    for file in [*sorted(one for one in CHART.rglob("*") if one.is_file()), values]:
        digest.update(f"{file.name}\0{file.read_text()}\0".encode())
    return f"# made of chart and values {digest.hexdigest()}\n"


def render(values: Path) -> str:
    """Return the page: all manifests of the chart with these values."""
    helm: Any = importlib.import_module("helm_python")
    with helm.Chart.load(str(CHART)) as chart:
        given = yaml.safe_load(values.read_text())
        manifests = chart.render(given, name="understudy", namespace="example")
    return mark_of(values) + "".join(_parts(manifests))


def _parts(manifests: dict[str, str]) -> Iterator[str]:
    for name, text in sorted(manifests.items()):
        if name.endswith(".yaml") and text.strip():
            lines = (line.rstrip() for line in text.strip().splitlines())
            yield f"---\n# {name}\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    for one in VALUES:
        page_of(one).write_text(render(one))
