"""What the demo shows: a streamed run, a run with a function, and the list of both."""

import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from understudy.cli.demo_client import DemoClient, StreamEvent
from understudy.cli.demo_failed import DemoFailed
from understudy.cli.list_runs_page import RUN_FIELDS, departures

QUESTION = "What can you do for me?"
CALL = '/call get_weather {"city": "Paris"}'
WEATHER = "18 degrees and sunny"
TOKENS_MAX = 1000
GET_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
AN_EXISTING_APP = """\
To point an existing app at a server of your own, start one and give the app two variables:

    {command} serve
    export OPENAI_BASE_URL=http://127.0.0.1:8730/v1
    export OPENAI_API_KEY=$({command} keys create --name my-app)"""
_ID_IN_PATH = re.compile(r"\b(thread|run)_[A-Za-z0-9]{24}")


def play(console: Console, client: DemoClient) -> None:
    """Show everything. Raises DemoFailed at the first thing that is not as it should be."""
    console.print(f"[bold]Understudy[/bold] runs at http://127.0.0.1:{client.port}/v1, for now.")
    assistant_id, thread_id = _set_the_stage(console, client)
    _streamed_run(console, client, assistant_id, thread_id)
    _run_with_function(console, client, assistant_id, thread_id)
    _list_of_runs(console, client, thread_id)
    console.print(f"\n{AN_EXISTING_APP.format(command=_command())}", markup=False)


def _command() -> str:
    """Return how the user calls us: by name, or by path when the name leads elsewhere."""
    found, called = shutil.which("understudy"), sys.argv[0]
    return "understudy" if found and Path(found).samefile(called) else called


def _set_the_stage(console: Console, client: DemoClient) -> tuple[str, str]:
    _heading(console, "An assistant, a thread and a message")
    assistant = {"name": "Demo", "model": "demo", "tools": [GET_WEATHER]}
    assistant_id = _created(console, client, "/v1/assistants", assistant)
    thread_id = _created(console, client, "/v1/threads", {})
    _say(console, client, thread_id, QUESTION)
    return assistant_id, thread_id


def _streamed_run(console: Console, client: DemoClient, assistant_id: str, thread_id: str) -> None:
    _heading(console, "A run, streamed as it happens")
    path = f"/v1/threads/{thread_id}/runs"
    _show_request(console, "POST", path, "with stream: true")
    body = {**_run_body(assistant_id), "stream": True}
    _expect_completed(_show_events(console, client.stream(path, body)))


def _run_with_function(
    console: Console, client: DemoClient, assistant_id: str, thread_id: str
) -> None:
    _heading(console, "A run that calls a function of yours")
    _say(console, client, thread_id, CALL)
    path = f"/v1/threads/{thread_id}/runs"
    run_id = _created(console, client, path, _run_body(assistant_id))
    waiting = client.get(f"{path}/{run_id}?wait=10")
    outputs = [_output(console, call) for call in _calls(waiting)]
    submit = f"{path}/{run_id}/submit_tool_outputs"
    _show_request(console, "POST", submit, "with stream: true")
    body = {"tool_outputs": outputs, "stream": True}
    _expect_completed(_show_events(console, client.stream(submit, body)))


def _list_of_runs(console: Console, client: DemoClient, thread_id: str) -> None:
    _heading(console, "The thread's runs, as a client of v1 lists them")
    path = f"/v1/threads/{thread_id}/runs"
    page = client.get(path, era="v1")
    _show_request(console, "GET", path, "with OpenAI-Beta: assistants=v1")
    problems = [*departures(page)]
    if len(page["data"]) != 2:  # noqa: PLR2004 - this demo made two
        problems.append(f"the list has {len(page['data'])} runs instead of 2")
    if problems:
        raise DemoFailed(f"{'; '.join(problems)}.")
    _show_page(console, page)


def _show_page(console: Console, page: dict[str, Any]) -> None:
    for run in page["data"]:
        seconds = run["completed_at"] - run["started_at"]
        tokens = run["usage"]["total_tokens"]
        console.print(f"  {run['id']}  {run['status']}  {seconds} s  {tokens} tokens")
    console.print(f"  first_id  {page['first_id']}\n  last_id   {page['last_id']}")
    console.print(f"  has_more  {str(page['has_more']).lower()}")
    console.print(f"  All {len(RUN_FIELDS)} fields of the reference's page are in each run.")


def _run_body(assistant_id: str) -> dict[str, Any]:
    """Ask for the run with the budgets that the reference's page shows."""
    budgets = {"max_prompt_tokens": TOKENS_MAX, "max_completion_tokens": TOKENS_MAX}
    return {"assistant_id": assistant_id, **budgets}


def _say(console: Console, client: DemoClient, thread_id: str, text: str) -> None:
    message = {"role": "user", "content": text}
    _created(console, client, f"/v1/threads/{thread_id}/messages", message)
    console.print(f"  [green]{escape(text)}[/green]")


def _calls(run: dict[str, Any]) -> list[dict[str, Any]]:
    if run["status"] != "requires_action":
        raise DemoFailed(f"the run was expected to call a function, but it is {run['status']}.")
    calls: list[dict[str, Any]] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return calls


def _output(console: Console, call: dict[str, Any]) -> dict[str, str]:
    function = call["function"]
    called = escape(f"{function['name']}({function['arguments']})")
    console.print(f"  [cyan]requires_action[/cyan]  {called}, to which we answer: {WEATHER}")
    return {"tool_call_id": call["id"], "output": WEATHER}


def _created(console: Console, client: DemoClient, path: str, body: dict[str, Any]) -> str:
    """Create an object, show it, and return its id."""
    made: str = client.post(path, body)["id"]
    _show_request(console, "POST", path, made)
    return made


def _show_events(console: Console, events: Iterable[StreamEvent]) -> StreamEvent:
    """Print the events, text as it comes, and return the last one."""
    last = StreamEvent("nothing", {})
    for event in events:
        if event.name == "thread.message.delta":
            _show_text(console, event, starts=last.name != event.name)
        else:
            _end_text(console, last)
            console.print(f"  [dim]{event.name}[/dim]")
        last = event
    _end_text(console, last)
    return last


def _show_text(console: Console, event: StreamEvent, *, starts: bool) -> None:
    text = "".join(part["text"]["value"] for part in event.data["delta"]["content"])
    if starts:
        console.print(f"  [dim]{event.name}[/dim]  ", end="")
    console.print(text, end="", markup=False, style="green")


def _end_text(console: Console, last: StreamEvent) -> None:
    if last.name == "thread.message.delta":
        console.print()


def _expect_completed(last: StreamEvent) -> None:
    if last.name != "thread.run.completed":
        raise DemoFailed(f"a run ended with {last.name} instead of thread.run.completed.")


def _heading(console: Console, text: str) -> None:
    console.print(f"\n[bold]{text}[/bold]")


def _show_request(console: Console, method: str, path: str, rest: str) -> None:
    shown = _ID_IN_PATH.sub(r"{\1_id}", path)
    console.print(f"  [bold]{method}[/bold] {shown}  [dim]{rest}[/dim]")
