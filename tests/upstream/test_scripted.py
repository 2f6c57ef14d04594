"""The scripted upstream: its format, each field of a rule, and its error messages."""

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from understudy.errors import Misconfigured, UpstreamBusy, UpstreamError
from understudy.upstream.base import TextDelta, Usage
from understudy.upstream.scripted import Scripted

from .conversations import Heard, after_tools, ask, events_of, hear


def script(rules: str, head: str = "") -> Scripted:
    """Read a script with these rules."""
    return Scripted.from_text(f"{head}\nrules:\n{rules}")


async def said(rules: str, text: str = "hi", **fields: Any) -> Heard:
    """Return what a script of one rule answers."""
    return await hear(script(rules), ask(text, **fields))


async def test_the_first_rule_that_matches_answers() -> None:
    """Order decides; `on` searches the last user message, also for a key that YAML 1.1 mangles."""
    upstream = script(
        """
        - {on: "^red", say: stop}
        - {on: "(?i)GREEN|amber", model: other, say: wrong model}
        - {on: "(?i)GREEN|amber", say: go}
        - say: else
        """
    )
    texts = [(await hear(upstream, ask(t))).text for t in ("red light", "a green one", "blue")]
    assert texts == ["stop", "go", "else"]
    assert (await hear(upstream, ask("green", model="other"))).text == "wrong model"


async def test_rules_for_tool_outputs_are_their_own() -> None:
    """After tool outputs only rules with after_tools answer, and `on` searches the outputs."""
    upstream = script(
        """
        - {on: weather, call: [{name: get_weather}]}
        - {on: snow, after_tools: true, say: "ski: {tool_outputs}"}
        - {after_tools: either, say: "any"}
        """
    )
    assert (await hear(upstream, ask("weather?"))).finish == "tool_calls"
    assert (await hear(upstream, after_tools("weather?", "snow", "ice"))).text == "ski: snow\nice"
    assert (await hear(upstream, after_tools("weather?", "rain"))).text == "any"
    assert (await hear(upstream, ask("hm"))).text == "any"


async def test_a_rule_is_used_up() -> None:
    """`times` makes sequences: busy twice, then an answer; then nothing matches."""
    upstream = script("- {times: 2, error: {status: 429}}\n- {times: 1, say: ok}")
    for _ in range(2):
        with pytest.raises(UpstreamBusy):
            await events_of(upstream, ask("hi"))
    assert (await hear(upstream, ask("hi"))).text == "ok"
    with pytest.raises(UpstreamError, match=r"No rule of the script matches.*hi there"):
        await events_of(upstream, ask("hi there"))


@pytest.mark.parametrize(
    ("rule", "deltas"),
    [
        ("say: one two  three", ["one ", "two ", " three"]),
        ("{say: ab c, chunk: chars}", ["a", "b", " ", "c"]),
        ("{say: ab c, chunk: whole}", ["ab c"]),
        ("say: [ab, '', 'c d']", ["ab", "c d"]),
        ("{say: [ab, c], repeat: 2}", ["ab", "c", "ab", "c"]),
    ],
)
async def test_deltas_are_as_the_script_says(rule: str, deltas: list[str]) -> None:
    """`chunk`, `repeat` and exact lists decide the deltas; none is empty."""
    events = await events_of(script(f"- {rule}"), ask("hi"))
    assert [event.text for event in events if isinstance(event, TextDelta)] == deltas


async def test_fields_are_filled_in_and_other_braces_stay() -> None:
    """The four fields of the request are replaced; without groups nothing else is."""
    rule = '- say: "{instructions}|{last_user}|{messages_count}|{x}|{1}|{tool_outputs}"'
    messages = [
        {"role": "system", "content": "be {last_user}"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    ]
    assert (await said(rule, messages=messages)).text == "be {last_user}|hi|2|{x}|{1}|"


async def test_answers_quote_what_a_rule_has_found() -> None:
    """The groups of `on`, in what is said and called; a group that took no part is empty."""
    upstream = script(
        r"""
        - {on: 'find (\w+)( soon)?', call: [{name: f, arguments: {q: "{1}", n: 1, say: "{2}."}}]}
        - {on: '(【\d+:\d+†source】) b.md', after_tools: true, say: "Blue{1} {2}"}
        """
    )
    assert (await hear(upstream, ask("find it"))).calls[0][2] == '{"q":"it","n":1,"say":"."}'
    output = "【4:0†source】 a.md\nred\n\n【4:1†source】 b.md\nblue"
    assert (await hear(upstream, after_tools("?", output))).text == "Blue【4:1†source】 {2}"


async def test_calls_carry_ids_and_raw_arguments() -> None:
    """Arguments as a mapping become JSON; as text they go out as they are, valid or not."""
    rule = "- call: [{name: f, arguments: {a: [1]}, id: call_1}, {name: g, arguments: '{oops'}]"
    answer = await said(rule)
    assert answer.calls[0] == ["call_1", "f", '{"a":[1]}']
    assert answer.calls[1][1:] == ["g", "{oops"]


async def test_refusals_and_finish_reasons() -> None:
    """A refusal is not text; `finish` overrides the reason."""
    answer = await said("- {refuse: I will not, finish: content_filter}")
    assert (answer.text, answer.refusal, answer.finish) == ("", "I will not", "content_filter")


@pytest.mark.parametrize(
    ("error", "busy", "limited", "seconds"),
    [
        ("{status: 429, retry_after_seconds: 2}", True, True, 2.0),
        ("{status: 503}", True, False, None),
        ("{status: 500, message: boom}", False, False, None),
    ],
)
async def test_errors_before_the_first_byte(
    error: str, *, busy: bool, limited: bool, seconds: float | None
) -> None:
    """429 and 503 are UpstreamBusy, everything else UpstreamError."""
    with pytest.raises(UpstreamError) as caught:
        await said(f"- error: {error}")
    assert isinstance(caught.value, UpstreamBusy) is busy
    assert caught.value.rate_limited is limited
    assert getattr(caught.value, "retry_after_seconds", None) == seconds


@pytest.mark.parametrize("count", [0, 1, 2, 9])
async def test_the_connection_breaks_after_some_deltas(count: int) -> None:
    """`break_after` tells that many deltas, then fails."""
    batches = script(f"- {{say: a b, break_after: {count}}}").stream(ask("hi"))
    for _ in range(min(count, 2)):
        assert await anext(batches)
    with pytest.raises(UpstreamError, match="broke off"):
        await anext(batches)


async def test_hanging_ends_when_the_caller_gives_up() -> None:
    """`hang` says its deltas and then nothing, until the reader is cancelled."""
    told = asyncio.Event()

    async def read() -> None:
        async with aclosing(script("- {say: a, hang: true}").stream(ask("hi"))) as batches:
            async for _ in batches:
                told.set()

    reader = asyncio.create_task(read())
    async with asyncio.timeout(5):
        await told.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader


async def test_delays_are_waited() -> None:
    """`delay_ms` and `between_ms` are spent before the first and before each other delta."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    await said("- {say: a b c, delay_ms: 20, between_ms: 10}")
    assert loop.time() - start >= 0.039


async def test_usage_is_counted_given_or_missing() -> None:
    """`usage` is what the script says: counted by default, none when false."""
    assert (await said("- say: one two", "hello")).usage == Usage(2, 2)
    given = "- {say: x, usage: {prompt_tokens: 9, completion_tokens: 8, cached_tokens: 1}}"
    assert (await said(given)).usage == Usage(9, 8, 1)
    assert (await said("- {say: x, usage: false}")).usage is None


async def test_the_budget_is_honoured_only_when_asked() -> None:
    """RUN-30: `honour_budget` cuts at the token count; without it the script is played whole."""
    request = ask("hi", max_completion_tokens=3)
    rules = "- {say: [abcdefgh, ijklmnop]}"
    short = await hear(script(rules, "honour_budget: true"), request)
    assert (short.text, short.finish) == ("abcdefghijkl", "length")
    whole = await hear(script(rules), request)
    assert (whole.text, whole.finish) == ("abcdefghijklmnop", "stop")


async def test_requests_are_kept() -> None:
    """The latest requests can be looked at, failed ones included, and not without end."""
    upstream = script("- {on: bad, error: {}}\n- {}")
    with pytest.raises(UpstreamError):
        await events_of(upstream, ask("bad"))
    for number in range(1000):
        await events_of(upstream, ask(str(number)))
    assert len(upstream.requests) == 1000
    assert upstream.requests[-1] == ask("999")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules: [{say: a}, {sya: b}]", r"Rule 2 of .*sya.*fields here are: on, model"),
        ("rules: [{say: 5}]", r"Rule 1 of .*\$\.say"),
        ("rules: [{on: '('}]", r"Rule 1 of .*not a regular expression.*backslash"),
        ("rules: [{times: 0}]", r"Rule 1 of .*count from 1"),
        ("rules: [{call: [{arguments: {}}]}]", r"Rule 1 of .*name.*\$\.call\[0\]"),
        ("- say: a", r"The script .*fields here are: rules"),
        ("rulez: []", r"The script .*rulez"),
        ("rules: [", r"is not YAML"),
    ],
)
def test_a_wrong_script_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    """Misconfigured names the file, the rule's number and what would be right."""
    path = tmp_path / "script.yaml"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=words) as caught:
        Scripted.from_file(path)
    assert str(path) in str(caught.value)


def test_a_missing_script_is_refused(tmp_path: Path) -> None:
    """A path that cannot be read is named."""
    with pytest.raises(Misconfigured, match=r"missing\.yaml cannot be read"):
        Scripted.from_file(tmp_path / "missing.yaml")


async def test_the_example_of_the_documentation_is_right(tmp_path: Path) -> None:
    """The script at the top of scripted.py is a script."""
    import understudy.upstream.scripted as module

    lines = (module.__doc__ or "").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("    models:"))
    end = next(i for i, line in enumerate(lines) if line.startswith("When a rule"))
    path = tmp_path / "example.yaml"
    path.write_text("\n".join(line[4:] for line in lines[start:end]))
    upstream = Scripted.from_file(path)
    assert (await hear(upstream, ask("weather in Oslo?"))).calls == [
        ["call_1", "get_weather", '{"city":"Oslo"}']
    ]
    assert (await hear(upstream, after_tools("weather in Oslo?", "cold"))).text == "It is cold."
    assert (await hear(upstream, ask("ok"))).text == "You said: ok"
