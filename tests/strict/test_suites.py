"""The official client's generated suites, strict response validation on, against a real server."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from .left_out import LeftOut, covered, left_out
from .placeholders import Call
from .record import recorded_calls
from .repairs import REPAIRS
from .report import Result, Verdict, results
from .server import Server, running_server
from .shim import running_shim
from .suites import FILES_RUN, VERSIONS, Outcome, Suite, prepared
from .translations import TRANSLATIONS

MODELS = (
    "gpt-4.1",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-5",
    "gpt-5.6-sol",
    "gpt-6-astra",
    "string",
)
"""The models that the suites name; the server maps each to its demo model."""

CONFIG = "[aliases]\n" + "".join(f'{json.dumps(model)} = "demo"\n' for model in MODELS)
LOG_CHARACTERS_SHOWN = 4000
FAILURES_SHOWN = 40

pytestmark = [pytest.mark.strict, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class SuiteRun:
    """One run of a suite: each case's result, what the shim did, and what to show if it failed."""

    results: Sequence[Result]
    repairs_used: set[str]
    translations_used: set[str]
    calls: set[Call]
    shown: str

    def with_verdict(self, verdict: Verdict) -> set[str]:
        """Return the cases that ended like this."""
        return {result.case for result in self.results if result.verdict == verdict}


@pytest.fixture(params=VERSIONS)
async def suite(request: pytest.FixtureRequest) -> Suite:
    """One version of the client, fetched and installed if this is the first time."""
    return await prepared(str(request.param))


@pytest.fixture
def listed() -> LeftOut:
    """What is left out, with reasons."""
    return left_out()


async def test_every_case_that_is_not_left_out_passes(
    suite: Suite, listed: LeftOut, tmp_path: Path
) -> None:
    """Assistants, threads, messages, runs, steps, files, uploads, models and stores are strict.

    The classes that the client validates with name every required field and every enum of
    sections 6 to 11 and 13 of the contract.
    """
    cases = await suite.cases()
    omitted = covered(cases, listed.cases)
    skipped_by_suite = covered(cases, listed.skipped_by_suite)
    run = await _run(suite, omitted, tmp_path)
    assert not run.with_verdict("failed"), run.shown
    assert run.with_verdict("passed") == set(cases) - set(omitted) - set(skipped_by_suite)
    assert run.with_verdict("skipped") == set(skipped_by_suite)
    needed = {repair.name for repair in REPAIRS if suite.version not in repair.not_needed_by}
    assert run.repairs_used == needed, "A repair is stale."
    assert run.translations_used == {one.name for one in TRANSLATIONS}, "A translation is stale."
    assert run.calls <= set(recorded_calls()), "Record again: python -m tests.strict.record"


async def test_every_file_is_run_or_left_out_with_a_reason(suite: Suite, listed: LeftOut) -> None:
    """No test file of the sdist is forgotten, and none is both run and left out."""
    for file in suite.test_files():
        covering = [entry for entry in listed.files if entry.covers(file)]
        assert len(covering) == (0 if file in FILES_RUN else 1), file
    assert set(FILES_RUN) <= set(suite.test_files())


async def test_no_entry_of_the_list_is_stale(listed: LeftOut) -> None:
    """Each entry names something that at least one version still has, and says why."""
    suites = [await prepared(version) for version in VERSIONS]
    files = [file for suite in suites for file in suite.test_files()]
    cases = [case for suite in suites for case in await suite.cases()]
    assert [e.path for e in listed.files if not any(e.covers(file) for file in files)] == []
    entries = [*listed.cases, *listed.skipped_by_suite]
    assert [e for e in entries if not covered(cases, [e])] == []
    assert all(entry.reason for entry in listed.files)
    assert all(entry.reason for entry in entries)


async def test_the_server_knows_every_model_that_the_suites_name(suite: Suite) -> None:
    """The alias table covers the models in the files that are run."""
    assert suite.models_named() <= set(MODELS)


async def _run(suite: Suite, omitted: Sequence[str], folder: Path) -> SuiteRun:
    """Run the suite behind the shim, in front of a server of its own."""
    report = folder / "report.xml"
    async with (
        running_server(folder, CONFIG) as server,
        running_shim(server.url, server.key) as (url, shim),
    ):
        outcome = await suite.run(url, omitted, report)
    assert report.exists(), outcome.output
    found = results(report)
    shown = _shown(outcome, found, server)
    used = set(shim.repairs_used), set(shim.translations_used)
    return SuiteRun(found, *used, shim.calls, shown)


def _shown(outcome: Outcome, report: Sequence[Result], server: Server) -> str:
    """Return the failures in short, the end of the server's log, and the suite's last line."""
    failed = [result for result in report if result.verdict == "failed"][:FAILURES_SHOWN]
    lines = [f"{result.case}\n{_errors(result.detail)}" for result in failed]
    log = server.log.read_text()[-LOG_CHARACTERS_SHOWN:]
    last_line = outcome.output.strip().rpartition("\n")[2]
    return "\n".join([*lines, "--- server log", log, last_line])


def _errors(detail: str) -> str:
    """Return the lines that say what was wrong; pytest marks them with an E."""
    return "\n".join(line for line in detail.splitlines() if line.startswith("E  "))
