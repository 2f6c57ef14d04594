"""What the built-in demo does with the code interpreter: the user's code, or a look at a table."""

import json
import re

from understudy.runs.cells import FILES_MADE, IMAGE_SHOWN, LINK
from understudy.upstream.base import ModelRequest
from understudy.upstream.conversation import (
    has_tool_outputs,
    last_user_text,
    offered_functions,
)

TOOL = "code_interpreter"
SHOWN_CHARACTERS_MAX = 2_000

_BLOCK = re.compile(r"^```(?:python|py)[ \t]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
# The offer lists the user's files, each by name and id.
_TABLE = re.compile(r"^- (/mnt/data/.+\.csv) \(also ", re.MULTILINE | re.IGNORECASE)
_GREETING = "import sys\nprint('Python', sys.version.split()[0])"
_LOOK_AT_TABLE = """\
import matplotlib.pyplot as plt
import pandas as pd

table = pd.read_csv({path})
print(table.describe(include="all").to_string())
labels = table.select_dtypes(exclude="number").columns
numbers = table.set_index(labels[0]) if len(labels) else table
numbers = numbers.select_dtypes("number")
if len(numbers.columns):
    numbers.plot(kind="bar" if len(numbers) <= 40 else "line", title={name})
    plt.tight_layout()
    plt.show()
with pd.ExcelWriter("/mnt/data/summary.xlsx") as book:
    table.to_excel(book, sheet_name="table", index=False)
    table.describe().to_excel(book, sheet_name="summary")
"""


def is_to_run(request: ModelRequest) -> bool:
    """Return whether the message holds code, or comes with a table, that was not looked at yet."""
    return (
        TOOL in offered_functions(request)
        and request.tool_choice != "none"
        and not has_tool_outputs(request.messages)
        and (_block(request) is not None or _table(request) is not None)
    )


def arguments(request: ModelRequest) -> str:
    """Return what the code interpreter is called with."""
    code = _block(request)
    path = _table(request)
    if code is None and path is not None:
        code = _LOOK_AT_TABLE.format(path=repr(path), name=repr(path.rpartition("/")[2]))
    return json.dumps({"code": code or _GREETING}, ensure_ascii=False)


def _block(request: ModelRequest) -> str | None:
    found = _BLOCK.search(last_user_text(request.messages))
    return found[1] if found else None


def _table(request: ModelRequest) -> str | None:
    functions = (tool["function"] for tool in request.tools if tool.get("type") == "function")
    offers = "\n".join(one.get("description") or "" for one in functions if one["name"] == TOOL)
    found = _TABLE.search(offers)
    return found[1] if found else None


def about_output(text: str) -> str:
    """Return what came out of the code: its text, and links to the files that it has made."""
    shown, _, files = text.partition(f"\n{FILES_MADE}\n")
    printed = shown.replace(IMAGE_SHOWN, "").strip("\n")
    if len(printed) > SHOWN_CHARACTERS_MAX:
        printed = printed[:SHOWN_CHARACTERS_MAX] + "…"
    links = [_link(line.removeprefix("- ")) for line in files.splitlines() if LINK in line]
    told = [f"it ran the code, and this came out:\n\n```\n{printed}\n```"] if printed else []
    told += [f"Made: {', '.join(links)}"] if links else []
    return "\n\n".join(told) or "it ran the code, and nothing was printed."


def _link(address: str) -> str:
    return f"[{address.rpartition('/')[2]}]({address})"
