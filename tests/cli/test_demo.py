"""``understudy demo``: the main job, shown to somebody new."""

import re
import socket
from io import StringIO
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from rich.console import Console

from tests.cli.command import Ended, understudy
from understudy.cli.demo_citation import HANDBOOK, _citation, _page
from understudy.cli.demo_client import DemoClient
from understudy.cli.demo_failed import DemoFailed
from understudy.cli.demo_stage import Stage
from understudy.cli.list_runs_page import departures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def shown(folder: Path) -> Ended:
    """Run the demo once for this module, with a place for its files that can be looked at."""
    # A setting that would break a server of the user's must not reach the demo's own.
    return understudy("demo", folder=folder, TMPDIR=str(folder), UNDERSTUDY_PORT="none")


def test_it_succeeds(shown: Ended) -> None:
    assert shown.code == 0, shown.err
    assert shown.err == ""


def test_it_streams_events_and_text(shown: Ended) -> None:
    assert "thread.run.created" in shown.out
    assert "It received: “What can you do for me?”" in shown.out
    assert shown.out.count("thread.run.completed") == 3


def test_it_submits_the_outputs_that_a_run_asks_for(shown: Ended) -> None:
    asked = shown.out.index('requires_action  get_weather({"city": "Paris"})')
    sent = shown.out.index("submit_tool_outputs")
    answered = shown.out.index("get_weather returned 18 degrees and sunny")
    assert asked < sent < answered


def test_it_lists_the_runs_as_the_reference_does(shown: Ended) -> None:
    assert "OpenAI-Beta: assistants=v1" in shown.out
    assert "first_id  run_" in shown.out
    assert "has_more  false" in shown.out


def test_it_shows_how_an_attached_pdf_is_read(shown: Ended) -> None:
    attached = shown.out.index("with handbook.pdf attached")
    assert "completed, " in shown.out[attached:]


def test_its_citation_opens_the_page_that_says_so(shown: Ended) -> None:
    cited = re.search(r"“(.+)”(【\d+:\d+†source】)\n", shown.out)
    assert cited, shown.out
    quote, marker = cited.groups()
    resolved = re.search(rf"{marker} is handbook\.pdf, page (\d+): “{re.escape(quote)}”", shown.out)
    assert resolved, shown.out
    assert f"\n  {HANDBOOK.as_uri()}#page={resolved[1]}\n" in shown.out
    assert quote in text_of_page(int(resolved[1]))


def text_of_page(number: int) -> str:
    document = pypdfium2.PdfDocument(HANDBOOK)
    try:
        return " ".join(document[number - 1].get_textpage().get_text_range().split())
    finally:
        document.close()


def test_a_client_of_v1_gets_a_quote_with_it(shown: Ended) -> None:
    assert re.search(r"To a client of v1 .* quotes its passage: “\w+", shown.out)


def test_it_ends_with_the_lines_that_point_an_app_here(shown: Ended) -> None:
    last = shown.out.splitlines()[-2:]
    assert last[0].strip() == "export OPENAI_BASE_URL=http://127.0.0.1:8730/v1"
    assert last[1].strip().startswith("export OPENAI_API_KEY=")


def test_it_is_plain_without_a_terminal(shown: Ended) -> None:
    assert "\x1b" not in shown.out


def test_it_leaves_nothing_behind(shown: Ended, folder: Path) -> None:
    assert shown.code == 0
    assert [*folder.iterdir()] == []


def test_a_link_can_be_clicked_in_a_terminal() -> None:
    screen = StringIO()
    Stage(Console(file=screen, force_terminal=True), DemoClient(0, "sk-none")).print_link(
        "file:///a"
    )
    assert re.search(r"\x1b\]8;id=\d+;file:///a\x1b\\file:///a\x1b\]8;;", screen.getvalue())


def test_an_answer_without_a_citation_fails_it() -> None:
    with pytest.raises(DemoFailed, match="cites nothing"):
        _citation({"value": "“Forty days.”【0:0†source】", "annotations": []})


def test_a_citation_that_marks_something_else_fails_it() -> None:
    annotation = {"text": "【0:0†source】", "start_index": 1, "end_index": 14}
    with pytest.raises(DemoFailed, match="cites nothing"):
        _citation({"value": "“Forty days.”【0:0†source】", "annotations": [annotation]})


def test_the_page_is_that_of_the_nearest_passage() -> None:
    passages = [
        {"text": "One. Two.\nThree. Four.", "page_first": 1},
        {"text": "Two.\nThree.", "page_first": 2},
        {"text": "Four.", "page_first": 3},
    ]
    assert _page("Two. Three.", passages) == 2
    with pytest.raises(DemoFailed, match="no passage"):
        _page("Five.", passages)


def test_a_server_that_is_gone_is_told_in_a_sentence() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        client = DemoClient(free.getsockname()[1], "sk-none")
        with pytest.raises(DemoFailed, match=r"GET /v1/models got no answer"):
            client.get("/v1/models")


def run_of_the_reference() -> dict[str, Any]:
    """Return a run as the List runs page of v1 shows one."""
    return {
        "id": "run_abc123",
        "object": "thread.run",
        "created_at": 1699075072,
        "assistant_id": "asst_abc123",
        "thread_id": "thread_abc123",
        "status": "completed",
        "started_at": 1699075072,
        "expires_at": None,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": 1699075073,
        "last_error": None,
        "model": "gpt-4-turbo",
        "instructions": None,
        "incomplete_details": None,
        "tools": [{"type": "code_interpreter"}],
        "file_ids": ["file-abc123", "file-abc456"],
        "metadata": {},
        "usage": {"prompt_tokens": 123, "completion_tokens": 456, "total_tokens": 579},
        "temperature": 1,
        "top_p": 1,
        "max_prompt_tokens": 1000,
        "max_completion_tokens": 1000,
        "truncation_strategy": {"type": "auto", "last_messages": None},
        "response_format": "auto",
        "tool_choice": "auto",
    }


def page_of(run: dict[str, Any]) -> dict[str, Any]:
    ids = {"first_id": "run_abc123", "last_id": "run_abc123"}
    return {"object": "list", "data": [run], **ids, "has_more": False}


def test_the_page_of_the_reference_has_no_departures() -> None:
    assert [*departures(page_of(run_of_the_reference()))] == []


@pytest.mark.parametrize("field", run_of_the_reference())
def test_a_field_that_is_missing_is_named(field: str) -> None:
    run = run_of_the_reference()
    del run[field]
    assert any(field in told for told in departures(page_of(run)))


@pytest.mark.parametrize("field", ["object", "data", "first_id", "last_id", "has_more"])
def test_a_field_of_the_list_that_is_missing_is_named(field: str) -> None:
    page = page_of(run_of_the_reference())
    del page[field]
    assert f"{field} is missing in the list" in departures(page)


def test_a_field_of_another_type_is_named() -> None:
    run = {**run_of_the_reference(), "created_at": "yesterday"}
    assert [*departures(page_of(run))] == ["created_at of run run_abc123 is 'yesterday'"]
