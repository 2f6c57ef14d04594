"""Passages that a search has found, as the model reads them and as its answers cite them.

Each passage stands under a marker (ANN-03): the place of its search in the thread, and its own
place among the results. Places are not given twice in a thread, so that a marker which the model
copies from an older answer is none of this run.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from understudy.wire.objects.messages import Message, TextContent
from understudy.wire.objects.steps import (
    FileSearchCall,
    FileSearchToolCall,
    RunStep,
    SearchResult,
    ToolCallsDetails,
)

QUOTE_CHARACTERS_MAX = 400
NOTHING_FOUND = "Nothing was found. Try other words, or answer without the files."

# Longer numbers are none that a thread has come to; they would leave no room for later places.
_PLACE = re.compile(r"【([0-9]{1,6}):[0-9]{1,9}†")


class Source(Struct, frozen=True):
    """What a marker stands for: a passage of a file."""

    file_id: str
    quote: str


# A search by its place, and a result of it by its index.
Sources = Mapping[tuple[int, int], Source]


def marker(place: int, index: int) -> str:
    """Return what cites the result of that index."""
    return f"【{place}:{index}†source】"


def sources(steps: Iterable[RunStep]) -> Sources:
    """Return every passage that the run has found so far, by the numbers of its marker."""
    return {
        (place, index): Source(result.file_id, _quote(result))
        for search in _searches(steps)
        if isinstance(place := search.place, int)
        for index, result in enumerate(search.results)
    }


def next_place(thread: Sequence[Message], steps: Iterable[RunStep]) -> int:
    """Return the place of the run's next search: behind the messages and every earlier place."""
    in_run = (search.place for search in _searches(steps))
    used = [*(place for place in in_run if isinstance(place, int)), *_places_in(thread)]
    return max([len(thread), *(place + 1 for place in used)])


def _searches(steps: Iterable[RunStep]) -> Iterable[FileSearchCall]:
    for step in steps:
        if isinstance(step.step_details, ToolCallsDetails):
            for call in step.step_details.tool_calls:
                if isinstance(call, FileSearchToolCall):
                    yield call.file_search


def _places_in(thread: Sequence[Message]) -> Iterable[int]:
    for message in thread:
        for part in message.content:
            if isinstance(part, TextContent):
                yield from (int(found[1]) for found in _PLACE.finditer(part.text.value))


def passages(search: FileSearchCall) -> str:
    """Return what the model reads of a search: each passage under its marker, and how to cite."""
    place = search.place if isinstance(search.place, int) else 0
    if not search.results:
        return NOTHING_FOUND
    shown = (_passage(marker(place, index), one) for index, one in enumerate(search.results))
    return "\n\n".join([_how_to_cite(place), *shown])


def _how_to_cite(place: int) -> str:
    return (
        "To cite a passage, write its marker, exactly as it stands above the passage, right behind "
        f"what it supports, for example {marker(place, 0)}; write no other markers."
    )


def _passage(marker_: str, result: SearchResult) -> str:
    return f"{marker_} {result.file_name}\n{_text(result)}"


def _text(result: SearchResult) -> str:
    return "\n".join(part.text for part in result.content or ())


def _quote(result: SearchResult) -> str:
    """Return the passage, or its beginning up to the end of a word (ANN-01)."""
    text = _text(result).strip()
    if len(text) <= QUOTE_CHARACTERS_MAX:
        return text
    beginning = text[: QUOTE_CHARACTERS_MAX + 1]
    return beginning.rsplit(None, 1)[0] if " " in beginning else beginning[:-1]
