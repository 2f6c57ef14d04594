"""What was said stands there once: in the deltas, in the messages, in the steps, in the context."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .account import Account, Call, Line, Reading, Violation, job_of, text_of


def one_step_per_message(account: Account) -> Iterator[Violation]:
    """Yield messages of a run that no step, or more than one, has created (STEP-04)."""
    for line in account.of("final"):
        for run in line["runs"]:
            steps = line["steps"][run["id"]]
            created = Counter(
                step["step_details"]["message_creation"]["message_id"]
                for step in steps
                if step["type"] == "message_creation"
            )
            written = Counter(one["id"] for one in line["messages"] if one["run_id"] == run["id"])
            if created != written:
                what = f"{run['id']} has steps for {dict(created)} and messages {dict(written)}"
                yield Violation("one step per message", what, line["n"])


def steps_are_turns(account: Account) -> Iterator[Violation]:
    """Yield completed runs whose steps are not the turns of their model, one for one (STEP-05)."""
    for line in account.of("final"):
        for run in line["runs"]:
            if run["status"] == "completed":
                calls = account.calls_of.get(job_of(run), ())
                yield from _compare(run, line, _turns(calls))


def _turns(calls: Sequence[Call]) -> list[list[Call]]:
    """Return the whole answers by turn; a turn has several when the model was asked again."""
    turns: dict[int, list[Call]] = defaultdict(list)
    for call in calls:
        if call.how == "whole":
            turns[call.turn].append(call)
    return [turns[number] for number in sorted(turns)]


def _compare(run: Any, line: Line, turns: Sequence[Sequence[Call]]) -> Iterator[Violation]:
    steps = line["steps"][run["id"]]
    messages = {one["id"]: one for one in line["messages"]}
    if len(steps) != len(turns):
        what = f"{run['id']} has {len(steps)} steps for {len(turns)} turns of its model"
        yield Violation("steps are turns", what, line["n"])
        return
    for step, turn in zip(steps, turns, strict=True):
        if not any(_says(call) == _shows(step, messages) for call in turn):
            what = f"{run['id']}: {_shows(step, messages)!r} is none of {[*map(_says, turn)]!r}"
            yield Violation("steps are turns", what, line["n"])


def _says(call: Call) -> tuple[str, list[str]]:
    return call.text, [call_id for call_id, _, _ in call.calls]


def _shows(step: Any, messages: Mapping[str, Any]) -> tuple[str, list[str]]:
    details = step["step_details"]
    if step["type"] == "tool_calls":
        return "", [call["id"] for call in details["tool_calls"]]
    message = messages.get(details["message_creation"]["message_id"])
    return text_of(message) if message else "no message", []


def cut_short_in_order(account: Account) -> Iterator[Violation]:
    """Yield messages of runs that ended early which are no beginning of what the model said."""
    for line in account.of("final"):
        runs = {run["id"]: run for run in line["runs"]}
        for message in line["messages"]:
            run = runs.get(message["run_id"])
            if run is None or run["status"] == "completed":
                continue
            answers = [call.text for call in account.calls_of.get(job_of(run), ())]
            if not any(answer.startswith(text_of(message)) for answer in answers):
                what = f"{message['id']} says {text_of(message)!r}"
                yield Violation("cut short in order", what, line["n"])


def answers_follow_questions(account: Account) -> Iterator[Violation]:
    """Yield threads in which an answer does not stand directly behind its question."""
    for line in account.of("final"):
        jobs = {run["id"]: job_of(run) for run in line["runs"]}
        before: Any = None
        for message in line["messages"]:
            if message["run_id"] is not None:
                asked = job_of(before) if before and before["role"] == "user" else None
                if asked != jobs.get(message["run_id"]):
                    what = f"{message['id']} stands behind {asked}"
                    yield Violation("answers follow questions", what, line["n"])
            before = message


def deltas_add_up(account: Account) -> Iterator[Violation]:
    """Yield messages and calls whose deltas are not what was completed in the end (SDK-05).

    A model that says something else when it is asked again is left out: the first deltas are out
    by then, and only the message is the truth.
    """
    for reading in account.readings:
        if len({call.text for call in _answers(account, reading)}) <= 1:
            yield from _adds_up(reading)


def _answers(account: Account, reading: Reading) -> Iterator[Call]:
    """Yield what the model said in the last turn to this reader's run."""
    run = account.runs.get(reading.run_id)
    calls = account.calls_of.get(job_of(run), ()) if run else ()
    return (call for call in calls if call.text)


def _adds_up(reading: Reading) -> Iterator[Violation]:
    texts: dict[str, str] = defaultdict(str)
    arguments: dict[str, str] = {}
    ids: dict[tuple[str, int], str] = {}
    for event in reading.told():
        name, data = event["name"], event["data"]
        if name == "thread.message.delta":
            texts[data["id"]] += _text(data["delta"])
        elif name == "thread.run.step.delta":
            for call in data["delta"]["step_details"]["tool_calls"]:
                call_id = ids.setdefault((data["id"], call["index"]), call.get("id", ""))
                piece = call.get("function", {}).get("arguments") or ""
                arguments[call_id] = arguments.get(call_id, "") + piece
        elif name == "thread.message.completed" and texts[data["id"]] != text_of(data):
            what = f"{reading.label}: {texts[data['id']]!r} became {text_of(data)!r}"
            yield Violation("deltas add up", what, event["n"])
        elif name == "thread.run.requires_action":
            yield from _called(reading, event, arguments)


def _text(delta: Any) -> str:
    return "".join(part.get("text", {}).get("value", "") for part in delta["content"])


def _called(reading: Reading, event: Line, told: Mapping[str, str]) -> Iterator[Violation]:
    calls = event["data"]["required_action"]["submit_tool_outputs"]["tool_calls"]
    asked = {call["id"]: call["function"]["arguments"] for call in calls}
    if asked != told:
        what = f"{reading.label}: {told} became {asked}"
        yield Violation("deltas add up", what, event["n"])


def context_is_the_thread(account: Account) -> Iterator[Violation]:
    """Yield questions to the model with a message twice, or with one that is not in the thread."""
    threads = {
        job: (Counter(map(text_of, line["messages"])), line["thread"])
        for line in account.of("final")
        for job in map(job_of, line["runs"])
    }
    for call in account.calls:
        if call.job not in threads:
            continue
        there, thread = threads[call.job]
        said = Counter(
            one["text"]
            for one in call.line["context"]
            if one["text"] and one["role"] in {"user", "assistant"}
        )
        for text in said - there:
            what = f"the model was told in {thread}, more often than it stands there: {text!r}"
            yield Violation("context is the thread", what, call.line["n"])
