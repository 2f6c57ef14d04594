"""The oldest and the newest client work on one thread at once (V1V2-01, V1V2-02, section 14)."""

from typing import Any

import pytest

from .environments import NEWEST_PYTHON, OLDEST_PYTHON
from .programs import HERE, play
from .rest import Rest
from .server import LiveServer

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

TURN = HERE / "python" / "turn.py"
QUESTION = "say the alphabet"
ANSWER = "alpha beta gamma delta epsilon"


def test_both_eras_take_turns_on_one_thread(live_server: LiveServer) -> None:
    """Each turn sees all earlier messages and runs, whoever made them (V1V2-01)."""
    rest = Rest(live_server)
    ids = (
        rest.post("/assistants", {"model": "scripted"})["id"],
        rest.post("/threads", {})["id"],
    )
    runs_before: list[str] = []
    for turn in range(1, 5):
        client = (NEWEST_PYTHON, OLDEST_PYTHON)[turn % 2]
        seen = play(client, TURN, live_server, *ids)
        assert (seen["era"], seen["status"]) == (client.era, "completed")
        assert seen["texts"] == [QUESTION, ANSWER] * turn
        assert seen["runs"][:-1] == runs_before
        runs_before = seen["runs"]


def test_each_era_sees_its_own_name_of_the_search_tool(live_server: LiveServer) -> None:
    """An assistant made with `retrieval` in v1 is shown with `file_search` in v2 (V1V2-02)."""
    rest = Rest(live_server, era="v1")
    tools = [{"type": "retrieval"}, {"type": "code_interpreter"}]
    assistant = rest.post("/assistants", {"model": "scripted", "tools": tools})["id"]
    thread = rest.post("/threads", {})["id"]
    old = play(OLDEST_PYTHON, TURN, live_server, assistant, thread)
    new = play(NEWEST_PYTHON, TURN, live_server, assistant, thread)
    assert old["tools"] == ["retrieval", "code_interpreter"]
    assert new["tools"] == ["file_search", "code_interpreter"]


def test_a_run_without_tokens_left_has_two_names(live_server: LiveServer) -> None:
    """What v2 calls incomplete is completed in v1, with its reason, whoever made it (RUN-1E)."""
    old, new = Rest(live_server, era="v1"), Rest(live_server, era="v2")
    for maker in (old, new):
        body = {
            "assistant_id": maker.post("/assistants", {"model": "scripted"})["id"],
            "thread": {"messages": [{"role": "user", "content": "ramble on"}]},
            "max_completion_tokens": 16,
        }
        run = maker.run_to_its_end(body)
        path = f"/threads/{run['thread_id']}/runs"
        for reader, status in ((old, "completed"), (new, "incomplete")):
            shown = reader.get(f"{path}/{run['id']}")
            assert shown["status"] == status
            assert shown["incomplete_details"] == {"reason": "max_completion_tokens"}
            assert reader.get(path)["data"] == [shown]


def test_files_of_a_v1_assistant_are_its_tools_files_in_v2(live_server: LiveServer) -> None:
    """The file_ids of v1 go to the code interpreter when that tool is on (V1V2-02, V1V2-03)."""
    old, new = Rest(live_server, era="v1"), Rest(live_server, era="v2")
    file_id, other_id = old.upload("a.csv", b"a\n1\n"), old.upload("b.csv", b"b\n2\n")
    tools = [{"type": "code_interpreter"}]
    body = {"model": "scripted", "tools": tools, "file_ids": [file_id]}
    path = f"/assistants/{old.post('/assistants', body)['id']}"
    resources = {"code_interpreter": {"file_ids": [file_id]}}
    assert new.get(path)["tool_resources"] == resources

    resources = {"code_interpreter": {"file_ids": [other_id]}}
    assert new.post(path, {"tool_resources": resources})["tool_resources"] == resources
    assert old.get(path)["file_ids"] == [file_id]


def test_files_of_a_v1_message_are_attachments_in_v2(live_server: LiveServer) -> None:
    """A message with file_ids shows them as attachments in v2 and on the thread (V1V2-02)."""
    old, new = Rest(live_server, era="v1"), Rest(live_server, era="v2")
    file_id = old.upload("a.txt", b"words")
    thread_path = f"/threads/{old.post('/threads', {})['id']}"
    path = f"{thread_path}/messages"
    body = {"role": "user", "content": "look", "file_ids": [file_id]}
    message = old.post(path, body)
    assert message["file_ids"] == [file_id]
    resources = new.get(thread_path)["tool_resources"]
    assert resources["code_interpreter"] == {"file_ids": [file_id]}
    assert _searched(new, resources) == [file_id]
    shown = new.get(f"{path}/{message['id']}")
    assert "file_ids" not in shown
    assert [item["file_id"] for item in shown["attachments"]] == [file_id]


def test_a_deleted_file_is_gone_from_everything(live_server: LiveServer) -> None:
    """Deleting the file object takes it off assistants, messages, threads (FILE-07, V1V2-04)."""
    old, new = Rest(live_server, era="v1"), Rest(live_server, era="v2")
    kept, gone = old.upload("kept.csv", b"a\n1\n"), old.upload("gone.csv", b"b\n2\n")
    both = {"file_ids": [kept, gone]}
    body = {"model": "scripted", "tools": [{"type": "code_interpreter"}], **both}
    assistant = f"/assistants/{old.post('/assistants', body)['id']}"
    thread = f"/threads/{old.post('/threads', {})['id']}"
    message = old.post(f"{thread}/messages", {"role": "user", "content": "look", **both})

    new.delete(f"/files/{gone}")
    left = {"file_ids": [kept]}
    assert old.get(assistant)["file_ids"] == [kept]
    assert new.get(assistant)["tool_resources"] == {"code_interpreter": left}
    assert old.get(f"{thread}/messages/{message['id']}")["file_ids"] == [kept]
    resources = new.get(thread)["tool_resources"]
    assert resources["code_interpreter"] == left
    assert _searched(new, resources) == [kept]


def _searched(client: Rest, resources: Any) -> list[str]:
    """Return the files in the one store that the resources name."""
    (store_id,) = resources["file_search"]["vector_store_ids"]
    return [file["id"] for file in client.get(f"/vector_stores/{store_id}/files")["data"]]
