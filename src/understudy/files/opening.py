"""From a setting to a place for bytes."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, S3Store

from understudy.errors import Misconfigured
from understudy.files.object_store import ObjectStoreFiles

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

# The overall timeout counts from the request to the last byte of the answer, and a slow client may
# take hours over a large download; a store that has died is noticed by the other two.
S3_CLIENT: "ClientConfig" = {
    "allow_http": True,
    "connect_timeout": "5s",
    "read_timeout": "60s",
    "timeout": "12h",
}
S3_RETRIES: "RetryConfig" = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}


def files_from(url: str, options: Mapping[str, str] | None = None) -> ObjectStoreFiles:
    """Open ``/folder``, ``file:///folder``, ``s3://bucket/prefix`` or ``memory://``.

    A folder is made when it is missing. ``options`` are for S3 and spelled as obstore spells them
    (endpoint, region, access_key_id, secret_access_key, virtual_hosted_style_request ...); the
    usual ``AWS_*`` variables fill in for what is left out. Raises Misconfigured.
    """
    scheme, separator, _ = url.partition("://")
    if scheme == "s3" and separator:
        return _bucket(urlsplit(url), options or {})
    if options:
        raise Misconfigured(f"Files in '{url}' take no options; only s3:// does.")
    if url == "memory://":
        return ObjectStoreFiles(MemoryStore(), "memory")
    return _folder(_path(url) if separator else Path(url))


def _path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc or not parts.path:
        raise Misconfigured(
            f"Files cannot be kept in '{url}': give a folder or s3://bucket/prefix."
        )
    return Path(unquote(parts.path))


def _folder(path: Path) -> ObjectStoreFiles:
    folder = path.expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return ObjectStoreFiles(LocalStore(folder), str(folder))
    except (BaseError, OSError, ValueError) as error:
        raise Misconfigured(f"The folder '{folder}' for files cannot be opened: {error}") from error


def _bucket(parts: SplitResult, options: Mapping[str, str]) -> ObjectStoreFiles:
    if not parts.netloc:
        raise Misconfigured("Files in S3 need a bucket: s3://bucket/prefix.")
    name = f"s3://{parts.netloc}{parts.path}"
    try:
        store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            config=cast("Any", dict(options)),
            client_options=S3_CLIENT,
            retry_config=S3_RETRIES,
        )
    except (BaseError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise Misconfigured(f"The bucket {name} for files cannot be opened: {reason}") from error
    return ObjectStoreFiles(store, name)
