"""An S3 server for tests, on loopback, in this process."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

from moto.server import ThreadedMotoServer


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server until the block ends; give its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def make_bucket(endpoint: str) -> str:
    """Make a bucket that nobody else uses, and return its name."""
    name = f"test-{secrets.token_hex(6)}"
    # The server verifies no signatures, so a plain request will do.
    with urlopen(Request(f"{endpoint}/{name}", method="PUT"), timeout=10):  # noqa: S310
        return name


def settings_for(endpoint: str, bucket: str) -> dict[str, str]:
    """Return the variables of a process that keeps its files in the bucket."""
    return {
        "UNDERSTUDY_FILES_URL": f"s3://{bucket}/understudy",
        "AWS_ENDPOINT": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
