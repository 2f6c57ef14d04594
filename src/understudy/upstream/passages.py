"""Reads what a file search returned: passages, each below a line that begins with its marker."""

import re
from collections.abc import Iterator

from msgspec import Struct

_HEADING = re.compile(r"^(【[0-9]+:[0-9]+†[^】\n]*】)[^\n]*$", re.MULTILINE)


class Passage(Struct, frozen=True):
    """A passage of a file, and the marker that cites it."""

    marker: str
    text: str


def passages_in(output: str) -> list[Passage]:
    """Return the passages of a tool output, in their order; none if it has no markers."""
    return list(_passages(output))


def _passages(output: str) -> Iterator[Passage]:
    headings = list(_HEADING.finditer(output))
    ends = [*(heading.start() for heading in headings[1:]), len(output)]
    for heading, end in zip(headings, ends, strict=False):
        if text := output[heading.end() : end].strip():
            yield Passage(heading[1], text)
