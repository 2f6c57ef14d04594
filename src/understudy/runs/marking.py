"""All that is marked in a run's text: citations of passages, and links to produced files."""

from collections.abc import Iterable

from understudy.runs.citing import Citation, Citing
from understudy.runs.linking import Link, Linking

Marked = str | Citation | Link


class Marking:
    """Passes text through the filters of the tools that the run has."""

    __slots__ = ("_citing", "_linking")

    def __init__(self, citing: Citing | None, linking: Linking | None) -> None:
        self._citing = citing
        self._linking = linking

    def take(self, text: str) -> list[Marked]:
        """Take a piece and return what can be passed on."""
        return list(self._linked(self._citing.take(text) if self._citing else [text]))

    def end(self) -> list[Marked]:
        """Return what was held back, since the text ends here."""
        held = self._citing.end() if self._citing else []
        return [*self._linked(held), *(self._linking.end() if self._linking else [])]

    def _linked(self, cited: Iterable[str | Citation]) -> Iterable[Marked]:
        if self._linking is None:
            yield from cited
            return
        for each in cited:
            if isinstance(each, str):
                yield from self._linking.take(each)
            else:
                yield from self._linking.end()
                yield each
