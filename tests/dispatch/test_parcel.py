"""Events come out of a message as they went in."""

import msgspec
import pytest

from understudy.dispatch.nats.parcel import Parcel, decode, encode
from understudy.runs.deltas import (
    arguments_delta,
    call_delta,
    code_call_delta,
    code_delta,
    image_delta,
    refusal_delta,
    text_delta,
)
from understudy.wire.events import EventData, EventId, EventName, RunEvent
from understudy.wire.objects.messages import Message, Text, TextContent
from understudy.wire.objects.steps import (
    CreatedMessage,
    MessageCreationDetails,
    RunStep,
    ToolCallsDetails,
)
from understudy.wire.objects.threads import Thread

from .tale import RUN

MESSAGE = Message(
    id="msg_1",
    created_at=1,
    thread_id="thread_1",
    role="assistant",
    status="completed",
    content=[TextContent(text=Text(value="Grüße 👋"))],
)


def step(details: MessageCreationDetails | ToolCallsDetails) -> RunStep:
    return RunStep(
        id="step_1",
        created_at=1,
        assistant_id="asst_1",
        thread_id="thread_1",
        run_id="run_1",
        type="tool_calls" if isinstance(details, ToolCallsDetails) else "message_creation",
        status="in_progress",
        step_details=details,
    )


EVENTS: list[tuple[EventName, EventData]] = [
    ("thread.created", Thread(id="thread_1", created_at=1, metadata={"a": "b"})),
    ("thread.run.created", RUN),
    ("thread.run.requires_action", RUN),
    ("thread.message.in_progress", MESSAGE),
    ("thread.message.completed", MESSAGE),
    ("thread.message.delta", text_delta("msg_1", 0, "Grüße 👋\u2028", first=True)),
    ("thread.message.delta", text_delta("msg_1", 0, "more", first=False)),
    ("thread.message.delta", refusal_delta("msg_1", 0, "no")),
    ("thread.message.delta", image_delta("msg_1", 1, "file_1")),
    (
        "thread.run.step.created",
        step(MessageCreationDetails(message_creation=CreatedMessage("msg_1"))),
    ),
    ("thread.run.step.completed", step(ToolCallsDetails())),
    ("thread.run.step.delta", call_delta("step_1", 0, "call_1", "f")),
    ("thread.run.step.delta", arguments_delta("step_1", 0, '{"a":')),
    ("thread.run.step.delta", code_call_delta("step_1", 1, "call_2")),
    ("thread.run.step.delta", code_delta("step_1", 1, "print(1)")),
]


@pytest.mark.parametrize(("name", "data"), EVENTS)
def test_every_kind_of_event_comes_out_as_it_went_in(name: EventName, data: EventData) -> None:
    width = 4 if name.endswith("delta") else 0
    event = RunEvent(attempt=2, position=9, name=name, data=data, width=width, resumed=bool(width))
    parcel = Parcel(EventId(1, 5), [event, event])
    assert decode(encode(parcel)) == parcel


def test_a_state_that_is_only_in_the_rows_is_named() -> None:
    parcel = Parcel(EventId(1, 5), [], only_in_rows=EventId(1, 6))
    assert decode(encode(parcel)) == parcel


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[1]", b'[1,2,[[1,3,"thread.unheard.of",0,false,{}]],null]'],
)
def test_what_no_process_of_ours_has_sent_is_refused(content: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode(content)
