r"""A language model that plays a script: for our tests and for the CI of those who build on us.

A script is a YAML file. The first rule that matches a request answers it:

    models: [scripted]        # the names that it answers to; this is the default
    honour_budget: false      # true: max_completion_tokens cuts answers, counted by counting.py
    rules:
      - on: weather in (\w+)           # regex, searched in the last user message
        call:
          - name: get_weather
            arguments: {city: "{1}"}   # or raw text, sent as it is, valid JSON or not
            id: call_1                 # made from the request if absent
      - after_tools: true              # only when the request ends with tool outputs,
        say: "It is {tool_outputs}."   # and then `on` is searched in these
      - say: "You said: {last_user}"

When a rule matches (all that it names has to hold):
    on            regex; absent: any text
    model         the request's model
    after_tools   true, false (the default: the request ends with a message) or "either"
    times         the rule is used up after so many answers

What it answers, in this order:
    error         {status, message, retry_after_seconds}: refuse; 429 and 503 are worth a retry
    delay_ms      wait before the first delta;  between_ms: wait before each of the others
    say           text, or a list of exact deltas. {last_user}, {tool_outputs}, {instructions},
                  {messages_count} and the groups of `on`, {1} to {9}, are filled in; other
                  braces stay. So an answer quotes what it has found in tool outputs
    chunk         how text becomes deltas: words (default), chars or whole
    repeat        say it so many times
    refuse        text of a refusal
    call          function calls; texts among the arguments are filled in like `say`
    break_after   the connection breaks after so many deltas
    hang          true: nothing more comes after the deltas, until the caller gives up
    usage         {prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens};
                  absent: counted; false: none is sent
    finish        stop, length or content_filter; absent: stop, or tool_calls after calls

A request that no rule matches fails, with its text in the message. ``requests`` keeps the latest
requests for assertions.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Self

import msgspec

from understudy.errors import UpstreamBusy, UpstreamError
from understudy.upstream.base import (
    Finished,
    ModelEvent,
    ModelInfo,
    ModelRequest,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from understudy.upstream.conversation import (
    call_id,
    instructions,
    is_after_tools,
    last_user_text,
    latest_tool_outputs,
    whole_text,
)
from understudy.upstream.playback import Call, Delta, call_deltas, counted, cut, in_words
from understudy.upstream.script import (
    CallSpec,
    CheckedScript,
    ErrorSpec,
    Rule,
    UsageSpec,
    parse_script,
    read_script,
)

_REQUESTS_MAX = 1000
_FIELD = re.compile(r"\{(last_user|tool_outputs|instructions|messages_count|[1-9])\}")

_Fields = Mapping[str, str]


class Scripted:
    """Plays one script; see the top of this file."""

    def __init__(self, script: CheckedScript) -> None:
        self.requests: list[ModelRequest] = []
        self._script = script
        self._used: Counter[int] = Counter()

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a script; raises Misconfigured when it is not right."""
        return cls(read_script(Path(path)))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a script that stands in a test."""
        return cls(parse_script(text, "in this test"))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[ModelEvent], None]:
        """Answer as the first matching rule says, one delta to a batch; see the port."""
        self._remember(request)
        rule = self._take_rule(request)
        if rule.error is not None:
            raise _refusal(rule.error)
        answer, is_short = cut(_deltas(rule, request), self._budget(request))
        for number, delta in enumerate(answer):
            if number == rule.break_after:
                break
            await asyncio.sleep((rule.between_ms if number else rule.delay_ms) / 1000)
            yield (delta,)
        if rule.break_after is not None:
            raise UpstreamError("The script broke off the stream.")
        if rule.hang:
            await asyncio.Event().wait()
        yield _end(rule, request, answer, is_short=is_short)

    async def models(self) -> Sequence[ModelInfo]:
        """Return the script's models."""
        return [ModelInfo(name, "script") for name in self._script.models]

    async def close(self) -> None:
        """Nothing is open."""

    def _budget(self, request: ModelRequest) -> int | None:
        return request.max_completion_tokens if self._script.honour_budget else None

    def _remember(self, request: ModelRequest) -> None:
        self.requests.append(request)
        del self.requests[:-_REQUESTS_MAX]

    def _take_rule(self, request: ModelRequest) -> Rule:
        for number, rule in enumerate(self._script.rules):
            if rule.times is not None and self._used[number] >= rule.times:
                continue
            if _matches(rule, request):
                self._used[number] += 1
                return rule
        text = last_user_text(request.messages)
        raise UpstreamError(
            f"No rule of the script matches; the last user message is: {text[:200]}"
        )


def _matches(rule: Rule, request: ModelRequest) -> bool:
    if rule.after_tools not in {"either", is_after_tools(request.messages)}:
        return False
    if rule.model is not None and rule.model != request.model:
        return False
    return rule.on is None or _heard(rule.on, request) is not None


def _heard(expected: str, request: ModelRequest) -> re.Match[str] | None:
    after = is_after_tools(request.messages)
    text = _outputs(request) if after else last_user_text(request.messages)
    return re.search(expected, text)


def _outputs(request: ModelRequest) -> str:
    return "\n".join(output.text for output in latest_tool_outputs(request.messages))


def _refusal(error: ErrorSpec) -> UpstreamError:
    limited = error.status == HTTPStatus.TOO_MANY_REQUESTS
    message = f"The script answered {error.status}: {error.message}"
    if limited or error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return UpstreamBusy(
            message, rate_limited=limited, retry_after_seconds=error.retry_after_seconds
        )
    return UpstreamError(message)


def _deltas(rule: Rule, request: ModelRequest) -> list[Delta]:
    fields = _fields(rule, request)
    said = [piece for piece in _said(rule, fields) if piece] * rule.repeat
    refused = in_words(_filled(rule.refuse, fields))
    calls = [
        Call(spec.id or call_id(request, number), spec.name, _arguments(spec, fields))
        for number, spec in enumerate(rule.call)
    ]
    return [*map(TextDelta, said), *map(RefusalDelta, refused), *call_deltas(calls)]


def _fields(rule: Rule, request: ModelRequest) -> _Fields:
    """Return what an answer can fill in, by name."""
    found = _heard(rule.on, request) if rule.on is not None else None
    groups = enumerate(found.groups(default="") if found else (), start=1)
    return {
        "last_user": last_user_text(request.messages),
        "tool_outputs": _outputs(request),
        "instructions": instructions(request.messages),
        "messages_count": str(len(request.messages)),
        **{str(number): group for number, group in groups},
    }


def _said(rule: Rule, fields: _Fields) -> list[str]:
    if isinstance(rule.say, list):
        return [_filled(piece, fields) for piece in rule.say]
    text = _filled(rule.say, fields)
    if rule.chunk == "words":
        return in_words(text)
    return list(text) if rule.chunk == "chars" else [text]


def _filled(text: str, fields: _Fields) -> str:
    return _FIELD.sub(lambda match: fields.get(match[1], match[0]), text)


def _arguments(spec: CallSpec, fields: _Fields) -> str:
    if isinstance(spec.arguments, str):
        return spec.arguments
    filled = {
        name: _filled(value, fields) if isinstance(value, str) else value
        for name, value in spec.arguments.items()
    }
    return msgspec.json.encode(filled).decode()


def _end(
    rule: Rule, request: ModelRequest, answer: list[Delta], *, is_short: bool
) -> list[ModelEvent]:
    usage = _usage(rule, request, answer)
    return [*([usage] if usage else []), _finished(rule, answer, is_short=is_short)]


def _usage(rule: Rule, request: ModelRequest, answer: list[Delta]) -> Usage | None:
    if isinstance(rule.usage, UsageSpec):
        return Usage(**msgspec.structs.asdict(rule.usage))
    return counted(whole_text(request.messages), answer) if rule.usage else None


def _finished(rule: Rule, answer: list[Delta], *, is_short: bool) -> Finished:
    if is_short:
        return Finished("length")
    calls = any(isinstance(delta, ToolCallDelta) for delta in answer)
    return Finished(rule.finish or ("tool_calls" if calls else "stop"))
