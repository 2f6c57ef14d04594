"""Files (contract section 13, FILE)."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from understudy.clock import ManualClock
from understudy.engine.duties import AllDuties
from understudy.engine.sweeper import Sweeper
from understudy.operations import arrivals, files
from understudy.operations.ports import Caller
from understudy.wire.params.files import NewFile

from .client import Answer, Client, Error
from .conftest import Build, House

KEYS = [
    "object",
    "id",
    "purpose",
    "filename",
    "bytes",
    "created_at",
    "expires_at",
    "status",
    "status_details",
]
PURPOSES = ["fine-tune", "assistants", "batch", "user_data", "vision", "evals"]


def stored(house: House) -> list[Path]:
    """Return whatever lies in the folder of the bytes."""
    folder = Path(house.ports.settings.files_location)
    return [path for path in folder.rglob("*") if path.is_file()]


def filename_in(answer: Answer) -> str:
    """Return the name that a browser would save the file under (RFC 6266)."""
    disposition = answer.headers["Content-Disposition"]
    found = re.fullmatch(
        r"attachment; filename=\"((?:[^\"\\]|\\.)*)\"(?:; filename\*=UTF-8''(\S+))?", disposition
    )
    assert found is not None, disposition
    return unquote(found[2]) if found[2] else re.sub(r"\\(.)", r"\1", found[1])


@pytest.mark.parametrize("era", [None, "v1", "v2"])
async def test_the_wire_has_the_recorded_keys_in_their_order(house: House, era: Any) -> None:
    """FILE-01, FILE-02, GEN-05: an upload for assistants is processed at once."""
    client = house.client(era)
    made = await client.upload(b"hello world", "notes.txt")
    assert list(made) == KEYS
    made.pop("id")
    assert type(made.pop("created_at")) is int
    assert made == {
        "object": "file",
        "purpose": "assistants",
        "filename": "notes.txt",
        "bytes": 11,
        "expires_at": None,
        "status": "processed",
        "status_details": None,
    }


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_each_purpose_is_accepted(either: Client, purpose: str) -> None:
    """FILE-03: the six purposes of uploads; the status is a documented one (FILE-02)."""
    made = await either.upload(purpose=purpose)
    assert made["purpose"] == purpose
    assert made["status"] in {"uploaded", "processed"}
    assert await either.get(f"/files/{made['id']}") == made


@pytest.mark.parametrize("purpose", ["x", "", "assistants_output", "Assistants", "fine_tune"])
async def test_another_purpose_is_refused(house: House, either: Client, purpose: str) -> None:
    """FILE-03, ERR-31: in the words of the older validator, and nothing is kept."""
    answer = await either.send_form(b"hello", purpose=purpose)
    assert answer.error == Error(
        400,
        f"'{purpose}' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', "
        "'evals'] - 'purpose'",
        param="purpose",
    )
    assert (await either.listed("/files"), stored(house)) == ([], [])


async def test_purpose_and_file_are_required(house: House, either: Client) -> None:
    """FILE-03: without either of them, 400 with its name, and nothing is kept."""
    answer = await either.send_form(b"hello")
    assert (answer.error.status, answer.error.param) == (400, "purpose")
    answer = await either.send_form(None, purpose="assistants")
    assert (answer.error.status, answer.error.param) == (400, "file")
    assert (await either.listed("/files"), stored(house)) == ([], [])


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain"])
async def test_what_is_no_form_is_refused(house: House, either: Client, content_type: str) -> None:
    """FILE-03, GEN-01: 400 and never an error of ours."""
    headers = {"Content-Type": content_type}
    error = await either.refused("POST", "/files", b'{"purpose":"assistants"}', headers=headers)
    assert error.status == 400
    assert stored(house) == []


async def test_a_file_may_have_as_many_bytes_as_the_limit(build: Build) -> None:
    """FILE-04: one byte more is a 400, and neither the row nor the bytes are kept."""
    house = await build(file_bytes_max=100_000)
    client = house.client()
    made = await client.upload(b"x" * 100_000)
    assert made["bytes"] == 100_000
    answer = await client.send_form(b"x" * 100_001, purpose="assistants")
    assert (answer.error.status, answer.error.param) == (400, "file")
    assert answer.error.message == "File is too large. Maximum size is 100000 bytes."
    assert await client.listed("/files") == [made]
    assert len(stored(house)) == 1


async def test_the_limit_is_512_megabytes(house: House) -> None:
    """FILE-04: unless it is set otherwise."""
    assert house.ports.settings.file_bytes_max == 512 * 1024 * 1024


@pytest.mark.parametrize("purpose", ["fine-tune", "vision", "batch"])
@pytest.mark.parametrize(
    "content", [b"", b"hello", bytes(range(256)) * 5000], ids=["empty", "small", "large"]
)
async def test_what_was_uploaded_can_be_downloaded(
    either: Client, purpose: str, content: bytes
) -> None:
    """FILE-05, FILE-06, GEN-01: the same bytes, as application/octet-stream."""
    made = await either.upload(content, "data.bin", purpose=purpose)
    answer = await either.send("GET", f"/files/{made['id']}/content")
    assert (answer.status, answer.body == content) == (200, True)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert int(answer.headers["Content-Length"]) == made["bytes"] == len(content)
    assert filename_in(answer) == "data.bin"


@pytest.mark.parametrize("purpose", ["assistants", "user_data"])
async def test_inputs_cannot_be_downloaded(either: Client, purpose: str) -> None:
    """FILE-05, ERR-61: Not allowed to download files of purpose."""
    made = await either.upload(purpose=purpose)
    error = await either.refused("GET", f"/files/{made['id']}/content")
    assert error == Error(400, f"Not allowed to download files of purpose: {purpose}")


async def test_the_download_of_inputs_can_be_allowed(build: Build) -> None:
    """FILE-05: by a setting."""
    client = (await build(allow_download_of_inputs=True)).client()
    made = await client.upload(b"mine")
    assert (await client.send("GET", f"/files/{made['id']}/content")).body == b"mine"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("naïve 文件 🫠.txt", "naïve 文件 🫠.txt"),
        ('say "hi".txt', 'say "hi".txt'),
        ("it's.txt", "it's.txt"),
        ("semi;colon=1.txt", "semi;colon=1.txt"),
        ("100%25.txt", "100%25.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\plan.docx", "plan.docx"),
        ("no-extension", "no-extension"),
        (".hidden", ".hidden"),
        ("a" * 300 + ".txt", "a" * 251 + ".txt"),
    ],
)
async def test_names_survive_the_round_trip(v2: Client, sent: str, kept: str) -> None:
    """FILE-01, FILE-06: Unicode and quotes stay, paths go, the extension is never cut off."""
    made = await v2.upload(b"hello", sent, purpose="vision")
    assert made["filename"] == kept
    assert (await v2.get(f"/files/{made['id']}"))["filename"] == kept
    answer = await v2.send("GET", f"/files/{made['id']}/content")
    assert (answer.body, filename_in(answer)) == (b"hello", kept)


@pytest.mark.parametrize("name", ["notes.txt", "my notes (1).txt", "it's.txt", "100%.txt"])
async def test_a_plain_name_stands_plainly_in_the_header(v2: Client, name: str) -> None:
    """FILE-06: Content-Disposition: attachment; filename="...", for clients that know no more."""
    made = await v2.upload(b"hello", name, purpose="vision")
    answer = await v2.send("GET", f"/files/{made['id']}/content")
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{name}"')


async def test_a_deleted_file_is_gone_with_its_bytes(house: House, either: Client) -> None:
    """FILE-07, ERR-42: the answer to a delete; then 404, also the second time."""
    made, kept = await either.upload(b"1"), await either.upload(b"2")
    path = f"/files/{made['id']}"
    assert await either.delete(path) == {"id": made["id"], "object": "file", "deleted": True}
    not_found = Error(404, f"No such File object: {made['id']}", param="id")
    assert await either.refused("DELETE", path) == not_found
    assert await either.refused("GET", path) == not_found
    assert await either.refused("GET", f"{path}/content") == not_found
    assert await either.listed("/files") == [kept]
    assert len(stored(house)) == 1


async def test_a_deleted_file_is_gone_from_assistants(v1: Client, v2: Client) -> None:
    """FILE-07, V1V2-04: deleting the file object removes it from them in both views."""
    file, other = await v1.upload(b"1"), await v1.upload(b"2")
    tools = [{"type": "code_interpreter"}]
    ids = [file["id"], other["id"]]
    made = await v1.assistant(tools=tools, file_ids=ids)
    path = f"/assistants/{made['id']}"
    await v1.delete(f"/files/{file['id']}")
    assert (await v1.get(path))["file_ids"] == [other["id"]]
    resources = (await v2.get(path))["tool_resources"]
    assert resources == {"code_interpreter": {"file_ids": [other["id"]]}}
    assert [one["id"] for one in await v1.listed(f"{path}/files")] == [other["id"]]


async def test_a_deleted_file_is_gone_from_messages(v1: Client, v2: Client) -> None:
    """FILE-07, V1V2-04: and from messages and their threads."""
    file = await v2.upload()
    attachment = {"file_id": file["id"], "tools": [{"type": "code_interpreter"}]}
    thread = await v2.thread()
    newer = await v2.say(thread["id"], "new", attachments=[attachment])
    older = await v1.say(thread["id"], "old", file_ids=[file["id"]])
    await v2.delete(f"/files/{file['id']}")
    base = f"/threads/{thread['id']}"
    assert (await v2.get(f"{base}/messages/{newer['id']}"))["attachments"] == []
    assert (await v1.get(f"{base}/messages/{older['id']}"))["file_ids"] == []
    resources = (await v2.get(base))["tool_resources"]
    assert resources["code_interpreter"] == {"file_ids": []}
    (store_id,) = resources["file_search"]["vector_store_ids"]
    assert await v2.listed(f"/vector_stores/{store_id}/files") == []


async def test_a_file_can_expire(build: Build) -> None:
    """FILE-08: expires_after gives expires_at; when that is past, file and bytes go."""
    house = await build(worker=False)
    client = house.client()
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    made = await client.upload(b"hello", "notes.txt", **fields)
    kept = await client.upload(b"other")
    assert made["expires_at"] == made["created_at"] + 3600
    await sweep(house, made["expires_at"] - 1)
    assert await client.get(f"/files/{made['id']}") == made
    await sweep(house, made["expires_at"])
    error = await client.refused("GET", f"/files/{made['id']}")
    assert error == Error(404, f"No such File object: {made['id']}", param="id")
    assert await client.listed("/files") == [kept]
    assert len(stored(house)) == 1


async def sweep(house: House, now: int) -> None:
    """Do once what the server does every second, at another time."""
    sweeper = Sweeper(replace(house.ports, clock=ManualClock(now)), AllDuties())
    await sweeper.sweep()


@pytest.mark.parametrize(
    ("anchor", "seconds", "param", "code"),
    [
        ("created_at", "3599", "expires_after.seconds", "integer_below_min_value"),
        ("created_at", "2592001", "expires_after.seconds", "integer_above_max_value"),
        ("created_at", "soon", "expires_after.seconds", "invalid_type"),
        ("created_at", None, "expires_after.seconds", "missing_required_parameter"),
        ("last_active_at", "3600", "expires_after.anchor", "invalid_value"),
        (None, "3600", "expires_after.anchor", "missing_required_parameter"),
    ],
)
async def test_an_expiry_is_checked(
    house: House, anchor: str | None, seconds: str | None, param: str, code: str
) -> None:
    """FILE-08: created_at and 3600 to 2592000 seconds; otherwise nothing is kept."""
    given = {"expires_after[anchor]": anchor, "expires_after[seconds]": seconds}
    fields = {name: value for name, value in given.items() if value is not None}
    answer = await house.client().send_form(b"hello", purpose="assistants", **fields)
    assert (answer.error.status, answer.error.param, answer.error.code) == (400, param, code)
    assert stored(house) == []


async def test_bytes_are_expected_before_they_come(build: Build) -> None:
    """FILE-01: a server that dies between bytes and row leaves nothing for ever."""
    house = await build(worker=False)
    ports = house.ports
    caller = Caller(project_id=await ports.storage.default_project(ports.now), era="v2")
    expected: list[str] = []

    async def receive(key: str) -> files.Received:
        size = await ports.files.write(key, hello())
        expected.extend(await ports.storage.unclaimed_bytes(2**40, 10))
        return files.Received(filename="a.txt", size=size, new=NewFile(purpose="vision"))

    row = await files.create(ports, caller, receive)
    assert expected == [row.id]
    assert await ports.storage.unclaimed_bytes(2**40, 10) == []
    await sweep(house, 2**40)
    assert (await house.client().send("GET", f"/files/{row.id}/content")).body == b"hello"


async def test_bytes_without_a_row_are_removed(build: Build) -> None:
    """FILE-01: whatever stopped the request after they were stored."""
    house = await build(worker=False)
    ports = house.ports

    async def receive(key: str) -> files.Received:
        await ports.files.write(key, hello())
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await files.create(ports, Caller(project_id="proj", era="v2"), receive)
    assert len(stored(house)) == 1
    await sweep(house, ports.now + arrivals.REMOVAL_DELAY_SECONDS)
    assert stored(house) == []


async def hello() -> AsyncIterator[bytes]:
    """Yield the bytes of a small file."""
    yield b"hello"


async def test_bytes_that_cannot_be_removed_now_are_removed_later(build: Build) -> None:
    """FILE-07: the file is gone for everybody, and the sweeper tries again."""
    house = await build(worker=False)
    made = await house.client().upload(b"hello")
    (path,) = stored(house)
    path.unlink()
    path.mkdir()  # which cannot be removed as a file
    gone = await house.client().delete(f"/files/{made['id']}")
    assert gone["deleted"] is True
    path.rmdir()
    path.write_bytes(b"hello")
    await sweep(house, house.ports.now + arrivals.REMOVAL_DELAY_SECONDS)
    assert stored(house) == []


async def test_another_project_sees_no_file(house: House, stranger: Client) -> None:
    """GEN-18, ERR-42: 404 for the description, the bytes and the delete; the list is empty."""
    mine = house.client()
    made = await mine.upload(b"secret", purpose="vision")
    not_found = Error(404, f"No such File object: {made['id']}", param="id")
    for method, below in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert await stranger.refused(method, f"/files/{made['id']}{below}") == not_found
    assert await stranger.listed("/files") == []
    attachment = {"file_id": made["id"], "tools": [{"type": "code_interpreter"}]}
    message = {"role": "user", "content": "x", "attachments": [attachment]}
    error = await stranger.refused("POST", "/threads", {"messages": [message]})
    assert error == Error(404, f"Files [{made['id']}] were not found")
    assert (await mine.send("GET", f"/files/{made['id']}/content")).body == b"secret"


async def test_an_upload_without_a_key_is_not_read(house: House) -> None:
    """AUTH-02: nothing of it is stored."""
    answer = await house.anonymous().send_form(b"hello", purpose="assistants")
    assert (answer.status, stored(house)) == (401, [])
