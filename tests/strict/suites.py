"""The generated suites: fetched from the registry as sdists, with an environment for each version.

Everything lives under `.cache/strict` of the project (UNDERSTUDY_TEST_CACHE names another folder
instead of `.cache`). A stamp, written last, says that a version is complete; a file lock keeps
the workers of one test run from preparing the same version at once.
"""

import asyncio
import fcntl
import os
import re
import shutil
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSIONS = ("1.109.1", "2.54.0", "3.54.0")
FILES_RUN = (
    "tests/api_resources/beta/test_assistants.py",
    "tests/api_resources/beta/test_threads.py",
    "tests/api_resources/beta/threads/test_messages.py",
    "tests/api_resources/beta/threads/test_runs.py",
    "tests/api_resources/beta/threads/runs/test_steps.py",
    "tests/api_resources/test_files.py",
    "tests/api_resources/test_models.py",
    "tests/api_resources/test_uploads.py",
    "tests/api_resources/uploads/test_parts.py",
    "tests/api_resources/test_vector_stores.py",
    "tests/api_resources/vector_stores/test_files.py",
    "tests/api_resources/vector_stores/test_file_batches.py",
)
"""The files of the suites that are run; left_out.toml accounts for all others."""

MODEL_NAMED = re.compile(r'model="([^"]+)"|models\.(?:with_\w+\.)?retrieve\(\s*"([^"]+)"')

REQUIREMENTS = ("pytest==9.2.0", "pytest-asyncio==1.5.0", "respx==0.23.1", "rich>=13.7")
"""What the conftest and the test modules of the suites import besides the client itself."""

PREPARE_SECONDS_MAX = 240
RUN_SECONDS_MAX = 240


class PreparationError(Exception):
    """A suite could not be fetched or installed; the message says what came back."""


@dataclass(frozen=True)
class Outcome:
    """How one run of the suite's pytest ended."""

    code: int
    output: str


@dataclass(frozen=True)
class Suite:
    """One version of the client: its unpacked sdist and an environment that runs its tests."""

    version: str
    folder: Path

    @property
    def sources(self) -> Path:
        """Return the root of the unpacked sdist."""
        return self.folder / f"openai-{self.version}"

    @property
    def python(self) -> Path:
        """Return the interpreter that has this version of the client and its test tools."""
        return self.folder / "venv" / "bin" / "python"

    def test_files(self) -> list[str]:
        """Return every test file of the sdist, relative to its root."""
        found = (self.sources / "tests").rglob("test_*.py")
        return sorted(str(path.relative_to(self.sources)) for path in found)

    def models_named(self) -> set[str]:
        """Return the models that the files that are run name, in a field or as an argument."""
        texts = [(self.sources / file).read_text() for file in FILES_RUN]
        return {a or b for text in texts for a, b in MODEL_NAMED.findall(text)}

    async def cases(self) -> list[str]:
        """Return the node id of every case in the files that are run."""
        outcome = await self.pytest(["--collect-only", "-q", *FILES_RUN], {})
        return [line for line in outcome.output.splitlines() if "::" in line]

    async def run(self, api_base_url: str, left_out: Sequence[str], report: Path) -> Outcome:
        """Run all cases but those left out, against the URL, and write a junit report."""
        deselected = [f"--deselect={case}" for case in left_out]
        written = [
            f"--junitxml={report}",
            "-o",
            "junit_family=xunit1",
            "--tb=short",
            "-q",
        ]
        return await self.pytest([*written, *deselected, *FILES_RUN], api_at(api_base_url))

    async def pytest(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Outcome:
        """Run the suite's own pytest in its own environment, with nothing of ours in it."""
        command = [
            str(self.python),
            "-m",
            "pytest",
            "-o",
            "addopts=",
            "-p",
            "no:cacheprovider",
        ]
        return await _finished([*command, *arguments], self.sources, environment, RUN_SECONDS_MAX)


def api_at(base_url: str) -> dict[str, str]:
    """Return the environment that tells a suite where the API is."""
    return {"TEST_API_BASE_URL": base_url}


async def prepared(version: str) -> Suite:
    """Return the suite of a version, fetching and installing it on the first use."""
    suite = Suite(version, _cache() / f"openai-{version}")
    suite.folder.mkdir(parents=True, exist_ok=True)
    with _locked(suite.folder / "lock"):
        stamp = suite.folder / "stamp"
        if not stamp.exists() or stamp.read_text() != _stamp(version):
            await _fetch(suite)
            await _install(suite)
            stamp.write_text(_stamp(version))
    return suite


def _cache() -> Path:
    root = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("UNDERSTUDY_TEST_CACHE", root / ".cache")) / "strict"


def _stamp(version: str) -> str:
    return f"python {sys.version_info.major}.{sys.version_info.minor} {version} {REQUIREMENTS}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


async def _fetch(suite: Suite) -> None:
    """Fetch the sdist and unpack it; only `openai` itself has to be a source archive."""
    download = [
        "download",
        "--no-binary",
        "openai",
        "--no-deps",
        f"openai=={suite.version}",
    ]
    await _pip([*download, "--dest", str(suite.folder)])
    shutil.rmtree(suite.sources, ignore_errors=True)
    with tarfile.open(suite.folder / f"openai-{suite.version}.tar.gz") as archive:
        archive.extractall(suite.folder, filter="data")


async def _install(suite: Suite) -> None:
    """Make the environment; our own pip fills it, since making a pip for each one is slow."""
    environment = suite.folder / "venv"
    shutil.rmtree(environment, ignore_errors=True)
    await _prepare([sys.executable, "-m", "venv", "--without-pip", str(environment)])
    wanted = [f"openai[aiohttp]=={suite.version}", *REQUIREMENTS]
    await _pip(["--python", str(suite.python), "install", "--no-compile", *wanted])


async def _pip(arguments: Sequence[str]) -> None:
    quiet = ["-m", "pip", "--disable-pip-version-check", "--quiet"]
    await _prepare([sys.executable, *quiet, *arguments])


async def _prepare(command: Sequence[str]) -> None:
    outcome = await _finished(command, Path.cwd(), os.environ, PREPARE_SECONDS_MAX)
    if outcome.code != 0:
        raise PreparationError(f"{' '.join(command)} ended {outcome.code}:\n{outcome.output}")


async def _finished(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    seconds_max: float,
) -> Outcome:
    """Run a command to its end within a bound; a command that passes the bound is killed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(Path.home()), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds_max)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return Outcome(process.returncode or 0, output.decode(errors="replace"))
