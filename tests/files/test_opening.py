"""From a setting to a place for bytes."""

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from understudy.errors import Misconfigured
from understudy.files.opening import files_from

from .places import Bucket

pytestmark = pytest.mark.timeout(60)


async def some_bytes() -> AsyncIterator[bytes]:
    yield b"abc"


@pytest.mark.parametrize("form", ["{}", "file://{}"])
async def test_a_folder_is_made_when_it_is_missing(tmp_path: Path, form: str) -> None:
    """A path and a file URL name the same folder."""
    folder = tmp_path / "not" / "yet"
    await files_from(form.format(folder)).write("file-a", some_bytes())
    assert (folder / "file-a").read_bytes() == b"abc"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_relative_folder_is_taken_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path without a leading slash works, and stays where it was when the folder changes."""
    monkeypatch.chdir(tmp_path)
    files = files_from("data/files")
    monkeypatch.chdir("/")
    await files.write("file-a", some_bytes())
    assert (tmp_path / "data" / "files" / "file-a").read_bytes() == b"abc"


async def test_a_file_url_is_percent_decoded(tmp_path: Path) -> None:
    """A folder with a space in its name can be given as a URL."""
    await files_from(f"file://{tmp_path}/my%20files").write("file-a", some_bytes())
    assert (tmp_path / "my files" / "file-a").exists()


async def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    """A percent sign in a plain path is a percent sign."""
    await files_from(f"{tmp_path}/100%25").write("file-a", some_bytes())
    assert (tmp_path / "100%25" / "file-a").exists()


async def test_a_prefix_goes_in_front_of_each_key(bucket: Bucket) -> None:
    """Several servers can share a bucket."""
    await files_from(f"s3://{bucket.name}/some/prefix/", bucket.options).write("f", some_bytes())
    await files_from(f"s3://{bucket.name}", bucket.options).write("f", some_bytes())
    assert sorted(bucket.everything()) == ["f", "some/prefix/f"]


async def test_memory_needs_nothing() -> None:
    """For tests and demonstrations."""
    files = files_from("memory://")
    await files.write("file-a", some_bytes())
    assert [piece async for piece in files.read("file-a")] == [b"abc"]


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("ftp://host/path", {}, "'ftp://host/path'"),
        ("file://host/path", {}, "'file://host/path'"),
        ("s3://", {}, "bucket"),
        ("s3://bucket", {"edpoint": "http://127.0.0.1:1"}, "edpoint"),
        ("memory://", {"region": "x"}, "options"),
    ],
)
def test_a_setting_that_cannot_work_is_explained(
    url: str, options: dict[str, str], message: str
) -> None:
    """The message says what was wrong, on one line."""
    with pytest.raises(Misconfigured, match=message) as caught:
        files_from(url, options)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_a_file_is_explained(tmp_path: Path) -> None:
    """The message names the folder."""
    path = tmp_path / "taken"
    path.write_text("not a folder")
    with pytest.raises(Misconfigured, match=str(path)):
        files_from(str(path))
