"""The demo's scene in which code runs in the sandbox: a table goes in, and a chart comes out."""

import os
import tempfile
from pathlib import Path
from typing import Any

from msgspec import Struct

from understudy.cli.demo_failed import DemoFailed
from understudy.cli.demo_stage import Stage

QUESTION = "Describe the table and plot it."
TABLE_NAME = "library.csv"
TABLE = """\
month,visitors,loans
January,1840,960
February,1655,910
March,2120,1180
April,1990,1075
May,2245,1230
June,1785,990
"""
# A figure of the table's that the answer has to say: the mean of its visitors.
MEAN = "1939.1"
PNG = b"\x89PNG\r\n\x1a\n"
XLSX = b"PK\x03\x04"
# How the message of a run begins that failed because there is no sandbox.
UNAVAILABLE = "The code interpreter is not available"


class MadeFile(Struct, frozen=True):
    """A file that code has made, with its bytes."""

    name: str
    content: bytes


def chart_from_table(stage: Stage) -> None:
    """Play the scene, or say why it cannot be played here. Raises DemoFailed."""
    stage.heading("A chart from a CSV, by code in the sandbox")
    assistant = {"name": "Analyst", "model": "demo", "tools": [{"type": "code_interpreter"}]}
    assistant_id = stage.create("/v1/assistants", assistant)["id"]
    thread_id = _thread_with(stage, _uploaded(stage))
    last = stage.show_stream(f"/v1/threads/{thread_id}/runs", {"assistant_id": assistant_id})
    if (refused := _refusal(last.data)) is not None:
        stage.print_plain(f"  Left out: {refused}")
    elif last.name == "thread.run.completed":
        _show_what_was_made(stage, thread_id)
    else:
        raise DemoFailed(f"a run ended with {last.name}: {last.data.get('last_error')}.")


def _uploaded(stage: Stage) -> str:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / TABLE_NAME
        table.write_text(TABLE)
        file: dict[str, str] = stage.client.upload(table, "assistants")
    stage.print_request("POST", "/v1/files", f"{file['id']}  {file['filename']}")
    return file["id"]


def _thread_with(stage: Stage, file_id: str) -> str:
    attached = {"file_id": file_id, "tools": [{"type": "code_interpreter"}]}
    message = {"role": "user", "content": QUESTION, "attachments": [attached]}
    thread_id: str = stage.create("/v1/threads", {"messages": [message]})["id"]
    stage.print(f"  [green]{QUESTION}[/green]  [dim]with {TABLE_NAME} attached[/dim]")
    return thread_id


def _refusal(run: dict[str, Any]) -> str | None:
    """Return why there is no sandbox here, if that is why the run failed."""
    message: str = (run.get("last_error") or {}).get("message", "")
    return message if message.startswith(UNAVAILABLE) else None


def _show_what_was_made(stage: Stage, thread_id: str) -> None:
    content = stage.client.get(f"/v1/threads/{thread_id}/messages?limit=1")["data"][0]["content"]
    if MEAN not in _text(content):
        raise DemoFailed(f"the answer does not say {MEAN}: {content}")
    chart = _fetched(stage, _image(content), PNG)
    book = _fetched(stage, _linked_file(content), XLSX)
    kept = _kept(chart)
    stage.print(f"  The chart, {len(chart.content):,} bytes, until you delete it:")
    stage.print_link(kept.as_uri())
    stage.print(f"  And {book.name}, {len(book.content):,} bytes, as the answer's link says.")


def _text(content: list[dict[str, Any]]) -> str:
    return "".join(part["text"]["value"] for part in content if part["type"] == "text")


def _image(content: list[dict[str, Any]]) -> str:
    """Return the file id of the chart that the message shows."""
    for part in content:
        if part["type"] == "image_file":
            file_id: str = part["image_file"]["file_id"]
            return file_id
    raise DemoFailed(f"the answer shows no chart: {content}")


def _linked_file(content: list[dict[str, Any]]) -> str:
    """Return the file id behind the message's link into the sandbox (ANN-04)."""
    for part in content:
        for annotation in part.get("text", {}).get("annotations", ()):
            if annotation["type"] == "file_path":
                file_id: str = annotation["file_path"]["file_id"]
                return file_id
    raise DemoFailed(f"the answer links to no file: {content}")


def _fetched(stage: Stage, file_id: str, beginning: bytes) -> MadeFile:
    path = f"/v1/files/{file_id}"
    name = stage.client.get(path)["filename"]
    content = stage.client.content(f"{path}/content")
    stage.print_request("GET", f"{path}/content", name)
    if not content.startswith(beginning):
        raise DemoFailed(f"{name} is not what its name says.")
    return MadeFile(Path(name).name, content)


def _kept(file: MadeFile) -> Path:
    """Keep the file where it can be looked at after the demo."""
    descriptor, name = tempfile.mkstemp(prefix="understudy-chart-", suffix=".png")
    with os.fdopen(descriptor, "wb") as kept:
        kept.write(file.content)
    return Path(name)
