"""Random runs: turns of a model, played the way a worker plays them, with all ways to end."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import strategies as st
from msgspec import Struct

from understudy.runs.happenings import (
    Answered,
    BudgetSpent,
    Cancelled,
    CancelRequested,
    Expired,
    Failed,
    FunctionsCalled,
    Happening,
    HostedToolsRan,
    ToolOutputsSubmitted,
)
from understudy.wire.objects.messages import Content
from understudy.wire.objects.runs import LastError, RunIncompleteReason
from understudy.wire.objects.steps import CodeInterpreterToolCall, FileSearchToolCall, ToolCall

from .playing import (
    IMAGE,
    MARKER,
    SPENT,
    Play,
    code_call,
    declined,
    function_call,
    pictured,
    search_call,
    told_call,
    told_charts,
    told_code,
    told_outputs,
    told_refusal,
    told_search,
    told_text,
)

# Code points of one, two and four bytes: positions count code points.
TEXTS = st.text(alphabet="aé🙂 ", min_size=1, max_size=12)
CITING_TEXTS = st.lists(TEXTS | st.just("【1:0†source】"), min_size=1, max_size=4).map("".join)


class Turn(Struct, frozen=True):
    """What the model says and calls in one go, the pieces as it was cut, and what comes of it."""

    text: str
    refusal: str
    calls: tuple[str, ...]
    end: str
    cuts: tuple[int, ...]
    crashes: bool
    searches: int = 0
    # Code and outputs of each cell; an empty output is an image.
    cells: tuple[tuple[str, tuple[str, ...]], ...] = ()
    charts: int = 0

    @property
    def is_calling(self) -> bool:
        return bool(self.calls or self.searches or self.cells)

    @property
    def content(self) -> tuple[Content, ...]:
        said = declined(self.text, self.refusal)
        return (*pictured(self.charts), *said) if said else ()


@st.composite
def turns(draw: st.DrawFn) -> Turn:
    """Draw a turn."""
    text = draw(st.just("") | TEXTS | CITING_TEXTS)
    refusal = draw(st.just("") | TEXTS) if not text or draw(st.booleans()) else ""
    calls = tuple(draw(st.lists(TEXTS, max_size=2)))
    searches = draw(st.integers(0, 2))
    outputs = st.lists(TEXTS | st.just(IMAGE), max_size=4).map(tuple)
    cells = tuple(draw(st.lists(st.tuples(st.just("") | TEXTS, outputs), max_size=2)))
    end = draw(st.sampled_from(["done", "done", "done", "cut", "cancel", "expire", "fail"]))
    return Turn(
        text=text,
        refusal=refusal,
        calls=calls,
        end=end,
        cuts=tuple(draw(st.lists(st.integers(1, 12), max_size=3))),
        crashes=bool(calls or searches or cells or text or refusal) and draw(st.booleans()),
        searches=searches,
        cells=cells,
        charts=draw(st.integers(0, 2)),
    )


def pieces(text: str, cuts: Sequence[int]) -> list[str]:
    """Return the text cut at these places, but in no marker, and around each marker."""
    markers = [found.span() for found in MARKER.finditer(text)]
    inside = {place for start, end in markers for place in range(start + 1, end)}
    around = {place for span in markers for place in span}
    places = {0, len(text), *around, *(cut for cut in cuts if cut < len(text))} - inside
    return [text[a:b] for a, b in pairwise(sorted(places))]


def played(turns: Sequence[Turn]) -> Play:
    """Return the run after these turns, each answered by the client while there is one."""
    play = Play()
    for number, turn in enumerate(turns):
        if play.state.run.status == "queued":
            play.claim()
        _speak(play, number, turn)
        if turn.crashes:
            play.crash()
            play.claim()
            _rebuild(play, number, turn)
        _end(play, number, turn)
        if play.state.run.status == "requires_action":
            outputs = dict.fromkeys(_call_ids(number, turn), "out")
            play.happen(ToolOutputsSubmitted(outputs=outputs))
        elif play.state.run.status != "in_progress":
            break
    return play


def _call_ids(number: int, turn: Turn) -> list[str]:
    return [f"call_{number}_{index}" for index in range(len(turn.calls))]


def _searches(number: int, turn: Turn) -> list[FileSearchToolCall]:
    return [search_call(f"call_s{number}_{index}", "found") for index in range(turn.searches)]


def _cells(number: int, turn: Turn) -> list[CodeInterpreterToolCall]:
    return [
        code_call(f"call_c{number}_{index}", code, *outputs)
        for index, (code, outputs) in enumerate(turn.cells)
    ]


def _speak(play: Play, number: int, turn: Turn) -> None:
    if turn.text or turn.refusal:
        play.start_message(number)
        _tell_message(play, turn, turn.cuts)
    if turn.is_calling:
        play.start_calls(number, content=turn.content)
        _tell_calls(play, number, turn, turn.cuts)


def _tell_message(play: Play, turn: Turn, cuts: Sequence[int], *, resumed: bool = False) -> None:
    told_charts(play, turn.charts, resumed=resumed)
    told_text(play, pieces(turn.text, cuts), index=turn.charts, resumed=resumed)
    index = turn.charts + (1 if turn.text else 0)
    told_refusal(play, index, pieces(turn.refusal, cuts), resumed=resumed)


def _tell_calls(
    play: Play, number: int, turn: Turn, cuts: Sequence[int], *, resumed: bool = False
) -> None:
    ids = _call_ids(number, turn)
    for index, (call_id, arguments) in enumerate(zip(ids, turn.calls, strict=True)):
        call = function_call(call_id, arguments=arguments)
        parts = pieces(arguments, cuts)
        told_call(play, f"step_t{number}", index, call, parts, resumed=resumed)
    for index, search in enumerate(_searches(number, turn), start=len(ids)):
        told_search(play, f"step_t{number}", index, search, resumed=resumed)
    _tell_cells(play, number, turn, cuts, resumed=resumed)


def _tell_cells(play: Play, number: int, turn: Turn, cuts: Sequence[int], *, resumed: bool) -> None:
    step_id = f"step_t{number}"
    cells = zip(turn.cells, _cells(number, turn), strict=True)
    for index, ((code, outputs), call) in enumerate(cells, start=len(turn.calls) + turn.searches):
        told_code(play, step_id, index, call.id, pieces(code, cuts), resumed=resumed)
        told_outputs(play, step_id, index, outputs, resumed=resumed)


def _rebuild(play: Play, number: int, turn: Turn) -> None:
    """Tell the open object again, cut elsewhere, as the worker does who takes over.

    What was said before calls is complete already, and passed over.
    """
    if turn.is_calling:
        _tell_calls(play, number, turn, turn.cuts[:1], resumed=True)
        return
    _tell_message(play, turn, turn.cuts[:1], resumed=True)


def _end(play: Play, number: int, turn: Turn) -> None:
    if turn.end == "cancel":
        play.happen(CancelRequested())
    play.happen(_outcome(number, turn))


def _outcome(number: int, turn: Turn) -> Happening:
    # What was said before calls was committed when they began.
    content = () if turn.is_calling else turn.content
    calls = _calls(number, turn)
    if turn.end != "done":
        return _cut_off(turn.end, content, calls)
    if turn.calls:
        return FunctionsCalled(calls=calls, usage=SPENT)
    if calls:
        return HostedToolsRan(calls=calls, usage=SPENT)
    return Answered(content=content, usage=SPENT)


def _cut_off(end: str, content: tuple[Content, ...], calls: tuple[ToolCall, ...]) -> Happening:
    if end == "cancel":
        return Cancelled(content=content, calls=calls)
    if end == "expire":
        return Expired(content=content, calls=calls)
    if end == "fail":
        return Failed(error=LastError("server_error", "no"), content=content, calls=calls)
    reason: RunIncompleteReason = "max_completion_tokens"
    return BudgetSpent(reason=reason, content=content, usage=SPENT, calls=calls)


def _calls(number: int, turn: Turn) -> tuple[ToolCall, ...]:
    arguments = zip(_call_ids(number, turn), turn.calls, strict=True)
    calls = [function_call(one, arguments=text) for one, text in arguments]
    return (*calls, *_searches(number, turn), *_cells(number, turn))
