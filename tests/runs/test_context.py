"""What the model reads: the thread, cut to fit, and this run's own turns."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.runs import context
from understudy.runs.citations import passages
from understudy.runs.context import ChatMessage, assemble, image_file_ids
from understudy.runs.happenings import MessageAbandoned
from understudy.wire.objects.messages import (
    Content,
    ImageFile,
    ImageFileContent,
    ImageUrl,
    ImageUrlContent,
    Message,
    RefusalContent,
    Role,
    Text,
    TextContent,
)
from understudy.wire.objects.tools import (
    FileSearchTool,
    FunctionDefinition,
    FunctionTool,
    TruncationStrategy,
)

from .playing import Play, function_call, new_run, said, search_call

PICTURE = ImageFileContent(ImageFile("file-1", "high"))


def message(*content: Content, role: Role = "user", run_id: str | None = None) -> Message:
    """Return a message of the thread."""
    return Message(
        id="msg_0",
        created_at=1,
        thread_id="thread_1",
        run_id=run_id,
        role=role,
        content=[*content],
    )


def thread(*texts: str) -> list[Message]:
    """Return a conversation, the user first."""
    return [
        message(*said(text), role="assistant" if number % 2 else "user")
        for number, text in enumerate(texts)
    ]


def read(
    messages: list[Message], *, tokens_max: int | None = None, **fields: Any
) -> list[ChatMessage]:
    """Return what the model reads of these messages before it has said anything."""
    return assemble(new_run(**fields), messages, (), {}, prompt_tokens_max=tokens_max)


def own_turns(play: Play) -> list[ChatMessage]:
    """Return what the model reads of its own run."""
    state = play.state
    written = [*play.messages.values()]
    return assemble(state.run, written, state.steps, {}, prompt_tokens_max=None)


def texts(messages: list[ChatMessage]) -> list[str]:
    return [one["content"] for one in messages]


def test_instructions_come_first_then_the_thread_in_its_order() -> None:
    """RUN-32."""
    assert read(thread("Hi", "Hello", "Bye"), instructions="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ]


@pytest.mark.parametrize("instructions", [None, ""])
def test_without_instructions_nothing_is_said_in_their_place(instructions: str | None) -> None:
    assert texts(read(thread("Hi"), instructions=instructions)) == ["Hi"]


def test_several_texts_of_a_message_are_joined_by_lines() -> None:
    both = message(*said("one"), *said("two"))
    assert texts(read([both])) == ["one\ntwo"]


def test_the_model_reads_its_refusals() -> None:
    """MSG-11."""
    declined = message(*said("Well."), RefusalContent("No."), role="assistant")
    assert texts(read([declined])) == ["Well.\nNo."]


def test_a_message_without_content_is_left_out() -> None:
    """MSG-14: another run's message that never got any text."""
    assert texts(read([message(*said("Hi")), message(role="assistant")])) == ["Hi"]


def test_pictures_go_to_the_model_with_their_detail() -> None:
    """MSG-05: uploaded ones as the URL that they can be read at."""
    linked = ImageUrlContent(ImageUrl("https://x.test/a.png", "low"))
    asked = message(*said("What is it?"), PICTURE, linked)
    (one,) = assemble(new_run(), [asked], (), {"file-1": "data:,x"}, prompt_tokens_max=None)
    assert one["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:,x", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
    ]


def test_a_picture_that_was_deleted_is_left_out() -> None:
    (one,) = read([message(*said("What is it?"), PICTURE)])
    assert one["content"] == [{"type": "text", "text": "What is it?"}]


def test_only_pictures_of_the_user_are_fetched() -> None:
    drawn = ImageFileContent(ImageFile("file-2"))
    assert image_file_ids([message(PICTURE), message(drawn, role="assistant")]) == {"file-1"}


@pytest.mark.parametrize(("keep", "expected"), [(1, ["c"]), (2, ["b", "c"]), (9, ["a", "b", "c"])])
def test_last_messages_keeps_so_many(keep: int, expected: list[str]) -> None:
    """RUN-31."""
    strategy = TruncationStrategy("last_messages", keep)
    assert texts(read(thread("a", "b", "c"), truncation_strategy=strategy)) == expected


def test_last_messages_counts_the_thread_and_not_this_run() -> None:
    """RUN-31: own calls and outputs stay, or the model could not go on."""
    play = Play(truncation_strategy=TruncationStrategy("last_messages", 1)).until_action()
    play.submit(call_1="12 C")
    state = play.state
    asked = assemble(state.run, thread("a", "b", "c"), state.steps, {}, prompt_tokens_max=None)
    assert [one["role"] for one in asked] == ["user", "assistant", "tool"]


LONG = "x" * 400


def test_a_thread_that_does_not_fit_loses_its_middle() -> None:
    """RUN-31: the beginning and the end of the conversation stay."""
    whole = thread("first", LONG, LONG, "last")
    assert texts(read(whole, tokens_max=50)) == ["first", "last"]
    assert texts(read(whole, tokens_max=150)) == ["first", LONG, "last"]


def test_the_latest_message_is_read_even_if_it_alone_is_too_long() -> None:
    """RUN-30: budgets are best effort."""
    assert texts(read(thread("first", LONG, "y" * 800), tokens_max=10)) == ["y" * 800]


@given(st.lists(st.integers(1, 60), max_size=12), st.integers(0, 200))
def test_truncation_keeps_order_the_last_message_and_the_budget(
    lengths: list[int], tokens_max: int
) -> None:
    """RUN-31."""
    whole = thread(*(f"{number:03}" + "x" * length for number, length in enumerate(lengths)))
    all_ = texts(read(whole))
    kept = texts(read(whole, tokens_max=tokens_max))
    assert kept == [text for text in all_ if text in set(kept)]
    assert kept[-1:] == all_[-1:]
    if len(kept) > 1:
        assert kept[0] == all_[0]
        assert sum(len(text) // 4 for text in kept) <= tokens_max


def test_own_calls_come_back_with_their_outputs_in_one_turn() -> None:
    """STEP-05: parallel calls of one turn, each output under its id."""
    calls = function_call("call_1", "get_weather", '{"a":1}'), function_call("call_2", "get_time")
    play = Play().until_action(*calls)
    play.submit(call_1="12 C", call_2="noon")
    assert own_turns(play) == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"a":1}'},
                },
                {
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "get_time", "arguments": "{}"},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "12 C"},
        {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
    ]


def test_text_before_calls_stands_in_the_same_turn() -> None:
    play = Play().until_message()
    play.start_calls(content=said("Let me see."))
    play.call(function_call("call_1"))
    play.submit(call_1="12 C")
    turns = own_turns(play)
    assert [turn["role"] for turn in turns] == ["assistant", "tool"]
    assert turns[0]["content"] == "Let me see."


def test_two_rounds_of_calls_are_two_turns() -> None:
    play = Play().until_action(function_call("call_1"))
    play.submit(call_1="one")
    play.claim()
    play.start_calls(2)
    play.call(function_call("call_2"))
    play.submit(call_2="two")
    roles = ["assistant", "tool", "assistant", "tool"]
    assert [turn["role"] for turn in own_turns(play)] == roles


def test_an_open_message_or_step_is_not_read() -> None:
    """A successor writes it anew."""
    assert own_turns(Play().until_message()) == []
    assert own_turns(Play().until_calls()) == []


def test_text_before_calls_that_are_still_open_is_said_again() -> None:
    """The successor of a dead worker asks the model for the whole turn once more."""
    play = Play().until_message()
    play.start_calls(content=said("Let me see."))
    play.claim()
    assert own_turns(play) == []


def test_a_message_that_was_given_up_takes_no_earlier_turn_with_it() -> None:
    """Round one; then a message is begun, its worker dies, and its successor calls instead."""
    play = Play().until_action(function_call("call_1"))
    play.submit(call_1="one")
    play.claim()
    play.start_message()
    play.claim()
    play.happen(MessageAbandoned())
    play.start_calls(2)
    play.call(function_call("call_2"))
    play.submit(call_2="two")
    turns = own_turns(play)
    assert [turn["role"] for turn in turns] == ["assistant", "tool", "assistant", "tool"]
    assert [turn["content"] for turn in turns] == [None, "one", None, "two"]


def test_text_in_parts_is_read_whole() -> None:
    parts = TextContent(Text("a")), ImageFileContent(ImageFile("file-3")), TextContent(Text("b"))
    assert texts(read([message(*parts, role="assistant")])) == ["a\nb"]


def test_a_picture_is_not_counted_by_its_bytes() -> None:
    """RUN-31: one picture must not push the conversation out of the window."""
    picture = {
        "type": "image_url",
        "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000},
    }
    shown = {"role": "user", "content": [{"type": "text", "text": "Look"}, picture]}
    assert context._tokens([shown]) == 1 + context.TOKENS_PER_IMAGE + context.TOKENS_AROUND


def test_own_searches_come_back_with_their_passages() -> None:
    """The model reads them in every later call of the run."""
    play = Play(tools=[FileSearchTool()]).until_calls()
    call = search_call("call_1", "It rains.", place=3)
    play.search(call)
    assert own_turns(play) == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "file_search", "arguments": '{"query":"what"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": passages(call.file_search)},
    ]


def test_searches_and_functions_of_one_turn_come_back_in_their_order() -> None:
    taken = FunctionTool(FunctionDefinition(name="file_search"))
    play = Play(tools=[taken, FileSearchTool()]).until_calls()
    play.call(search_call("call_1", "It rains."), function_call("call_2", "file_search"))
    play.submit(call_2="12 C")
    asked, found, output = own_turns(play)
    names = [call["function"]["name"] for call in asked["tool_calls"]]
    assert names == ["hosted_file_search", "file_search"]
    assert (found["tool_call_id"], output["content"]) == ("call_1", "12 C")
