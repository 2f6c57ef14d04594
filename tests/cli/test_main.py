"""The command itself: help that comes at once, and wrong arguments."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import understudy

# Each of these takes longer to import than help should take as a whole.
HEAVY = ("aiohttp", "msgspec", "obstore", "pydantic", "pydantic_settings", "starlette", "uvicorn")


def test_help_imports_nothing_heavy() -> None:
    program = f"import understudy.cli.main, sys; print({{*{HEAVY}}} & {{*sys.modules}} or '')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("command", ["serve", "demo", "doctor", "keys"])
def test_help_names_every_command(tmp_path: Path, command: str) -> None:
    assert command in understudy("--help", folder=tmp_path).out


def test_the_command_alone_prints_its_help(tmp_path: Path) -> None:
    ended = understudy(folder=tmp_path)
    assert "Usage: understudy" in ended.out + ended.err


def test_an_unknown_command_is_refused(tmp_path: Path) -> None:
    ended = understudy("sing", folder=tmp_path)
    assert ended.code == 2
    assert "Traceback" not in ended.err
