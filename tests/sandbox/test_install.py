"""Where the kernels' environment may lie, and which Python it is made from."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from understudy.sandbox.install import (
    EXPECTED,
    LOCKS,
    MINIMAL,
    CannotInstall,
    find_python,
    install,
    is_for_everybody,
    mebibytes,
    packages,
)

from .station import IDENTITIES, station


def locked(size: str) -> set[str]:
    lines = (LOCKS / f"{size}.lock").read_text().splitlines()[1:]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    return {line.partition("==")[0].lower().replace("_", "-") for line in lines}


def test_the_locks_hold_what_is_promised() -> None:
    assert {name.lower() for name in MINIMAL} <= locked("minimal")
    assert {name.lower() for name in EXPECTED} <= locked("full")
    assert "requests" not in locked("full")


def test_the_python_is_one_that_everybody_can_run_where_there_is_one() -> None:
    python = Path(find_python()).resolve()
    open_to_all = all(part.stat().st_mode & 0o001 for part in python.parents)
    assert open_to_all or not Path("/usr/bin/python3").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear all")
    with pytest.raises(CannotInstall, match="holds something else"):
        install(tmp_path, "minimal")
    assert [one.name for one in tmp_path.iterdir()] == ["letter.txt"]


def test_an_environment_below_a_closed_folder_is_for_its_owner_only(environment: Path) -> None:
    assert packages(environment) > len(MINIMAL)
    assert mebibytes(environment) > 100
    with TemporaryDirectory() as closed:
        inside = Path(closed) / "python"
        inside.symlink_to(environment)
        assert not is_for_everybody(inside)


async def test_sessions_see_it_at_a_place_of_their_own(
    environment: Path, open_folder: Path
) -> None:
    with station(open_folder / "place", environment, IDENTITIES[0]) as running:
        told = await running.run("import sys, pandas; print(sys.prefix, pandas.__file__)")
    assert str(environment) not in told.text
    assert told.text.startswith("/opt/sandbox-python /opt/sandbox-python/lib/")


def test_an_environment_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    there = tmp_path / "python"
    there.mkdir()
    (there / "understudy-lock").write_text((LOCKS / "minimal.lock").read_text())
    assert install(there, "minimal") == there
    assert [one.name for one in there.iterdir()] == ["understudy-lock"]
