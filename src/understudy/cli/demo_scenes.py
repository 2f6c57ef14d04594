"""What the demo shows: a streamed run, one with a function, their list, a citation, a chart."""

import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from understudy.cli.demo_chart import chart_from_table
from understudy.cli.demo_citation import question_about_pdf
from understudy.cli.demo_client import DemoClient
from understudy.cli.demo_failed import DemoFailed
from understudy.cli.demo_stage import Stage
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


def play(console: Console, client: DemoClient) -> None:
    """Show everything. Raises DemoFailed at the first thing that is not as it should be."""
    console.print(f"[bold]Understudy[/bold] runs at http://127.0.0.1:{client.port}/v1, for now.")
    stage = Stage(console, client)
    assistant_id, thread_id = _set_the_stage(stage)
    _streamed_run(stage, assistant_id, thread_id)
    _run_with_function(stage, assistant_id, thread_id)
    _list_of_runs(stage, thread_id)
    question_about_pdf(stage)
    chart_from_table(stage)
    console.print(f"\n{AN_EXISTING_APP.format(command=_command())}", markup=False)


def _command() -> str:
    """Return how the user calls us: by name, or by path when the name leads elsewhere."""
    found, called = shutil.which("understudy"), sys.argv[0]
    return "understudy" if found and Path(found).samefile(called) else called


def _set_the_stage(stage: Stage) -> tuple[str, str]:
    stage.heading("An assistant, a thread and a message")
    assistant = {"name": "Demo", "model": "demo", "tools": [GET_WEATHER]}
    assistant_id = stage.create("/v1/assistants", assistant)["id"]
    thread_id = stage.create("/v1/threads", {})["id"]
    stage.say(thread_id, QUESTION)
    return assistant_id, thread_id


def _streamed_run(stage: Stage, assistant_id: str, thread_id: str) -> None:
    stage.heading("A run, streamed as it happens")
    stage.stream(f"/v1/threads/{thread_id}/runs", _run_body(assistant_id))


def _run_with_function(stage: Stage, assistant_id: str, thread_id: str) -> None:
    stage.heading("A run that calls a function of yours")
    stage.say(thread_id, CALL)
    path = f"/v1/threads/{thread_id}/runs"
    run_id = stage.create(path, _run_body(assistant_id))["id"]
    waiting = stage.client.get(f"{path}/{run_id}?wait=10")
    outputs = [_output(stage, call) for call in _calls(waiting)]
    stage.stream(f"{path}/{run_id}/submit_tool_outputs", {"tool_outputs": outputs})


def _list_of_runs(stage: Stage, thread_id: str) -> None:
    stage.heading("The thread's runs, as a client of v1 lists them")
    path = f"/v1/threads/{thread_id}/runs"
    page = stage.client.get(path, era="v1")
    stage.print_request("GET", path, "with OpenAI-Beta: assistants=v1")
    problems = [*departures(page)]
    if len(page["data"]) != 2:  # noqa: PLR2004 - this demo made two
        problems.append(f"the list has {len(page['data'])} runs instead of 2")
    if problems:
        raise DemoFailed(f"{'; '.join(problems)}.")
    _show_page(stage, page)


def _show_page(stage: Stage, page: dict[str, Any]) -> None:
    for run in page["data"]:
        seconds = run["completed_at"] - run["started_at"]
        tokens = run["usage"]["total_tokens"]
        stage.print(f"  {run['id']}  {run['status']}  {seconds} s  {tokens} tokens")
    stage.print(f"  first_id  {page['first_id']}\n  last_id   {page['last_id']}")
    stage.print(f"  has_more  {str(page['has_more']).lower()}")
    stage.print(f"  All {len(RUN_FIELDS)} fields of the reference's page are in each run.")


def _run_body(assistant_id: str) -> dict[str, Any]:
    """Ask for the run with the budgets that the reference's page shows."""
    budgets = {"max_prompt_tokens": TOKENS_MAX, "max_completion_tokens": TOKENS_MAX}
    return {"assistant_id": assistant_id, **budgets}


def _calls(run: dict[str, Any]) -> list[dict[str, Any]]:
    if run["status"] != "requires_action":
        raise DemoFailed(f"the run was expected to call a function, but it is {run['status']}.")
    calls: list[dict[str, Any]] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return calls


def _output(stage: Stage, call: dict[str, Any]) -> dict[str, str]:
    function = call["function"]
    called = escape(f"{function['name']}({function['arguments']})")
    stage.print(f"  [cyan]requires_action[/cyan]  {called}, to which we answer: {WEATHER}")
    return {"tool_call_id": call["id"], "output": WEATHER}
