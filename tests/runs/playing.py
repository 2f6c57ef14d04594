"""A run in memory: what happens to it goes in, what its clients are told comes out."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from understudy.runs import journal
from understudy.runs.cells import CellOutputs, width_of_output
from understudy.runs.deltas import (
    annotated_delta,
    arguments_delta,
    call_delta,
    code_call_delta,
    code_delta,
    image_delta,
    output_delta,
    refusal_delta,
    search_delta,
    text_delta,
)
from understudy.runs.happenings import (
    Answered,
    Claimed,
    FunctionsCalled,
    Happening,
    HostedToolsRan,
    MessageStarted,
    ToolCallsStarted,
    ToolOutputsSubmitted,
)
from understudy.runs.machine import apply, create
from understudy.runs.state import RunChange, RunState, after
from understudy.runs.transcript import Story, unseen
from understudy.wire.deltas import (
    CodeInterpreterToolCallDelta,
    FileSearchToolCallDelta,
    FunctionToolCallDelta,
    ImageFileContentDelta,
    LogsOutputDelta,
    MessageDelta,
    RefusalContentDelta,
    StepDelta,
    TextContentDelta,
    ToolCallDelta,
)
from understudy.wire.events import BEGINNING, EventId, EventName, RunEvent
from understudy.wire.objects.messages import (
    Annotation,
    Content,
    FileCitation,
    FileCitationAnnotation,
    ImageFile,
    ImageFileContent,
    Message,
    RefusalContent,
    Text,
    TextContent,
)
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import (
    CodeInterpreterCall,
    CodeInterpreterToolCall,
    FileSearchCall,
    FileSearchToolCall,
    FunctionCall,
    FunctionToolCall,
    RunStep,
    SearchResult,
    SearchResultText,
    ToolCall,
)
from understudy.wire.objects.threads import Thread
from understudy.wire.objects.usage import Usage

BEGAN_AT = 1_700_000_000
DEADLINE = BEGAN_AT + 600
THREAD = Thread(id="thread_1", created_at=BEGAN_AT)
MARKER = re.compile(r"【[0-9]+:[0-9]+†source】")
SPENT = Usage(prompt_tokens=20, completion_tokens=5, total_tokens=25)


def new_run(**fields: Any) -> Run:
    """Return a run that has just been asked for."""
    return Run(
        id="run_1",
        created_at=BEGAN_AT,
        assistant_id="asst_1",
        thread_id="thread_1",
        model="gpt-4o",
        expires_at=DEADLINE,
        **fields,
    )


def said(text: str) -> tuple[Content, ...]:
    """Return the content of a message, whose markers all stand for something."""
    return (TextContent(Text(text, cited(text))),) if text else ()


def pictured(number: int) -> tuple[Content, ...]:
    """Return so many charts, with which a message begins."""
    return tuple(ImageFileContent(ImageFile(f"file-{one}")) for one in range(number))


def cited(text: str) -> list[Annotation]:
    """Return the annotations of a text."""
    return [citation(found[0], found.start()) for found in MARKER.finditer(text)]


def citation(marker: str, start: int) -> FileCitationAnnotation:
    """Return the annotation of a marker that begins there."""
    return FileCitationAnnotation(
        text=marker,
        start_index=start,
        end_index=start + len(marker),
        file_citation=FileCitation("file-1", "a passage"),
    )


def declined(text: str, refusal: str) -> tuple[Content, ...]:
    """Return the content of a message with which the model declines."""
    return (*said(text), RefusalContent(refusal)) if refusal else said(text)


def function_call(call_id: str, name: str = "f", arguments: str = "{}") -> FunctionToolCall:
    """Return a call that waits for its output."""
    return FunctionToolCall(id=call_id, function=FunctionCall(name=name, arguments=arguments))


def search_call(call_id: str, *texts: str, place: int = 1) -> FileSearchToolCall:
    """Return a search that has found passages with these texts."""
    results = [
        SearchResult(
            file_id=f"file-{number}",
            file_name=f"{number}.txt",
            score=0.5,
            content=[SearchResultText(text=text)],
        )
        for number, text in enumerate(texts)
    ]
    search = FileSearchCall(results=results, query="what", place=place)
    return FileSearchToolCall(id=call_id, file_search=search)


IMAGE = ""


def code_call(call_id: str, code: str, *outputs: str) -> CodeInterpreterToolCall:
    """Return a cell that has given these outputs; an empty one is an image."""
    made = CellOutputs()
    for output in outputs:
        _ = made.add_text(output) if output else made.add_image("file-1")
    cell = CodeInterpreterCall(input=code, outputs=made.whole)
    return CodeInterpreterToolCall(id=call_id, code_interpreter=cell)


class Play:
    """Applies happenings one after the other, a second apart, and keeps what follows."""

    def __init__(self, **fields: Any) -> None:
        run = new_run(**fields)
        created = create(run, DEADLINE)
        self.now = BEGAN_AT
        self.state = RunState(run=run, position=created.position, deadline=DEADLINE)
        self.events: list[RunEvent] = [*created.events]
        self.steps: dict[str, RunStep] = {}
        self.messages: dict[str, Message] = {}
        self.lines = journal.write(created.events)
        self._kept = self.state

    def happen(self, happening: Happening, *, seconds: int = 1) -> RunChange:
        """Let it happen after so many seconds, and keep the change."""
        self.now += seconds
        change = apply(self.state, happening, self.now)
        self.state = self._kept = after(self.state, change)
        self.events += change.events
        self.steps |= {step.id: step for step in change.steps}
        self.messages |= {message.id: message for message in change.messages}
        self.lines += journal.write(change.events)
        return change

    def crash(self) -> None:
        """Forget what was told but never committed, as a killed worker does."""
        self.state = self._kept

    def tell(
        self, name: EventName, data: MessageDelta | StepDelta, width: int, *, resumed: bool = False
    ) -> None:
        """Tell a delta."""
        position = self.state.position + width
        self.state = replace(self.state, position=position)
        event = RunEvent(
            attempt=self.state.attempt,
            position=position,
            name=name,
            data=data,
            width=width,
            resumed=resumed,
        )
        self.events.append(event)

    def claim(self) -> RunChange:
        """Let a worker take the run."""
        return self.happen(Claimed(lease_until=float(self.now + 15)))

    def start_message(self, number: int = 1) -> RunChange:
        """Let the model begin a message."""
        return self.happen(MessageStarted(message_id=f"msg_{number}", step_id=f"step_m{number}"))

    def start_calls(self, number: int = 1, *, content: tuple[Content, ...] = ()) -> RunChange:
        """Let the model begin a tool call, after it has said something or nothing."""
        return self.happen(ToolCallsStarted(step_id=f"step_t{number}", content=content))

    def call(self, *calls: ToolCall) -> RunChange:
        """End the model's turn with these calls."""
        return self.happen(FunctionsCalled(calls=calls, usage=SPENT))

    def search(self, *calls: FileSearchToolCall | CodeInterpreterToolCall) -> RunChange:
        """End the model's turn with these calls of hosted tools, which have been made."""
        return self.happen(HostedToolsRan(calls=calls, usage=SPENT))

    def submit(self, **outputs: str) -> RunChange:
        """Let the client send outputs."""
        return self.happen(ToolOutputsSubmitted(outputs=outputs))

    def answer(self, text: str) -> RunChange:
        """End the model's turn with a message."""
        return self.happen(Answered(content=said(text), usage=SPENT))

    def until_message(self) -> "Play":
        """Go on until a message is open."""
        self.claim()
        self.start_message()
        return self

    def until_calls(self) -> "Play":
        """Go on until a tool step is open."""
        self.claim()
        self.start_calls()
        return self

    def until_action(self, *calls: ToolCall) -> "Play":
        """Go on until the client is asked for outputs."""
        self.until_calls().call(*(calls or [function_call("call_1")]))
        return self

    def story(self) -> Story:
        """Return what the rows hold."""
        return Story(
            run=self.state.run,
            thread=THREAD,
            deadline=DEADLINE,
            journal=journal.read(self.lines),
            steps=self.steps,
            messages=self.messages,
        )


def names(events: Iterable[RunEvent]) -> list[str]:
    """Return the names, without the prefix that all have."""
    return [event.name.removeprefix("thread.") for event in events]


class Listener:
    """A client: takes events, skips what it has seen, joins the deltas."""

    def __init__(self, at: EventId = BEGINNING) -> None:
        self.at = at
        self.told: list[tuple[str, str]] = []
        self.texts: dict[tuple[str, int, str], str] = {}

    def listen(self, events: Iterable[RunEvent]) -> "Listener":
        """Take the events, as ``operations.streams`` would hand them on."""
        for event in events:
            rest = unseen(event, self.at)
            if rest is not None:
                self.at = rest.id
                self._hear(rest)
        return self

    def _hear(self, event: RunEvent) -> None:
        entry = (event.name, event.data.id)
        if not event.width or not self.told or self.told[-1] != entry:
            self.told.append(entry)
        if event.width:
            place, text = piece(event)
            self.texts[place] = self.texts.get(place, "") + text
            for number, start in annotated(event):
                place = (place[0], place[1], "annotations")
                self.texts[place] = self.texts.get(place, "") + f"{number} at {start};"


def annotated(event: RunEvent) -> list[tuple[int, int]]:
    """Return index and beginning of each annotation that a delta brings."""
    part = event.data.delta.content[0] if isinstance(event.data, MessageDelta) else None
    annotations = part.text.annotations if isinstance(part, TextContentDelta) else None
    return [(one.index, one.start_index) for one in annotations or ()]


def piece(event: RunEvent) -> tuple[tuple[str, int, str], str]:
    """Return where a delta belongs and what it adds."""
    if isinstance(event.data, MessageDelta):
        part = event.data.delta.content[0]
        if isinstance(part, TextContentDelta):
            return (event.data.id, part.index, "text"), part.text.value
        if isinstance(part, ImageFileContentDelta):
            return (event.data.id, part.index, "image"), part.image_file.file_id
        assert isinstance(part, RefusalContentDelta)
        return (event.data.id, part.index, "refusal"), part.refusal
    assert isinstance(event.data, StepDelta)
    return _piece_of_call(event.data.id, event.data.delta.step_details.tool_calls[0])


def _piece_of_call(step_id: str, call: ToolCallDelta) -> tuple[tuple[str, int, str], str]:
    if isinstance(call, FileSearchToolCallDelta):
        assert isinstance(call.id, str)
        return (step_id, call.index, "search"), call.id
    if isinstance(call, CodeInterpreterToolCallDelta):
        return _piece_of_cell(step_id, call)
    assert isinstance(call, FunctionToolCallDelta)
    if isinstance(call.function.name, str):
        return (step_id, call.index, "name"), call.function.name
    assert isinstance(call.function.arguments, str)
    return (step_id, call.index, "arguments"), call.function.arguments


def _piece_of_cell(
    step_id: str, call: CodeInterpreterToolCallDelta
) -> tuple[tuple[str, int, str], str]:
    cell = call.code_interpreter
    if isinstance(call.id, str):
        return (step_id, call.index, "cell"), call.id
    if not cell.outputs:
        return (step_id, call.index, "code"), str(cell.input)
    (output,) = cell.outputs
    place = (step_id, call.index, f"output {output.index}")
    return place, output.logs if isinstance(output, LogsOutputDelta) else output.image.file_id


def told_charts(play: Play, number: int, *, resumed: bool = False) -> None:
    """Tell the charts that the open message begins with."""
    message = play.state.open_message
    assert message is not None
    for index in range(number):
        delta = image_delta(message.id, index, f"file-{index}")
        play.tell("thread.message.delta", delta, 1, resumed=resumed)


def told_text(play: Play, pieces: Sequence[str], *, index: int = 0, resumed: bool = False) -> None:
    """Tell pieces of the open message's text; a piece that is a marker is a citation."""
    message = play.state.open_message
    assert message is not None
    length, citations = 0, 0
    for value in pieces:
        if MARKER.fullmatch(value):
            delta = annotated_delta(message.id, index, citations, citation(value, length))
            citations += 1
        else:
            delta = text_delta(message.id, index, value, first=not length)
        length += len(value)
        play.tell("thread.message.delta", delta, len(value), resumed=resumed)


def told_refusal(play: Play, index: int, pieces: Sequence[str], *, resumed: bool = False) -> None:
    """Tell pieces of the open message's refusal."""
    message = play.state.open_message
    assert message is not None
    for value in pieces:
        delta = refusal_delta(message.id, index, value)
        play.tell("thread.message.delta", delta, len(value), resumed=resumed)


def told_call(
    play: Play,
    step_id: str,
    index: int,
    call: FunctionToolCall,
    pieces: Sequence[str],
    *,
    resumed: bool = False,
) -> None:
    """Tell a call of the open tool step: its name, then its arguments."""
    header = call_delta(step_id, index, call.id, call.function.name)
    play.tell("thread.run.step.delta", header, 1, resumed=resumed)
    for value in pieces:
        piece_ = arguments_delta(step_id, index, value)
        play.tell("thread.run.step.delta", piece_, len(value), resumed=resumed)


def told_search(
    play: Play, step_id: str, index: int, call: FileSearchToolCall, *, resumed: bool = False
) -> None:
    """Tell that a search of the open tool step has begun."""
    delta = search_delta(step_id, index, call)
    play.tell("thread.run.step.delta", delta, 1, resumed=resumed)


def told_code(
    play: Play, step_id: str, index: int, call_id: str, pieces: Sequence[str], *, resumed: bool
) -> None:
    """Tell that a cell of the open tool step has begun, and its code."""
    header = code_call_delta(step_id, index, call_id)
    play.tell("thread.run.step.delta", header, 1, resumed=resumed)
    for value in pieces:
        delta = code_delta(step_id, index, value)
        play.tell("thread.run.step.delta", delta, len(value), resumed=resumed)


def told_outputs(
    play: Play, step_id: str, index: int, outputs: Sequence[str], *, resumed: bool
) -> None:
    """Tell what has come out of a cell; an empty output is an image."""
    made = CellOutputs()
    for output in outputs:
        delta = made.add_text(output) if output else made.add_image("file-1")
        piece_ = output_delta(step_id, index, delta)
        play.tell("thread.run.step.delta", piece_, width_of_output(delta), resumed=resumed)
