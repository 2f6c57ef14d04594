"""The places that files can be kept in, each real: a folder, an S3 server, memory."""

from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from obstore.store import MemoryStore

from tests.services.s3 import make_bucket, s3_server
from understudy.files.object_store import ObjectStoreFiles
from understudy.files.opening import files_from

from .places import Bucket, Place


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Run an S3-compatible server on loopback."""
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_endpoint: str) -> Bucket:
    """Make a bucket of this test's own."""
    return Bucket(s3_endpoint, make_bucket(s3_endpoint))


def _folder(path: Path) -> Place:
    return Place(files_from(str(path)), lambda: [p.name for p in path.rglob("*") if not p.is_dir()])


def _memory() -> Place:
    store = MemoryStore()
    listed = lambda: [meta["path"] for page in obstore.list(store) for meta in page]  # noqa: E731
    return Place(ObjectStoreFiles(store, "memory"), listed)


@pytest.fixture(params=["folder", "bucket", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Take each implementation in turn."""
    if request.param == "folder":
        return _folder(tmp_path / "files")
    if request.param == "memory":
        return _memory()
    bucket: Bucket = request.getfixturevalue("bucket")
    return Place(files_from(f"s3://{bucket.name}/some/prefix", bucket.options), bucket.everything)
