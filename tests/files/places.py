"""The places that files can be kept in, seen from outside."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.request import Request, urlopen

from understudy.files.object_store import ObjectStoreFiles


@dataclass(frozen=True)
class Place:
    """Files, and a way to see everything that really lies there, finished or not."""

    files: ObjectStoreFiles
    everything: Callable[[], list[str]]


@dataclass(frozen=True)
class Bucket:
    """An empty bucket on the S3 server of this session."""

    endpoint: str
    name: str

    @property
    def options(self) -> dict[str, str]:
        """What files_from needs to reach the bucket."""
        return {
            "endpoint": self.endpoint,
            "region": "us-east-1",
            "access_key_id": "test",
            "secret_access_key": "test",
        }

    def request(self, method: str, query: str = "") -> str:
        """Ask the server; it does not verify signatures, so a plain request will do."""
        url = f"{self.endpoint}/{self.name}{query}"
        with urlopen(Request(url, method=method), timeout=10) as answer:  # noqa: S310
            text: str = answer.read().decode()
        return text

    def everything(self) -> list[str]:
        """Return the keys of objects and of uploads that were never completed or aborted."""
        answers = self.request("GET", "?list-type=2") + self.request("GET", "?uploads")
        return re.findall(r"<Key>(.*?)</Key>", answers)
