"""Bytes of an answer into events: every dialect, and every way to split it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.upstream.base import Finished, ModelEvent, TextDelta, Usage
from understudy.upstream.reply import Reply

from .conversations import Heard, put_together
from .loopback import delta, sse


def call(
    index: int | None = None, call_id: str | None = None, name: str | None = None, args: Any = None
) -> dict[str, Any]:
    """Write a piece of a tool call, leaving out what is None."""
    function = {k: v for k, v in {"name": name, "arguments": args}.items() if v is not None}
    piece = {"index": index, "id": call_id, "function": function}
    return {k: v for k, v in piece.items() if v is not None}


def read(*pieces: bytes) -> tuple[Heard, str | None]:
    """Read a body and return the answer and why it failed, if it did."""
    reply = Reply()
    events: list[ModelEvent] = []
    for piece in pieces:
        events += [] if reply.over else reply.feed(piece)
    events += [] if reply.over else reply.end()
    return put_together(events), reply.failure.message if reply.failure else None


def heard(*chunks: Any, done: bool = True) -> Heard:
    """Return the answer that these chunks make."""
    answer, failure = read(sse(*chunks, done=done))
    assert failure is None
    return answer


def calls_of(*pieces: dict[str, Any], finish: str = "tool_calls") -> list[tuple[str, str]]:
    """Return names and arguments of the calls, each piece in a chunk of its own."""
    answer = heard(*[delta(tool_calls=[piece]) for piece in pieces], delta(finish))
    assert answer.finish == "tool_calls"
    assert len({call_id for call_id, _, _ in answer.calls}) == len(answer.calls)
    return [(name, arguments) for _, name, arguments in answer.calls]


ANSWERS = {
    "text": sse(
        delta(role="assistant", content=""),
        delta(content="Grüße"),
        delta(content=" aus\nOslo ☀"),
        delta("stop"),
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
    ),
    "crlf": sse(delta(content="a"), delta("stop", content="b")).replace(b"\n", b"\r\n"),
    "no space, comments, other fields, empty data": b": ping\n\nevent: x\nid: 7\n"
    b'data:{"choices":[{"delta":{"content":"a"}}]}\n\ndata:\n\n: ping\ndata: [DONE]',
    "calls": sse(
        delta(tool_calls=[call(0, "c1", "f", "")]),
        delta(tool_calls=[call(0, args='{"a":')]),
        delta(tool_calls=[call(0, args="1}")]),
        delta(tool_calls=[call(1, "c2", "g", "{}")]),
        delta("tool_calls"),
    ),
    "whole": json.dumps(
        {
            "choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1},
        }
    ).encode(),
    "error inside": sse(delta(content="so far"), {"error": {"message": "boom"}}),
    "malformed": sse(delta(content="so far"), "{oops"),
    "early end": sse(delta(content="so far"), done=False),
}


@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS.keys())
def test_any_split_gives_the_same_answer(body: bytes) -> None:
    """A body cut at every position, and into single bytes, reads as the whole one does."""
    expected = read(body)
    for position in range(len(body)):
        assert _without_count(read(body[:position], body[position:])) == _without_count(expected)
    single = read(*[body[i : i + 1] for i in range(len(body))])
    assert _without_count(single) == _without_count(expected)


def _without_count(result: tuple[Heard, str | None]) -> tuple[Any, ...]:
    answer, failure = result
    return (answer.text, answer.refusal, answer.calls, answer.usage, answer.finish, failure)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(), max_size=8), st.integers(1, 40))
def test_any_text_survives(texts: list[str], size: int) -> None:
    """Text comes out as it went in, whatever it is and however the bytes are cut."""
    chunks = [delta(content=text) for text in texts]
    body = sse(*[json.dumps(chunk, ensure_ascii=False) for chunk in chunks], delta("stop"))
    answer, failure = read(*[body[i : i + size] for i in range(0, len(body), size)])
    assert (answer.text, answer.finish, failure) == ("".join(texts), "stop", None)


def test_adjacent_text_of_one_read_is_one_delta() -> None:
    """What arrived together is told together, text before the finish."""
    reply = Reply()
    events = reply.feed(sse(delta(content="a"), delta(content="b"), delta("stop")))
    assert events == [TextDelta("ab"), Finished("stop")]


def test_usage_of_the_last_chunk_counts() -> None:
    """Usage in every chunk, as some servers send it, is kept from the last."""
    first, last = (
        {**delta(content="a"), "usage": {"prompt_tokens": 5, "completion_tokens": n}}
        for n in (1, 2)
    )
    assert heard(first, last, delta("stop")).usage == Usage(5, 2)


def test_usage_details_are_read_where_they_are() -> None:
    """Cached and reasoning tokens are optional, and null is nothing."""
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 8,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert heard(delta("stop"), {"choices": [], "usage": usage}).usage == Usage(9, 8, 4, 3)
    bare = {**usage, "prompt_tokens_details": None, "completion_tokens_details": {}}
    assert heard(delta("stop"), {"choices": [], "usage": bare}).usage == Usage(9, 8)


def test_missing_usage_is_no_event() -> None:
    """An answer without usage, or with null, has none."""
    assert heard({**delta("stop"), "usage": None}).usage is None


def test_refusals_are_kept_apart_from_text() -> None:
    """A refusal is its own kind of delta, and reasoning is not told."""
    answer = heard(delta(refusal="I can"), delta(refusal="not"), delta(reasoning_content="hm"))
    assert (answer.refusal, answer.text) == ("I cannot", "")


def test_content_in_parts_is_text() -> None:
    """Content as a list of parts (Mistral) gives the text parts."""
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "hi"}]
    assert heard(delta("stop", content=parts)).text == "hi"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("eos", "stop"),
        ("tool_calls", "stop"),
        (None, "stop"),
    ],
)
def test_finish_reasons_without_calls(sent: str | None, told: str) -> None:
    """Unknown reasons are an ordinary end, and so is [DONE] without a reason."""
    assert heard(delta(sent, content="x")).finish == told


def test_done_without_reason_after_calls_is_tool_calls() -> None:
    """[DONE] alone, or "stop", after calls means that the calls are to be made."""
    assert heard(delta(tool_calls=[call(0, "c", "f", "{}")])).finish == "tool_calls"
    assert heard(delta("stop", tool_calls=[call(0, "c", "f", "{}")])).finish == "tool_calls"


def test_calls_as_openai_sends_them() -> None:
    """Id and name once, then pieces of the arguments."""
    pieces = [call(0, "a", "f", ""), call(0, args='{"x"'), call(0, args=":1}")]
    assert calls_of(*pieces, call(1, "b", "g", ""), call(1, args="{}")) == [
        ("f", '{"x":1}'),
        ("g", "{}"),
    ]


def test_interleaved_calls_are_kept_apart() -> None:
    """Pieces of two calls may come in turns."""
    pieces = [call(0, "a", "f", "{"), call(1, "b", "g", "{"), call(0, args="}"), call(1, args=" }")]
    assert calls_of(*pieces) == [("f", "{}"), ("g", "{ }")]


def test_gaps_in_the_indexes_are_closed() -> None:
    """Our indexes count from 0 without gaps, whatever the server's do."""
    assert calls_of(call(3, "a", "f", "{}"), call(7, "b", "g", "{}"), call(7, args=" ")) == [
        ("f", "{}"),
        ("g", "{} "),
    ]


@pytest.mark.parametrize("ids", [("a", "b"), (None, None), ("", ""), ("same", "same")])
def test_whole_calls_that_all_have_index_0(ids: tuple[str | None, str | None]) -> None:
    """Ollama: whole calls, all with index 0; ids distinct, missing, empty or equal."""
    pieces = [call(0, ids[0], "f", '{"n":1}'), call(0, ids[1], "f", '{"n":2}')]
    assert calls_of(*pieces) == [("f", '{"n":1}'), ("f", '{"n":2}')]


def test_equal_ids_with_distinct_indexes_are_distinct_calls() -> None:
    """A server that gives two calls one id: the second gets another."""
    assert calls_of(call(0, "same", "f", "{}"), call(1, "same", "f", "{"), call(1, args="}")) == [
        ("f", "{}"),
        ("f", "{}"),
    ]


@pytest.mark.parametrize("index", [0, None])
def test_id_and_name_on_every_piece(index: int | None) -> None:
    """Repeated id and name are told once."""
    pieces = [call(index, "a", "f", piece) for piece in ("", '{"x"', ":1}", "")]
    assert calls_of(*pieces) == [("f", '{"x":1}')]


def test_a_fresh_id_on_every_piece() -> None:
    """Older vLLM: each piece has an id of its own; the first one counts."""
    pieces = [call(0, "a", "f", "{"), call(0, "b", args='"x":'), call(0, "c", args="1}")]
    assert calls_of(*pieces) == [("f", '{"x":1}')]


def test_pieces_without_index() -> None:
    """Without indexes, a piece without id or name belongs to the latest call."""
    pieces = [call(None, "a", "f", "{"), call(args="}"), call(None, "b", "g", ""), call(args="{}")]
    assert calls_of(*pieces) == [("f", "{}"), ("g", "{}")]


def test_name_after_id() -> None:
    """A call is told from the moment that its name is known, with all arguments so far."""
    assert calls_of(call(0, "a", args="{"), call(0, name="f", args="}")) == [("f", "{}")]


def test_arguments_as_an_object_or_not_at_all() -> None:
    """Arguments as an object become text; none become the empty object."""
    assert calls_of(call(0, "a", "f", {"x": 1}), call(1, "b", "g")) == [
        ("f", '{"x":1}'),
        ("g", "{}"),
    ]


def test_legacy_function_call() -> None:
    """The function_call of 2023 is a tool call."""
    pieces = [{"name": "f", "arguments": "{"}, {"arguments": "}"}]
    answer = heard(*[delta(function_call=piece) for piece in pieces], delta("function_call"))
    assert answer.finish == "tool_calls"
    assert [c[1:] for c in answer.calls] == [["f", "{}"]]


@pytest.mark.parametrize("finish", ["tool_calls", "stop", None])
def test_whole_completion_instead_of_a_stream(finish: str | None) -> None:
    """A server that ignores "stream" is understood, tool calls included."""
    message = {"role": "assistant", "content": "t", "tool_calls": [call(None, "a", "f", "{}")]}
    body = {"choices": [{"message": message, "finish_reason": finish}], "usage": {}}
    answer, failure = read(b"\n " + json.dumps(body, indent=1).encode())
    assert failure is None
    assert (answer.text, answer.finish, answer.calls) == ("t", "tool_calls", [["a", "f", "{}"]])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (sse(delta(content="x"), done=False), "ended the stream early"),
        (b"", "ended the stream early"),
        (b'{"status":"ok"}', "ended the stream early"),
        (b'{"choices":[{"mess', "sent a malformed chunk"),
        (sse("{oops"), "sent a malformed chunk"),
        (sse('{"choices": 5}'), "sent a malformed chunk"),
        (b"data: \xff\xfe\n\n", "sent a malformed chunk"),
        (sse({"error": {"message": "boom", "code": 500}}), "broke off with an error: boom"),
        (sse({"error": "boom"}), "broke off with an error: boom"),
        (sse({"object": "error", "message": "boom", "code": 400}), "with an error: boom"),
        (sse(delta("error")), "finished with an error"),
        (sse(delta("stop", tool_calls=[call(0, "a", args="{}")])), "without a name"),
    ],
)
def test_what_cannot_be_read_fails(body: bytes, message: str) -> None:
    """RUN-1A: a broken answer ends with a reason and never with Finished."""
    answer, failure = read(body)
    assert answer.finish is None
    assert failure is not None
    assert message in failure


def test_rate_limit_inside_the_stream_is_told_as_such() -> None:
    """An error chunk with a rate limit's code ends as rate_limit_exceeded would."""
    reply = Reply()
    reply.feed(sse({"error": {"message": "slow down", "code": 429}}))
    assert reply.failure is not None
    assert reply.failure.rate_limited


def test_reason_without_done_is_a_whole_answer() -> None:
    """The body may end after finish_reason without [DONE]."""
    assert heard(delta("stop", content="x"), done=False).finish == "stop"


def test_an_endless_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without end is not kept in memory for ever."""
    monkeypatch.setattr("understudy.upstream.sse.LINE_BYTES_MAX", 100)
    answer, failure = read(b"data: " + b"x" * 60, b"x" * 60)
    assert answer.finish is None
    assert failure == "sent a line longer than 100 bytes"
