"""A good history, written by hand: five jobs on one thread, told as a fault run would tell them.

``a`` speaks and its server dies in the middle of a word; ``b`` calls a function; ``c`` searches;
``d`` is cancelled; ``e`` has a cell run. The tests of the checker spoil it in one place after the
other.
"""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

Line = dict[str, Any]
THREAD = "thread_1"
LIFE_SECONDS = 600


class Tale:
    """Writes lines as they are found in a history."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._calls = 100

    def say(self, what: str, **fields: Any) -> Line:
        """Write a line."""
        n = len(self.lines)
        line = {"n": n, "at": 1_000.0 + n, "what": what, **fields}
        self.lines.append(line)
        return line

    def ask(self, method: str, path: str, job: str | None, body: Any = None) -> int:
        """Write a request; each POST has a key of its own."""
        self._calls += 1
        key = f"key{self._calls}" if method == "POST" else None
        said = dict(job=job, api="server", method=method, path=path, body=body, key=key)
        self.say("asked", ask=self._calls, headers={}, **said)
        return self._calls

    def get(self, path: str, body: Any) -> None:
        """Write a GET with its answer."""
        ask = self.ask("GET", path, None)
        self.say("answered", ask=ask, status=200, body=copy.deepcopy(body))

    def model(self, job: str, turn: int, text: str = "", **more: Any) -> int:
        """Write a question to the model."""
        self._calls += 1
        answer = {"text": text, "calls": more.get("calls", []), "status": 200, "breaks": False}
        context: list[Line] = [{"role": "user", "text": question(job)}]
        told = dict(by="server", job=job, turn=turn, context=context, answer=answer)
        self.say("model_asked", call=self._calls, **told)
        return self._calls


def question(job: str) -> str:
    """Return what the user says for a job."""
    return f"[{job}] do it"


class Telling:
    """One run as its reader is told of it, and as it is at the end."""

    def __init__(self, tale: Tale, job: str) -> None:
        self.job = job
        self.steps: list[Line] = []
        self.messages: list[Line] = []
        self.attempt, self.position = 0, 1
        self._tale = tale
        self._connection = 0
        now = int(1_000 + len(tale.lines))
        self.run: Line = {
            "id": f"run_{job}", "object": "thread.run", "created_at": now, "thread_id": THREAD,
            "status": "queued", "started_at": None, "expires_at": now + LIFE_SECONDS,
            "completed_at": None, "failed_at": None, "cancelled_at": None, "last_error": None,
            "required_action": None, "usage": None, "metadata": {"job": job},
        }  # fmt: skip
        self.asked: Line = {
            "id": f"msg_{job}_user", "object": "thread.message", "role": "user", "run_id": None,
            "status": "completed", "metadata": {"job": job}, "content": _content(question(job)),
        }  # fmt: skip

    @property
    def path(self) -> str:
        """Return where the run is."""
        return f"/v1/threads/{THREAD}/runs/{self.run['id']}"

    def open(self, method: str, path: str, after: str | None = None, body: Any = None) -> None:
        """Open a connection whose answer is a stream."""
        self._connection = self._tale.ask(method, path, self.job, body)
        self._note("opened", ask=self._connection, after=after)

    def close(self, how: str) -> None:
        """Close the connection."""
        self._note("closed", how=how)

    def tell(self, name: str, data: Line, width: int = 1) -> None:
        """Write an event."""
        self.position += width
        place = f"{self.attempt}-{self.position}"
        self._note("event", id=place, name=name, data=copy.deepcopy(data))

    def _note(self, what: str, **fields: Any) -> None:
        self._tale.say(what, reader=f"{self.job}:x", connection=self._connection, **fields)

    def create(self) -> None:
        """Tell of the creation."""
        self.open("POST", f"/v1/threads/{THREAD}/runs")
        self.tell("thread.run.created", self.run)
        self.tell("thread.run.queued", self.run)

    def claim(self) -> None:
        """Let a worker begin."""
        self.attempt += 1
        self.move("in_progress", started_at=self._now())

    def move(self, status: str, **fields: Any) -> None:
        """Tell of a status."""
        self.run |= {"status": status, **fields}
        self.tell(f"thread.run.{status}", self.run)

    def end(self, status: str, time: str) -> None:
        """Tell of the end."""
        self.move(status, expires_at=None, required_action=None, usage={}, **{time: self._now()})

    def start_step(self, details: Line) -> Line:
        """Tell of a new step."""
        step = {
            "id": f"step_{self.job}_{len(self.steps)}", "object": "thread.run.step",
            "run_id": self.run["id"], "type": details["type"], "status": "in_progress",
            "completed_at": None, "cancelled_at": None, "step_details": details, "usage": None,
        }  # fmt: skip
        self.steps.append(step)
        self.tell("thread.run.step.created", step)
        self.tell("thread.run.step.in_progress", step)
        return step

    def end_step(self, step: Line, status: str, **fields: Any) -> None:
        """Tell of the end of a step."""
        step |= {"status": status, f"{status}_at": self._now(), "usage": {}, **fields}
        self.tell(f"thread.run.step.{status}", step)

    def start_message(self) -> Line:
        """Tell of a new message with its step."""
        message = {
            "id": f"msg_{self.job}", "object": "thread.message", "role": "assistant",
            "run_id": self.run["id"], "status": "in_progress", "metadata": {}, "content": [],
        }  # fmt: skip
        created = {"message_id": message["id"]}
        self.start_step({"type": "message_creation", "message_creation": created})
        self.messages.append(message)
        self.tell("thread.message.created", message)
        self.tell("thread.message.in_progress", message)
        return message

    def speak(self, words: str) -> None:
        """Tell some words."""
        delta = {"content": [{"index": 0, "type": "text", "text": {"value": words}}]}
        self.tell("thread.message.delta", {"id": f"msg_{self.job}", "delta": delta}, len(words))

    def call(self, call: Line, width: int) -> None:
        """Tell a piece of a call."""
        details = {"type": "tool_calls", "tool_calls": [call]}
        data = {"id": self.steps[-1]["id"], "delta": {"step_details": details}}
        self.tell("thread.run.step.delta", data, width)

    def end_message(self, status: str, text: str) -> None:
        """Tell of the end of the message and of its step."""
        message = self.messages[-1]
        message |= {"status": status, "content": _content(text)}
        self.tell(f"thread.message.{status}", message)
        self.end_step(self.steps[-1], "completed" if status == "completed" else "cancelled")

    def answer(self, text: str, turn: int) -> None:
        """Let the model say something and the run end with it."""
        call = self._tale.model(self.job, turn, text)
        self.start_message()
        self.speak(text)
        self._tale.say("model_told", call=call, how="whole")
        self.end_message("completed", text)
        self.end("completed", "completed_at")

    def _now(self) -> int:
        return 1_000 + len(self._tale.lines)


def _content(text: str) -> list[Line]:
    return [{"type": "text", "text": {"value": text, "annotations": []}}]


def _job(tale: Tale, job: str, play: Callable[[Tale, Telling], None]) -> Telling:
    tale.say("job", job=job, kind=play.__name__, thread=THREAD)
    telling = Telling(tale, job)
    telling.create()
    telling.claim()
    play(tale, telling)
    tale.get(telling.path, telling.run)
    tale.say("job_over", job=job, run=telling.run["id"])
    return telling


def _speak(tale: Tale, run: Telling) -> None:
    """Attempt 1 dies behind the first word; attempt 2 says all of it once more."""
    first = tale.model(run.job, 0, "one two three")
    run.start_message()
    run.speak("one ")
    tale.get(run.path, run.run)
    tale.get(f"/v1/threads/{THREAD}/runs", {"object": "list", "data": [run.run]})
    run.close("broken")
    tale.say("model_told", call=first, how="left")
    second = tale.model(run.job, 0, "one two three")
    run.open("GET", f"{run.path}/events", after=f"1-{run.position}")
    run.attempt = 2
    run.speak("two three")
    tale.say("model_told", call=second, how="whole")
    run.end_message("completed", "one two three")
    run.end("completed", "completed_at")
    run.close("done")


def _call(tale: Tale, run: Telling) -> None:
    call = tale.model(run.job, 0, calls=[["call_b", "look_up", "{}"]])
    step = run.start_step({"type": "tool_calls", "tool_calls": []})
    function = {"name": "look_up", "arguments": ""}
    run.call({"index": 0, "id": "call_b", "type": "function", "function": function}, 1)
    run.call({"index": 0, "type": "function", "function": {"arguments": "{}"}}, 2)
    tale.say("model_told", call=call, how="whole")
    called = {"id": "call_b", "type": "function", "function": function | {"arguments": "{}"}}
    run.move("requires_action", required_action={"submit_tool_outputs": {"tool_calls": [called]}})
    run.close("done")
    outputs = {"tool_outputs": [{"tool_call_id": "call_b", "output": "42"}]}
    tale.say("function", job=run.job, run=run.run["id"], call="call_b", output="42")
    run.open("POST", f"{run.path}/submit_tool_outputs", body=outputs)
    shown = called | {"function": {"name": "look_up", "arguments": "{}", "output": "42"}}
    run.end_step(step, "completed", step_details={"type": "tool_calls", "tool_calls": [shown]})
    run.move("queued", required_action=None)
    run.claim()
    run.answer("it is 42", 1)
    run.close("done")


def _search(tale: Tale, run: Telling) -> None:
    call = tale.model(run.job, 0, calls=[["call_c", "file_search", "{}"]])
    step = run.start_step({"type": "tool_calls", "tool_calls": []})
    searched = {"id": "call_c", "type": "file_search", "file_search": {"results": []}}
    run.call({"index": 0, **searched}, 1)
    tale.say("model_told", call=call, how="whole")
    tale.say("executed", tool="file_search", job=run.job, by="server")
    run.end_step(step, "completed", step_details={"type": "tool_calls", "tool_calls": [searched]})
    run.answer("found", 1)
    run.close("done")


def _cancel(tale: Tale, run: Telling) -> None:
    call = tale.model(run.job, 0, "never to be heard")
    run.start_message()
    run.speak("never ")
    ask = tale.ask("POST", f"{run.path}/cancel", run.job)
    tale.say("answered", ask=ask, status=200, body=dict(run.run, status="cancelling"))
    run.move("cancelling")
    tale.say("model_told", call=call, how="left")
    run.end_message("incomplete", "never ")
    run.end("cancelled", "cancelled_at")
    run.close("done")


def _compute(tale: Tale, run: Telling) -> None:
    code = 'for n in range(2): print("e", n)'
    arguments = json.dumps({"code": code})
    call = tale.model(run.job, 0, calls=[["call_e", "code_interpreter", arguments]])
    step = run.start_step({"type": "tool_calls", "tool_calls": []})
    kind = {"index": 0, "type": "code_interpreter"}
    run.call({**kind, "id": "call_e", "code_interpreter": {"input": "", "outputs": []}}, 1)
    run.call({**kind, "code_interpreter": {"input": code}}, len(code))
    tale.say("model_told", call=call, how="whole")
    tale.say("executed", tool="code_interpreter", job=run.job, by="server")
    for logs in ("e 0\n", "e 1\n"):
        output = {"index": 0, "type": "logs", "logs": logs}
        run.call({**kind, "code_interpreter": {"outputs": [output]}}, len(logs))
    cell = {"input": code, "outputs": [{"type": "logs", "logs": "e 0\ne 1\n"}]}
    ran = {"id": "call_e", "type": "code_interpreter", "code_interpreter": cell}
    run.end_step(step, "completed", step_details={"type": "tool_calls", "tool_calls": [ran]})
    run.answer("computed", 1)
    run.close("done")


def good() -> list[Line]:
    """Return the history."""
    tale = Tale()
    tale.say("began", mode="by hand", seed=0, lease_seconds=2.0)
    plays: Mapping[str, Any] = {"a": _speak, "b": _call, "c": _search, "d": _cancel, "e": _compute}
    told = [_job(tale, job, play) for job, play in plays.items()]
    tale.say(
        "final",
        thread=THREAD,
        runs=[one.run for one in told],
        steps={one.run["id"]: one.steps for one in told},
        messages=[each for one in told for each in (one.asked, *one.messages)],
    )
    for one in told:
        _replay(tale, one)
    _store(tale)
    tale.say("ended")
    return copy.deepcopy(tale.lines)


def _store(tale: Tale) -> None:
    text = "The pump needs oil.\n\nThe valve does not."
    cuts = ((0, 21), (21, len(text)))
    chunks = [
        {"index": n, "start": start, "end": end, "text": text[start:end]}
        for n, (start, end) in enumerate(cuts)
    ]
    counts = {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 0, "total": 1}
    body = {"id": "vs_1", "object": "vector_store", "status": "completed", "file_counts": counts}
    files = [{"id": "file-1", "object": "vector_store.file", "status": "completed"}]
    tale.say("final_store", store="vs_1", body=body, files=files, chunks=chunks, text=text)


def _replay(tale: Tale, told: Telling) -> None:
    ask = tale.ask("GET", f"{told.path}/events", told.job)
    reader = f"final:{told.run['id']}"
    tale.say("opened", reader=reader, connection=ask, ask=ask, after=None)
    events = [one for one in tale.lines if one.get("reader") == f"{told.job}:x"]
    for event in (one for one in events if one["what"] == "event"):
        said = {key: event[key] for key in ("id", "name", "data")}
        tale.say("event", reader=reader, connection=ask, **said)
    tale.say("closed", reader=reader, connection=ask, how="done")
