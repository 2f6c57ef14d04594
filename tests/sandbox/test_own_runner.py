"""The runner that a server keeps, and the one with which it looks at its host."""

import errno
import tempfile
from pathlib import Path

import pytest

from understudy.sandbox.own_runner import PATH_BYTES_MAX, socket_path
from understudy.sandbox.probing import probe


def test_a_socket_has_a_short_path_wherever_the_data_and_temporary_folders_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    long = tmp_path / ("d" * 120)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    path = socket_path(long)
    assert len(bytes(path)) <= PATH_BYTES_MAX
    assert path == socket_path(long)
    assert path != socket_path(long / "other")
    assert socket_path(Path("/srv/data")) == Path("/srv/data/sandbox/runner.sock")


async def test_a_probe_gets_nothing_of_the_environment_that_may_be_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This variable is none, but Python does not start with it."""
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    report = await probe(tmp_path)
    assert report["refusal"]["errno"] == errno.ENOENT
