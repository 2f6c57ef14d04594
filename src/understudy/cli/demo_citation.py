"""The demo's scene in which a PDF is asked, and the answer's citation opens the right page."""

import re
import time
from pathlib import Path
from typing import Any

from msgspec import Struct
from rich.markup import escape

from understudy.cli.demo_client import Era
from understudy.cli.demo_failed import DemoFailed
from understudy.cli.demo_stage import Stage

HANDBOOK = Path(__file__).with_name("demo_data") / "handbook.pdf"
QUESTION = "How long is lost property kept, and where?"
READING_SECONDS_MAX = 20.0
LOOK_SECONDS = 0.05
SHOWN_CHARACTERS_MAX = 100
_QUOTED = re.compile(r"“([^”]+)”")


class Citation(Struct, frozen=True):
    """An annotation of an answer, with the words before it that it is there for."""

    marker: str
    file_id: str
    quote: str


def question_about_pdf(stage: Stage) -> None:
    """Play the scene. Raises DemoFailed when the citation does not lead to its source."""
    stage.heading("A question about a PDF, answered with a citation")
    assistant = {"name": "Reader", "model": "demo", "tools": [{"type": "file_search"}]}
    assistant_id = stage.create("/v1/assistants", assistant)["id"]
    file_id = _uploaded(stage)
    thread_id, store_id = _thread_with(stage, file_id)
    _wait_until_read(stage, f"/v1/vector_stores/{store_id}/files/{file_id}")
    stage.stream(f"/v1/threads/{thread_id}/runs", {"assistant_id": assistant_id})
    citation = _citation(_answer(stage, thread_id, "v2"))
    _show_source(stage, store_id, citation)
    _show_as_v1(stage, thread_id)


def _uploaded(stage: Stage) -> str:
    file: dict[str, str] = stage.client.upload(HANDBOOK, "assistants")
    stage.print_request("POST", "/v1/files", f"{file['id']}  {file['filename']}")
    return file["id"]


def _thread_with(stage: Stage, file_id: str) -> tuple[str, str]:
    """Ask the question in a thread of its own, and return thread and vector store."""
    attached = {"file_id": file_id, "tools": [{"type": "file_search"}]}
    message = {"role": "user", "content": QUESTION, "attachments": [attached]}
    thread = stage.create("/v1/threads", {"messages": [message]})
    stage.print(f"  [green]{QUESTION}[/green]  [dim]with {HANDBOOK.name} attached[/dim]")
    return thread["id"], thread["tool_resources"]["file_search"]["vector_store_ids"][0]


def _wait_until_read(stage: Stage, path: str) -> None:
    """Look until the file can be searched, and show each status once."""
    end = time.monotonic() + READING_SECONDS_MAX
    shown = ""
    while shown != "completed":
        file = stage.client.get(path)
        if file["status"] != shown:
            shown = file["status"]
            stage.print_request("GET", path, f"{shown}, {file['usage_bytes']:,} bytes")
        if file["last_error"] or time.monotonic() > end:
            raise DemoFailed(f"{HANDBOOK.name} is {shown}, with the error {file['last_error']}.")
        time.sleep(LOOK_SECONDS)


def _answer(stage: Stage, thread_id: str, era: Era) -> dict[str, Any]:
    """Return the text of the thread's latest message, with its annotations."""
    page = stage.client.get(f"/v1/threads/{thread_id}/messages?limit=1", era)
    text: dict[str, Any] = page["data"][0]["content"][0]["text"]
    return text


def _citation(answer: dict[str, Any]) -> Citation:
    """Return the first citation of an answer."""
    for annotation in answer["annotations"]:
        before = answer["value"][: annotation["start_index"]]
        marked = answer["value"][annotation["start_index"] : annotation["end_index"]]
        quotes = _QUOTED.findall(before)
        if quotes and marked == annotation["text"]:
            return Citation(marked, annotation["file_citation"]["file_id"], quotes[-1])
    raise DemoFailed(f"the answer cites nothing: {answer}")


def _show_source(stage: Stage, store_id: str, citation: Citation) -> None:
    """Show where the cited words stand, as a link that opens their page."""
    name = stage.client.get(f"/v1/files/{citation.file_id}")["filename"]
    path = f"/v1/vector_stores/{store_id}/files/{citation.file_id}/chunks"
    page = _page(citation.quote, stage.client.get(f"{path}?limit=100")["data"])
    if citation.quote not in _text_of_page(page):
        raise DemoFailed(f"page {page} of {name} does not say “{citation.quote}”.")
    stage.print_request("GET", path, "an extension: the passages and their pages")
    stage.print(f"  {citation.marker} is {name}, page {page}: [green]“{citation.quote}”[/green]")
    stage.print_link(f"{HANDBOOK.as_uri()}#page={page}")


def _page(quote: str, chunks: list[dict[str, Any]]) -> int:
    """Return the page of the words: that on which the nearest passage with them begins."""
    pages = [int(one["page_first"]) for one in chunks if quote in _on_one_line(one["text"])]
    if not pages:
        raise DemoFailed(f"no passage of {HANDBOOK.name} says “{quote}”.")
    return max(pages)


def _text_of_page(number: int) -> str:
    """Read the page from the file itself, not through the server."""
    from pypdf import PdfReader

    with PdfReader(HANDBOOK) as reader:
        return _on_one_line(reader.pages[number - 1].extract_text())


def _show_as_v1(stage: Stage, thread_id: str) -> None:
    """Show that v1 gets the passage along with the citation, as it had to (ANN-01)."""
    cited = _answer(stage, thread_id, "v1")["annotations"][0]["file_citation"]
    quote = _on_one_line(cited["quote"])
    if not quote:
        raise DemoFailed("the citation has no quote in v1.")
    shown = quote if len(quote) <= SHOWN_CHARACTERS_MAX else f"{quote[:SHOWN_CHARACTERS_MAX]}…"
    stage.print(f"  To a client of v1 the same citation quotes its passage: “{escape(shown)}”")


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
