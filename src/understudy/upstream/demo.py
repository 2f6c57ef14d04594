"""The built-in upstream: it shows that everything works, and never claims to be a language model.

It is deterministic: the same request is answered with the same words and the same call ids. In this
order, the first that applies:

- after tool outputs: it answers from the passages of ``file_search``, quoting the sentences that
  have most in common with the question, each with its marker; it shows what came out of code, with
  links to the files that it has made; and it repeats all other outputs;
- ``tool_choice`` names a function: it calls that, with the arguments of its ``/call`` line or else
  with the least that the function's schema accepts; ``required`` takes the first one offered;
- lines ``/call name {json}`` in the last user message: it calls these functions, all at once unless
  ``parallel_tool_calls`` is false, then the first of them;
- a JSON ``response_format``: it sends the least that the schema accepts;
- it is offered ``code_interpreter`` and has not called anything for this message: it runs the
  fenced ``python`` block of the message, or describes and plots the first CSV file that there is;
- it is offered ``file_search`` and has not called anything for this message: it searches the files
  for the text of the message;
- otherwise: it quotes what it received and says how to attach a model.

Tokens are counted by ``counting.py``; ``max_completion_tokens`` is obeyed by that count.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec

from understudy.upstream import demo_code
from understudy.upstream.base import (
    Finished,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    TextDelta,
)
from understudy.upstream.conversation import (
    ToolOutput,
    call_id,
    has_tool_outputs,
    images_in_last_user_message,
    is_after_tools,
    last_user_text,
    latest_tool_outputs,
    offered_functions,
    whole_text,
)
from understudy.upstream.passages import passages_in
from understudy.upstream.playback import Call, Delta, call_deltas, counted, cut, in_words
from understudy.upstream.quoting import best_quotes
from understudy.upstream.schema_instance import minimal_instance

_CALL_LINE = re.compile(r"^\s*/call\s+(\S+)[ \t]*(.*?)\s*$", re.MULTILINE)
_SEARCH = "file_search"
_QUOTE_MAX = 1000
_HONESTY = "This is Understudy's built-in demo, not a language model"
_ATTACH = (
    "To have a model answer, set UNDERSTUDY_UPSTREAM_URL to an OpenAI-compatible endpoint, "
    "such as http://127.0.0.1:11434/v1, and restart the server."
)


class Demo:
    """Answers every request from what stands in it; ``word_seconds`` is waited before each word."""

    def __init__(self, *, word_seconds: float = 0) -> None:
        self._word_seconds = word_seconds

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """Answer in words, one to a batch; see the port and the top of this file."""
        answer, is_short = cut(_answer(request), request.max_completion_tokens)
        for delta in answer:
            await asyncio.sleep(self._word_seconds)
            yield (delta,)
        calls = any(not isinstance(delta, TextDelta) for delta in answer)
        reason = Finished("length" if is_short else "tool_calls" if calls else "stop")
        yield (counted(whole_text(request.messages), answer), reason)

    async def models(self) -> Sequence[ModelInfo]:
        """Return the one name that it answers to."""
        return (ModelInfo("demo", "understudy"),)

    async def close(self) -> None:
        """Nothing is open."""


def _answer(request: ModelRequest) -> list[Delta]:
    if is_after_tools(request.messages):
        return _words(_about_outputs(request))
    if calls := _calls(request):
        return list(call_deltas(calls))
    if (instance := _json_instance(request)) is not None:
        return _words(instance)
    if demo_code.is_to_run(request):
        call = Call(call_id(request, 0), demo_code.TOOL, demo_code.arguments(request))
        return list(call_deltas([call]))
    if _is_to_search(request):
        return list(call_deltas([Call(call_id(request, 0), _SEARCH, _query(request))]))
    return _words(_about_request(request))


def _words(text: str) -> list[Delta]:
    return [TextDelta(word) for word in in_words(text)]


def _calls(request: ModelRequest) -> list[Call]:
    offered = offered_functions(request)
    if request.tool_choice == "none" or not offered:
        return []
    wanted = [(name, text) for name, text in _call_lines(request) if name in offered]
    if isinstance(request.tool_choice, dict):
        forced = request.tool_choice.get("function", {}).get("name", next(iter(offered)))
        wanted = [line for line in wanted if line[0] == forced][:1] or [(forced, "")]
    elif request.tool_choice == "required" and not wanted:
        wanted = [(next(iter(offered)), "")]
    if request.parallel_tool_calls is False:
        wanted = wanted[:1]
    return [
        Call(call_id(request, number), name, text or _own_arguments(request, name))
        for number, (name, text) in enumerate(wanted)
    ]


def _call_lines(request: ModelRequest) -> list[tuple[str, str]]:
    """Return the well-formed ``/call`` lines: names, and arguments or nothing."""
    lines = _CALL_LINE.findall(last_user_text(request.messages))
    return [(name, text) for name, text in lines if not text or _is_json_object(text)]


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except msgspec.DecodeError:
        return False


def _is_to_search(request: ModelRequest) -> bool:
    """Return whether the message is a question to the files that has not been looked up yet."""
    text = last_user_text(request.messages)
    return (
        _offers_search(request)
        and request.tool_choice != "none"
        and not has_tool_outputs(request.messages)
        and bool(text.strip())
        and not _CALL_LINE.search(text)
    )


def _offers_search(request: ModelRequest) -> bool:
    return "query" in offered_functions(request).get(_SEARCH, {}).get("properties", {})


def _query(request: ModelRequest) -> str:
    return json.dumps({"query": last_user_text(request.messages)}, ensure_ascii=False)


def _own_arguments(request: ModelRequest, name: str) -> str:
    """Return what a function is called with when the message does not say."""
    if name == _SEARCH and _offers_search(request):
        return _query(request)
    if name == demo_code.TOOL:
        return demo_code.arguments(request)
    return _arguments(offered_functions(request).get(name))


def _arguments(schema: Any) -> str:
    instance = minimal_instance({"type": "object", **(schema or {})})
    return json.dumps(instance, ensure_ascii=False)


def _json_instance(request: ModelRequest) -> str | None:
    wanted = request.response_format or {}
    if wanted.get("type") == "json_object":
        received = {"demo": True, "received": last_user_text(request.messages)}
        return json.dumps(received, ensure_ascii=False)
    if wanted.get("type") == "json_schema":
        schema = wanted.get("json_schema", {}).get("schema") or {"type": "object"}
        return json.dumps(minimal_instance(schema), ensure_ascii=False)
    return None


def _about_outputs(request: ModelRequest) -> str:
    outputs = latest_tool_outputs(request.messages)
    found = [output for output in outputs if output.name == _SEARCH]
    ran = [output for output in outputs if output.name == demo_code.TOOL]
    others = [output for output in outputs if output.name not in {_SEARCH, demo_code.TOOL}]
    question = last_user_text(request.messages)
    sentences = [_about_passages(question, found)] if found else []
    sentences += [f"{_HONESTY}; {demo_code.about_output(output.text)}" for output in ran]
    return " ".join([*sentences, _repeated(others)] if others else sentences)


def _about_passages(question: str, outputs: Sequence[ToolOutput]) -> str:
    passages = [passage for output in outputs for passage in passages_in(output.text)]
    quotes = best_quotes(question, passages)
    if not quotes:
        return f"{_HONESTY}; it found nothing in the files."
    told = " ".join(f"“{quote.text}”{quote.marker}" for quote in quotes)
    return f"{_HONESTY}; it quotes what it found: {told}"


def _repeated(outputs: Sequence[ToolOutput]) -> str:
    told = "; ".join(f"{output.name or 'tool'} returned {output.text}" for output in outputs)
    return f"The demo received {_number(len(outputs), 'tool output')}: {told}"


def _about_request(request: ModelRequest) -> str:
    text = last_user_text(request.messages)
    quoted = text if len(text) <= _QUOTE_MAX else text[:_QUOTE_MAX] + "…"
    sentences = [
        f"{_HONESTY}.",
        f"It received: “{quoted}”." if text else "It received no text.",
        *_about_extras(request),
        *_about_bad_calls(request),
        _ATTACH,
    ]
    return " ".join(sentences)


def _about_extras(request: ModelRequest) -> list[str]:
    sentences = []
    if images := images_in_last_user_message(request.messages):
        sentences.append(f"With it came {_number(images, 'image')}.")
    if (offered := offered_functions(request)) and request.tool_choice != "none":
        name, schema = next(iter(offered.items()))
        sentences.append(
            f"It can call {', '.join(offered)} when a line of the message says so, "
            f"for example: /call {name} {_arguments(schema)} ."
        )
    return sentences


def _about_bad_calls(request: ModelRequest) -> list[str]:
    lines = _CALL_LINE.findall(last_user_text(request.messages))
    offered = offered_functions(request)
    sentences = [f"It was not offered {name}." for name, _ in lines if name not in offered]
    if any(text and not _is_json_object(text) for _, text in lines):
        sentences.append("The arguments behind /call have to be a JSON object.")
    return sentences


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
