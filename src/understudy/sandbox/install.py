"""Building the kernels' own environment, which the server's packages never enter.

It holds exactly what a lock file lists, in one of two sizes: ``full`` is what users of a code
interpreter expect, ``minimal`` is what the zygote imports. Sessions see it at a place of their own,
so it may lie anywhere where the runner's user may read.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, get_args

Size = Literal["full", "minimal"]

SIZES: tuple[Size, ...] = get_args(Size)

LOCKS = Path(__file__).parent / "environments"
STAMP = "understudy-lock"
MINIMAL = ("IPython", "matplotlib", "numpy", "openpyxl", "pandas")
EXPECTED = (
    *MINIMAL,
    "beautifulsoup4",
    "lxml",
    "networkx",
    "Pillow",
    "python-docx",
    "scikit-learn",
    "scipy",
    "seaborn",
    "statsmodels",
    "sympy",
    "tabulate",
    "xlrd",
)
# Where a Python for everybody is usually found, when our own lies in somebody's home.
COMMON_PYTHONS = ("/usr/local/bin/python3", "/usr/bin/python3")
OLDEST_PYTHON = (3, 11)
MIB = 1 << 20
# Of what pip says, what shows that it gets on.
PROGRESS = ("Collecting ", "Downloading ", "Installing ")
ERROR_CHARACTERS_MAX = 2000


class CannotInstall(Exception):
    """The environment cannot be built; the message says why and what to do."""


def _nobody(_: str) -> None:
    """Tell nobody."""


def install(
    folder: Path,
    size: Size = "full",
    python: str | None = None,
    tell: Callable[[str], None] = _nobody,
) -> Path:
    """Build the environment, or bring it up to date with its lock file; ``tell`` hears of progress.

    Raises CannotInstall.
    """
    folder = folder.absolute()
    lock = LOCKS / f"{size}.lock"
    if is_current(folder, size):
        return folder
    _check_is_ours(folder)
    python = python or find_python()
    tell(f"Making an environment from {python}")
    _run(python, "-m", "venv", "--clear", "--without-pip", str(folder))
    _install_locked(folder, lock, tell)
    folder.chmod(0o755)
    (folder / STAMP).write_text(lock.read_text())
    return folder


def is_current(folder: Path, size: Size) -> bool:
    """Return whether the environment holds what the lock file of that size lists."""
    stamp = folder / STAMP
    return stamp.exists() and stamp.read_text() == (LOCKS / f"{size}.lock").read_text()


def packages(folder: Path) -> int:
    """Return how many packages the environment holds."""
    return len((folder / STAMP).read_text().splitlines()) - 1


def mebibytes(folder: Path) -> int:
    """Return how much room the environment takes."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir()) // MIB


def is_for_everybody(folder: Path) -> bool:
    """Return whether a runner of any user may use the environment."""
    return everybody_reads(folder) and everybody_reads((folder / "bin" / "python").resolve())


def write_lock(folder: Path, size: Size) -> None:
    """Choose the newest versions of everything and write the lock file; for developers."""
    names = MINIMAL if size == "minimal" else EXPECTED
    _run(find_python(), "-m", "venv", "--clear", "--without-pip", str(folder))
    _pip(folder, "install", *names)
    listed = json.loads(_pip(folder, "list", "--format", "json"))
    pins = sorted((f"{one['name']}=={one['version']}" for one in listed), key=str.lower)
    command = f"python -m understudy.sandbox.install --lock --size {size} FOLDER"
    head = f"# What kernels can import, size '{size}': written by '{command}'."
    (LOCKS / f"{size}.lock").write_text("\n".join([head, *pins, ""]))


def find_python() -> str:
    """Return a Python that every user may run, or else the one we run on."""
    own = os.path.realpath(sys.executable)
    for python in (own, *COMMON_PYTHONS):
        if _suits(Path(python)):
            return python
    return own


def _suits(python: Path) -> bool:
    if not python.exists() or not everybody_reads(python.resolve()):
        return False
    version = _run(str(python), "-c", "import sys; print(*sys.version_info[:2])")
    return tuple(map(int, version.split())) >= OLDEST_PYTHON


def _check_is_ours(folder: Path) -> None:
    """Make sure that nothing but an environment is cleared away, and that there can be one."""
    if folder.exists() and not (folder / "pyvenv.cfg").exists() and any(folder.iterdir()):
        raise CannotInstall(f"{folder} holds something else: choose a new or an empty folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STAMP).unlink(missing_ok=True)
    except OSError as error:
        raise CannotInstall(f"{folder} cannot be written: {error.strerror}.") from error


def everybody_reads(path: Path) -> bool:
    """Say whether every user may enter all folders above, and read what is there."""
    return all(part.stat().st_mode & 0o001 for part in _folders(path)) and bool(
        path.stat().st_mode & 0o004
    )


def _folders(path: Path) -> Iterator[Path]:
    yield from path.parents
    if path.is_dir():
        yield path


def _install_locked(folder: Path, lock: Path, tell: Callable[[str], None]) -> None:
    command = [*_pip_command(folder), "install", "--progress-bar", "off", "-r", str(lock)]
    said = []
    with subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            said.append(line)
            if line.startswith(PROGRESS):
                tell(line.partition(" (from ")[0].strip())
    if process.returncode:
        told = "".join(said)[-ERROR_CHARACTERS_MAX:].strip()
        raise CannotInstall(f"pip could not install {lock.name}:\n{told}")


def _pip(folder: Path, *arguments: str) -> str:
    return _run(*_pip_command(folder), "--quiet", *arguments)


def _pip_command(folder: Path) -> tuple[str, ...]:
    python = str(folder / "bin" / "python")
    return (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")


def _run(*command: str) -> str:
    finished = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if finished.returncode:
        raise CannotInstall(
            f"{' '.join(command)}\n{finished.stderr.strip()[-ERROR_CHARACTERS_MAX:]}"
        )
    return finished.stdout


def main() -> None:
    """Build an environment from the command line."""
    parser = argparse.ArgumentParser(prog="python -m understudy.sandbox.install")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=("full", "minimal"), default="full")
    parser.add_argument("--python")
    parser.add_argument("--lock", action="store_true", help="write the lock file instead")
    options = parser.parse_args()
    try:
        if options.lock:
            write_lock(options.folder, options.size)
        else:
            install(options.folder, options.size, options.python, print)
    except CannotInstall as cannot:
        sys.exit(str(cannot))


if __name__ == "__main__":
    main()
