"""What a junit report of one suite says about each case."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from xml.etree import ElementTree as ET

Verdict: TypeAlias = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Result:
    """One case: its node id as pytest collects it, how it ended, and why."""

    case: str
    verdict: Verdict
    detail: str = ""


def results(report: Path) -> list[Result]:
    """Return the result of every case in the report."""
    # The report was written by the pytest that this test started, so the parser may trust it.
    cases = ET.parse(report).iter("testcase")  # noqa: S314
    return [_result(case) for case in cases]


def _result(case: ET.Element) -> Result:
    node_id = _node_id(case.get("file", ""), case.get("classname", ""), case.get("name", ""))
    for verdict, detail in _verdicts(case):
        return Result(node_id, verdict, detail)
    return Result(node_id, "passed")


def _node_id(file: str, owner: str, name: str) -> str:
    """Return the id of a case; the owner is the module, or a class in it."""
    module = file.removesuffix(".py").replace("/", ".")
    return "::".join([file, *owner.removeprefix(module).split(".")[1:], name])


def _verdicts(case: ET.Element) -> Iterator[tuple[Verdict, str]]:
    for child in case:
        if child.tag in ("failure", "error"):
            yield "failed", f"{child.get('message')}\n{child.text}"
        elif child.tag == "skipped":
            yield "skipped", child.get("message") or ""
