"""The list of what is not run, read from left_out.toml, each entry with its reason."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any


@dataclass(frozen=True)
class LeftOutFiles:
    """Test files that are not run: one, a folder (with its slash), or those of a pattern."""

    path: str
    reason: str

    def covers(self, file: str) -> bool:
        """Say whether a test file is left out by this entry."""
        if self.path.endswith("/"):
            return file.startswith(self.path)
        return PurePosixPath(file).match(self.path)


@dataclass(frozen=True)
class LeftOutCase:
    """One test function of a file that is run, with the parametrisation if only one is meant."""

    file: str
    test: str
    reason: str

    def covers(self, case: str) -> bool:
        """Say whether a collected case is left out by this entry."""
        file, *_, test = case.split("::")
        return file == self.file and (test == self.test or test.startswith(f"{self.test}["))


@dataclass(frozen=True)
class LeftOut:
    """Everything that is left out, and what the suites skip by themselves."""

    files: tuple[LeftOutFiles, ...]
    cases: tuple[LeftOutCase, ...]
    skipped_by_suite: tuple[LeftOutCase, ...]


def left_out() -> LeftOut:
    """Return the list."""
    listed = tomllib.loads((Path(__file__).parent / "left_out.toml").read_text())
    return LeftOut(
        tuple(LeftOutFiles(path, **_reason(entry)) for entry, path in _each(listed, "files")),
        tuple(_case(entry, test) for entry, test in _each(listed, "cases")),
        tuple(_case(entry, test) for entry, test in _each(listed, "skipped_by_suite")),
    )


def covered(cases: Iterable[str], entries: Iterable[LeftOutCase]) -> list[str]:
    """Return the collected cases that some entry covers."""
    listed = list(entries)
    return [case for case in cases if any(entry.covers(case) for entry in listed)]


def _each(listed: dict[str, Any], table: str) -> list[tuple[dict[str, Any], str]]:
    members = "paths" if table == "files" else "tests"
    return [(entry, member) for entry in listed.get(table, []) for member in entry[members]]


def _reason(entry: dict[str, Any]) -> dict[str, str]:
    return {"reason": entry["reason"]}


def _case(entry: dict[str, Any], test: str) -> LeftOutCase:
    return LeftOutCase(entry["file"], test, **_reason(entry))
