"""Messages and threads as clients of both eras send them."""

import json
from typing import Any

import pytest
from msgspec import UNSET

from understudy.errors import InvalidRequest
from understudy.wire.era import Era
from understudy.wire.objects.messages import (
    Attachment,
    AttachmentTool,
    ImageFile,
    ImageFileContent,
    ImageUrl,
    ImageUrlContent,
    Text,
    TextContent,
)
from understudy.wire.objects.tools import (
    CodeInterpreterResources,
    FileSearchResources,
    ToolResources,
)
from understudy.wire.params import messages, threads
from understudy.wire.params.messages import NewMessage
from understudy.wire.params.vector_stores import NewVectorStore


def _created(era: Era = "v2", **params: Any) -> NewMessage:
    body = json.dumps({"role": "user", "content": "hi", **params}).encode()
    return messages.parse_create(body, era)


def test_msg_04_a_string_becomes_one_text_part_in_both_eras() -> None:
    expected = NewMessage(role="user", content=[TextContent(Text("hi"))])
    assert _created("v1") == _created("v2") == expected


def test_msg_04_v1_takes_ten_files() -> None:
    assert _created("v1", file_ids=[]).file_ids == []
    with pytest.raises(InvalidRequest, match="maximum length 10, but got an array with length 11"):
        _created("v1", file_ids=["f"] * 11)


def test_msg_04_text_has_at_most_256000_characters() -> None:
    _created(content="x" * 256_000)
    with pytest.raises(InvalidRequest, match="maximum length 256000"):
        _created(content="x" * 256_001)


def test_msg_05_parts_of_v2() -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_file", "image_file": {"file_id": "file-1"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/x.png", "detail": "low"}},
    ]
    assert _created(content=parts).content == [
        TextContent(Text("look", [])),
        ImageFileContent(ImageFile("file-1", "auto")),
        ImageUrlContent(ImageUrl("https://example.org/x.png", "low")),
    ]


def test_msg_05_a_list_of_parts_is_not_empty() -> None:
    with pytest.raises(InvalidRequest, match="Invalid 'content': empty array"):
        _created(content=[])


def test_msg_05_the_echoed_form_of_a_text_part_is_not_taken() -> None:
    with pytest.raises(InvalidRequest) as caught:
        _created(content=[{"type": "text", "text": {"value": "x", "annotations": []}}])
    assert caught.value.message == (
        "Invalid type for 'content[0].text': expected a string, but got an object instead."
    )


def test_msg_05_v1_has_no_parts() -> None:
    with pytest.raises(InvalidRequest, match="expected a string, but got an array instead"):
        _created("v1", content=[{"type": "text", "text": "x"}])


def test_msg_06_attachments() -> None:
    attachments = [{"file_id": "file-1", "tools": [{"type": "file_search"}]}]
    assert _created(attachments=attachments).attachments == [
        Attachment("file-1", [AttachmentTool("file_search")])
    ]
    assert _created(attachments=None).attachments == []


def test_msg_09_only_metadata_can_be_modified() -> None:
    assert messages.parse_modify(b"", "v2").metadata is UNSET
    assert messages.parse_modify(b'{"metadata":null}', "v2").metadata == {}
    assert messages.parse_modify(b'{"metadata":{"a":true}}', "v1").metadata == {"a": "True"}
    with pytest.raises(InvalidRequest, match="Unknown parameter: 'content'"):
        messages.parse_modify(b'{"content":"x"}', "v2")


def test_thr_03_a_thread_brings_messages_and_resources() -> None:
    made = threads.parse_create(
        json.dumps(
            {
                "messages": [{"role": "assistant", "content": "hi"}],
                "metadata": {"a": "b"},
                "tool_resources": {
                    "code_interpreter": {"file_ids": ["file-1"]},
                    "file_search": {"vector_stores": [{"file_ids": ["file-2"]}]},
                },
            }
        ).encode(),
        "v2",
    )
    assert made == threads.NewThread(
        messages=[NewMessage(role="assistant", content=[TextContent(Text("hi"))])],
        metadata={"a": "b"},
        tool_resources=ToolResources(
            code_interpreter=CodeInterpreterResources(["file-1"]),
            file_search=FileSearchResources([]),
        ),
        new_vector_stores=[NewVectorStore(file_ids=["file-2"])],
    )


def test_thr_03_no_messages_are_messages_too() -> None:
    assert threads.parse_create(b'{"messages":[]}', "v1") == threads.NewThread()


def test_thr_04_v1_modifies_metadata_only() -> None:
    assert threads.parse_modify(b'{"tool_resources":null}', "v2").tool_resources is None
    with pytest.raises(InvalidRequest, match="Unknown parameter: 'tool_resources'"):
        threads.parse_modify(b'{"tool_resources":{}}', "v1")


def test_d_18_a_coerced_value_of_metadata_names_its_message_when_it_is_too_long() -> None:
    body = b'{"messages":[{"role":"user","content":"x","metadata":{"n":' + b"9" * 600 + b"}}]}"
    with pytest.raises(InvalidRequest) as caught:
        threads.parse_create(body, "v1")
    assert caught.value.param == "messages[0].metadata.n"
