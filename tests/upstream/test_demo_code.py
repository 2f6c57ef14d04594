"""The demo and the code interpreter: the user's code, or a look at the user's table."""

import ast
import json
from typing import Any

import pytest

from understudy.runs.cells import FILES_MADE, IMAGE_SHOWN
from understudy.upstream.demo import Demo

from .conversations import SEARCH, Heard, after_tools, ask, hear

BLOCK = "Please run this:\n```python\nprint(6 * 7)\n```\nThanks."


def offer(*names: str) -> dict[str, Any]:
    listed = "".join(f"\n- /mnt/data/{name} (also /mnt/data/file-{name})" for name in names)
    return {
        "type": "function",
        "function": {
            "name": "code_interpreter",
            "description": f"Runs Python. The user's files are there:{listed}",
            "parameters": {"type": "object", "properties": {"code": {"type": "string"}}},
        },
    }


async def demo(text: str, **fields: Any) -> Heard:
    return await hear(Demo(), ask(text, **fields))


def code_of(heard: Heard) -> str:
    ((_, name, arguments),) = heard.calls
    assert name == "code_interpreter"
    code: str = json.loads(arguments)["code"]
    return code


async def test_it_runs_the_block_of_the_message() -> None:
    assert code_of(await demo(BLOCK, tools=[offer("a.csv")])) == "print(6 * 7)\n"


@pytest.mark.parametrize("name", ["my sales.csv", "o'clock.CSV"])
async def test_it_describes_and_plots_a_table(name: str) -> None:
    code = code_of(await demo("What is in it?", tools=[SEARCH, offer("a.txt", name)]))
    ast.parse(code)
    assert repr(f"/mnt/data/{name}") in code
    assert "summary.xlsx" in code


async def test_without_code_or_table_it_runs_nothing() -> None:
    assert not (await demo("Hi", tools=[offer("a.txt")])).calls
    assert not (await demo(BLOCK)).calls
    assert not (await demo(BLOCK, tools=[offer()], tool_choice="none")).calls


async def test_forced_it_runs_something() -> None:
    forced = {"type": "function", "function": {"name": "code_interpreter"}}
    ast.parse(code_of(await demo("Hi", tools=[offer()], tool_choice=forced)))


async def test_it_shows_what_came_out_and_links_to_what_was_made() -> None:
    """ANN-04."""
    output = f"42\n{IMAGE_SHOWN}\n\n{FILES_MADE}\n- sandbox:/mnt/data/out/a b.xlsx"
    text = (await hear(Demo(), after_tools(BLOCK, output, name="code_interpreter"))).text
    assert "not a language model" in text
    assert "```\n42\n```" in text
    assert "[a b.xlsx](sandbox:/mnt/data/out/a b.xlsx)" in text
    assert IMAGE_SHOWN not in text
