"""Recognises links to produced files in text as a model writes it, however it is cut (ANN-04).

Text flows through until something that may become the address of a file that the thread's cells
have made; that is held back until it is whole, or cannot become one. An address of nothing is left
as it is: it may be a file that the user has uploaded.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from understudy.runs.cells import LINK

# A name ends here if it does not go on like one: "a.csv" is not meant in "a.csv.gz".
_GOES_ON = re.compile(r"[\w/-]|\.\w")


class Link(Struct, frozen=True):
    """An address as the model wrote it, and the file that it leads to."""

    address: str
    file_id: str


class Linking:
    """A filter for the text of one message part after the other."""

    __slots__ = ("_files", "_held", "_longest_first")

    def __init__(self, made: Mapping[str, str]) -> None:
        spelled = {quote(path): file_id for path, file_id in made.items()} | dict(made)
        self._files = {f"{LINK}{path}": file_id for path, file_id in spelled.items()}
        self._longest_first = sorted(self._files, key=len, reverse=True)
        self._held = ""

    def take(self, text: str) -> list[str | Link]:
        """Take a piece and return what can be passed on: text, never empty, and links."""
        return self._passed_on(text, at_end=False)

    def end(self) -> list[str | Link]:
        """Return what was held back, now that the text ends here."""
        return self._passed_on("", at_end=True)

    def _passed_on(self, text: str, *, at_end: bool) -> list[str | Link]:
        text, self._held = self._held + text, ""
        passed_on: list[str | Link] = []
        told, at = 0, text.find(LINK[0])
        while at >= 0:
            if not at_end and self._is_undecided(text[at:]):
                text, self._held = text[:at], text[at:]
                break
            address = self._address(text, at)
            if address:
                passed_on += [text[told:at], Link(address, self._files[address])]
                told = at + len(address)
            at = text.find(LINK[0], max(told, at + 1))
        return [each for each in [*passed_on, text[told:]] if each]

    def _is_undecided(self, rest: str) -> bool:
        """Return whether more text could make another address of this, or none."""
        if not (rest.startswith(LINK) or LINK.startswith(rest)):
            return False
        return any(
            address.startswith(rest) or rest in (address, f"{address}.")
            for address in self._longest_first
        )

    def _address(self, text: str, at: int) -> str | None:
        if not text.startswith(LINK, at):
            return None
        for address in self._longest_first:
            if text.startswith(address, at) and not _GOES_ON.match(text, at + len(address)):
                return address
        return None
