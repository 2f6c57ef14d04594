"""Where the hosted API's answers and the classes of its clients differ, and the contract says so.

The clients do not look at such a value, but the suites compare it. It is put in the words of the
client's class; every other byte of every answer passes as it is.
"""

from dataclasses import dataclass

from .placeholders import Call, route_of
from .repairs import BATCHES


@dataclass(frozen=True)
class Translation:
    """One value of the answers of some routes, as the wire and as the client's class have it."""

    name: str
    rule: str
    why: str
    routes: str
    wire: bytes
    schema: bytes


def translations_for(call: Call) -> list[Translation]:
    """Return what is translated in the answer to a call."""
    return [one for one in TRANSLATIONS if route_of(call).startswith(one.routes)]


def translated(answer: bytes, translation: Translation) -> bytes:
    """Return the answer in the words of the client's class."""
    return answer.replace(translation.wire, translation.schema)


TRANSLATIONS = (
    Translation(
        "schema-name-of-batches",
        "VS-09",
        "The wire said vector_store.file_batch, and the schema says vector_store.files_batch.",
        BATCHES,
        b'"object":"vector_store.file_batch"',
        b'"object":"vector_store.files_batch"',
    ),
)
