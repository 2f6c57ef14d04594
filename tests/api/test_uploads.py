"""Uploads of files in parts (contract section 13, UPL)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from understudy.clock import ManualClock
from understudy.engine.duties import AllDuties
from understudy.engine.sweeper import Sweeper
from understudy.operations import arrivals, uploads
from understudy.operations.ports import Caller
from understudy.storage.arrivals import ARRIVAL_SECONDS_MAX
from understudy.storage.changes import ExpectBytes
from understudy.wire.params.uploads import Completion

from .client import Answer, Client, Error
from .conftest import Build, House

JSON = dict[str, Any]
KEYS = ["id", "object", "bytes", "created_at", "filename", "purpose", "status", "expires_at"]
HOUR = 3_600
UNKNOWN = "upload_000000000000000000000000"


def announced(size: int, **fields: Any) -> JSON:
    """Return the body that opens an upload."""
    return {
        "filename": "tune.jsonl",
        "purpose": "fine-tune",
        "bytes": size,
        "mime_type": "text/jsonl",
        **fields,
    }


async def opened(client: Client, size: int, **fields: Any) -> JSON:
    """Open an upload."""
    return await client.post("/uploads", announced(size, **fields))


async def send_part(
    client: Client, upload_id: str, content: bytes, field: str = "data", name: str = "upload"
) -> Answer:
    """Send a part and return whatever comes back."""
    form = aiohttp.FormData()
    form.add_field(field, content, filename=name)
    headers = {"Authorization": f"Bearer {client.key}"}
    url = f"{client.root}/v1/uploads/{upload_id}/parts"
    async with client.session.post(url, data=form, headers=headers) as response:
        return Answer(response.status, response.headers, await response.read())


async def part(client: Client, upload_id: str, content: bytes) -> str:
    """Add a part and return its id."""
    answer = await send_part(client, upload_id, content)
    assert answer.status == 200, answer.body
    return str(answer.json["id"])


async def completed(client: Client, upload_id: str, part_ids: list[str], **more: Any) -> JSON:
    """Complete the upload."""
    return await client.post(f"/uploads/{upload_id}/complete", {"part_ids": part_ids, **more})


async def downloaded(client: Client, file_id: str) -> bytes:
    """Return the bytes of a file."""
    return (await client.send("GET", f"/files/{file_id}/content")).body


def stored(house: House) -> list[str]:
    """Return the keys of whatever lies in the folder of the bytes."""
    folder = Path(house.ports.settings.files_location)
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def sweep(house: House, seconds: int = 0) -> None:
    """Do once what the server does every second, so many seconds later."""
    clock = ManualClock(house.ports.now + seconds)
    await Sweeper(replace(house.ports, clock=clock), AllDuties()).sweep()


def ended(upload_id: str, status: str) -> Error:
    """Return the refusal of everything that an upload takes only while it is pending."""
    return Error(
        400,
        f"Upload {upload_id} has status '{status}'. Only a pending upload takes parts and can be "
        "completed or cancelled.",
    )


@pytest.fixture
async def quiet(build: Build) -> House:
    """Return a server that sweeps only when the test says so."""
    return await build(worker=False)


@pytest.mark.parametrize("era", [None, "v1", "v2"])
async def test_a_new_upload_is_pending(house: House, era: Any) -> None:
    """UPL-01, GEN-15: its keys, without `file`, with or without an OpenAI-Beta header."""
    made = await opened(house.client(era), 11)
    assert list(made) == KEYS
    assert made["id"].startswith("upload_")
    assert made["expires_at"] == made["created_at"] + HOUR
    shown = {name: made[name] for name in ("object", "bytes", "filename", "purpose", "status")}
    assert shown == {
        "object": "upload",
        "bytes": 11,
        "filename": "tune.jsonl",
        "purpose": "fine-tune",
        "status": "pending",
    }


async def test_a_part_names_its_upload(v2: Client) -> None:
    """UPL-02: {id, object, created_at, upload_id}."""
    made = await opened(v2, 5)
    added = (await send_part(v2, made["id"], b"hello")).json
    assert list(added) == ["id", "object", "created_at", "upload_id"]
    assert added["id"].startswith("part_")
    assert (added["object"], added["upload_id"]) == ("upload.part", made["id"])
    assert made["created_at"] <= added["created_at"] < made["expires_at"]


async def test_the_order_is_that_of_the_completion(house: House, v2: Client) -> None:
    """UPL-02: three parts, joined in another order than they came; the file is as any other."""
    made = await opened(v2, 15)
    first, second, third = [await part(v2, made["id"], b) for b in (b"world", b"!!!!!", b"hello")]
    done = await completed(v2, made["id"], [third, first, second])
    file = done["file"]
    assert list(done) == [*KEYS, "file"]
    assert {**done, "status": "pending", "file": None} == {**made, "file": None}
    assert done["status"] == "completed"
    assert await v2.get(f"/files/{file['id']}") == file
    assert (file["object"], file["bytes"], file["purpose"]) == ("file", 15, "fine-tune")
    assert (file["filename"], file["status"]) == ("tune.jsonl", "processed")
    assert await downloaded(v2, file["id"]) == b"helloworld!!!!!"
    await sweep(house)
    assert stored(house) == [file["id"]]
    assert await v2.listed("/files") == [file]


async def test_parts_may_arrive_side_by_side(v2: Client) -> None:
    """UPL-02: eight parts of many chunks each, at once."""
    contents = [bytes([n]) * (200_000 + n) for n in range(8)]
    made = await opened(v2, sum(map(len, contents)))
    ids = await asyncio.gather(*(part(v2, made["id"], content) for content in contents))
    done = await completed(v2, made["id"], list(ids))
    assert await downloaded(v2, done["file"]["id"]) == b"".join(contents)


async def test_parts_that_are_not_named_are_left_out(house: House, v2: Client) -> None:
    """UPL-02: a part that was sent twice is named once, and the other copy is removed."""
    made = await opened(v2, 5)
    await part(v2, made["id"], b"hello")
    again = await part(v2, made["id"], b"hello")
    done = await completed(v2, made["id"], [again])
    await sweep(house)
    assert stored(house) == [done["file"]["id"]]


async def test_an_empty_file_needs_no_parts(v2: Client) -> None:
    """UPL-02: no bytes were announced, and none came."""
    made = await opened(v2, 0)
    done = await completed(v2, made["id"], [])
    assert await downloaded(v2, done["file"]["id"]) == b""


@pytest.mark.parametrize("contents", [[], [b"hell"], [b"hello", b"!"]], ids=len)
async def test_the_bytes_must_add_up(v2: Client, contents: list[bytes]) -> None:
    """UPL-02: none, too few or too many are a 400; the upload stays pending and can go on."""
    made = await opened(v2, 5)
    ids = [await part(v2, made["id"], content) for content in contents]
    error = await v2.refused("POST", f"/uploads/{made['id']}/complete", {"part_ids": ids})
    total = sum(map(len, contents))
    message = f"The parts have {total} bytes in total, but the upload was created with 5 bytes."
    assert error == Error(400, message, param="part_ids")
    whole = await part(v2, made["id"], b"whole")
    assert (await completed(v2, made["id"], [whole]))["status"] == "completed"


async def test_the_checksum_is_compared(quiet: House) -> None:
    """UPL-02: a wrong md5 is a 400 that leaves no file; the right one, in any case, completes."""
    client = quiet.client()
    made = await opened(client, 10)
    ids = [await part(client, made["id"], b"hello"), await part(client, made["id"], b"world")]
    right, wrong = (
        hashlib.md5(text, usedforsecurity=False).hexdigest()
        for text in (b"helloworld", b"worldhello")
    )
    path = f"/uploads/{made['id']}/complete"
    error = await client.refused("POST", path, {"part_ids": ids, "md5": wrong})
    assert (error.status, error.param) == (400, "md5")
    assert right in error.message
    assert await client.listed("/files") == []
    assert stored(quiet) == sorted(ids)
    done = await completed(client, made["id"], ids, md5=right.upper())
    assert await downloaded(client, done["file"]["id"]) == b"helloworld"


async def test_only_parts_of_the_upload_can_be_named(v2: Client) -> None:
    """UPL-02: 404 for what nobody knows and for another upload's part, 400 for a part twice."""
    made, other = await opened(v2, 5), await opened(v2, 5)
    mine, foreign = [await part(v2, one["id"], b"hello") for one in (made, other)]
    path = f"/uploads/{made['id']}/complete"
    for part_id in ("part_unknown", foreign):
        error = await v2.refused("POST", path, {"part_ids": [part_id]})
        message = f"Upload {made['id']} has no part '{part_id}'."
        assert error == Error(404, message, param="part_ids")
    error = await v2.refused("POST", path, {"part_ids": [mine, mine]})
    assert error == Error(400, "A part can be named only once.", param="part_ids")
    assert (await completed(v2, made["id"], [mine]))["status"] == "completed"


async def test_an_upload_is_completed_once(v2: Client) -> None:
    """UPL-02: then it can neither be completed again, nor filled, nor cancelled."""
    made = await opened(v2, 5)
    ids = [await part(v2, made["id"], b"hello")]
    await completed(v2, made["id"], ids)
    await refuses_everything(v2, made["id"], "completed", ids)
    assert len(await v2.listed("/files")) == 1


async def test_one_of_two_completions_wins(quiet: House) -> None:
    """UPL-02: sent at once, one makes a file and the other is told so and leaves nothing."""
    client = quiet.client()
    made = await opened(client, 5)
    ids = [await part(client, made["id"], b"hello")]
    path = f"/uploads/{made['id']}/complete"
    answers = await asyncio.gather(
        *(client.send("POST", path, {"part_ids": ids}) for _ in range(4))
    )
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]
    refused = [answer.error for answer in answers if answer.status == 400]
    assert refused == [ended(made["id"], "completed")] * 3
    await sweep(quiet, 60)
    assert stored(quiet) == [(await client.listed("/files"))[0]["id"]]


async def test_a_cancelled_upload_keeps_nothing(house: House, v2: Client) -> None:
    """UPL-02: status cancelled, no `file`; its parts are removed and it takes no others."""
    made = await opened(v2, 5)
    ids = [await part(v2, made["id"], b"hello")]
    cancelled = await v2.post(f"/uploads/{made['id']}/cancel")
    assert cancelled == {**made, "status": "cancelled"}
    await refuses_everything(v2, made["id"], "cancelled", ids)
    await sweep(house)
    assert (stored(house), await v2.listed("/files")) == ([], [])


async def test_an_upload_expires_after_an_hour(quiet: House) -> None:
    """UPL-01: then its parts are removed; one second earlier it is as it was."""
    client = quiet.client()
    made = await opened(client, 5)
    ids = [await part(client, made["id"], b"hello")]
    await sweep(quiet, HOUR - 5)
    assert stored(quiet) == ids
    await sweep(quiet, HOUR + 5)
    assert stored(quiet) == []
    await refuses_everything(client, made["id"], "expired", ids)


async def test_an_expired_upload_needs_no_sweeper_to_be_over(quiet: House) -> None:
    """UPL-01: nothing is taken past expires_at, even while nobody has swept."""
    client = quiet.client()
    made = await opened(client, 0)
    key = await quiet.ports.storage.list_keys()
    caller = Caller(project_id=key[0].project_id, era="v2")
    late = replace(quiet.ports, clock=ManualClock(made["expires_at"]))
    with pytest.raises(Exception, match="has status 'expired'"):
        await uploads.complete(late, caller, made["id"], Completion(part_ids=[]))


async def refuses_everything(
    client: Client, upload_id: str, status: str, part_ids: list[str]
) -> None:
    """See that an upload that is over can change no more."""
    error = ended(upload_id, status)
    assert (await send_part(client, upload_id, b"more")).error == error
    path = f"/uploads/{upload_id}"
    assert await client.refused("POST", f"{path}/complete", {"part_ids": part_ids}) == error
    assert await client.refused("POST", f"{path}/cancel") == error


async def test_a_part_that_comes_too_late_is_thrown_away(quiet: House) -> None:
    """UPL-02: the upload is cancelled while the part is on its way."""
    client = quiet.client()
    made = await opened(client, 5)
    arriving = asyncio.Event()
    goes_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"--x\r\nContent-Disposition: form-data; name=data; filename=a\r\n\r\nhel"
        arriving.set()
        await goes_on.wait()
        yield b"lo\r\n--x--\r\n"

    async def send() -> int:
        headers = {
            "Authorization": f"Bearer {client.key}",
            "Content-Type": "multipart/form-data; boundary=x",
        }
        url = f"{client.root}/v1/uploads/{made['id']}/parts"
        async with client.session.post(url, data=slowly(), headers=headers) as response:
            answer = Answer(response.status, response.headers, await response.read())
        assert answer.error == ended(made["id"], "cancelled")
        return answer.status

    sending = asyncio.create_task(send())
    await arriving.wait()
    await client.post(f"/uploads/{made['id']}/cancel")
    goes_on.set()
    assert await sending == 400
    await sweep(quiet)
    assert stored(quiet) == []


@pytest.mark.parametrize("kind", ["part", "file"])
async def test_bytes_of_a_killed_server_are_removed(quiet: House, kind: str) -> None:
    """UPL-02: it died between the bytes and the row that would have named them."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"hello"

    ports, key = quiet.ports, f"{kind}-left"
    await ports.storage.write(ExpectBytes(key=key, keep_until=ports.now + ARRIVAL_SECONDS_MAX))
    await ports.files.write(key, chunks())
    await sweep(quiet, ARRIVAL_SECONDS_MAX)
    assert stored(quiet) == [key]
    await sweep(quiet, ARRIVAL_SECONDS_MAX + arrivals.REMOVAL_DELAY_SECONDS)
    assert stored(quiet) == []
    assert await ports.storage.unclaimed_bytes(2**40, 10) == []


async def test_nothing_is_left_to_remove_after_a_good_day(quiet: House) -> None:
    """UPL-02: the bytes of a completed upload are claimed, and no sweep ever takes them."""
    client = quiet.client()
    made = await opened(client, 5)
    done = await completed(client, made["id"], [await part(client, made["id"], b"hello")])
    await sweep(quiet, 10 * ARRIVAL_SECONDS_MAX)
    assert stored(quiet) == [done["file"]["id"]]
    assert await downloaded(client, done["file"]["id"]) == b"hello"


async def test_a_part_has_a_size_limit(build: Build) -> None:
    """UPL-02: 70 MB where 64 are allowed, in small; the upload stays pending."""
    house = await build(upload_part_bytes_max=64_000, worker=False)
    client = house.client()
    made = await opened(client, 64_000)
    error = (await send_part(client, made["id"], bytes(70_000))).error
    assert error == Error(400, "File is too large. Maximum size is 64000 bytes.", param="data")
    await sweep(house)
    assert stored(house) == []
    whole = await part(client, made["id"], bytes(64_000))
    assert (await completed(client, made["id"], [whole]))["file"]["bytes"] == 64_000


async def test_an_upload_has_a_size_limit(build: Build) -> None:
    """UPL-02: for what is announced, and for what all parts have together."""
    house = await build(upload_bytes_max=100, worker=False)
    client = house.client()
    error = await client.refused("POST", "/uploads", announced(101))
    assert (error.status, error.param, error.code) == (400, "bytes", "integer_above_max_value")
    made = await opened(client, 100)
    first = await part(client, made["id"], bytes(60))
    error = (await send_part(client, made["id"], bytes(41))).error
    message = "The parts of an upload may have at most 100 bytes in total."
    assert error == Error(400, message, param="data")
    await sweep(house)
    assert stored(house) == [first]


async def test_the_limits_are_those_of_the_hosted_api(house: House) -> None:
    """UPL-02: 8 GB and 64 MB, unless they are set otherwise."""
    settings = house.ports.settings
    limits = (settings.upload_bytes_max, settings.upload_part_bytes_max)
    assert limits == (8 * 1024**3, 64 * 1024**2)


async def test_a_part_is_a_file_named_data(house: House, v2: Client) -> None:
    """UPL-02: another field, no field, or no form at all is a 400 that keeps nothing."""
    made = await opened(v2, 5)
    error = (await send_part(v2, made["id"], b"hello", field="file")).error
    assert error.status == 400
    path = f"/uploads/{made['id']}/parts"
    assert (await v2.refused("POST", path, {"data": "hello"})).status == 400
    await sweep(house)
    assert stored(house) == []


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"filename": None}, "filename", "invalid_type"),
        ({"filename": ""}, "filename", "string_below_min_length"),
        ({"purpose": "assistants_output"}, "purpose", "invalid_value"),
        ({"purpose": 1}, "purpose", "invalid_type"),
        ({"bytes": -1}, "bytes", "integer_below_min_value"),
        ({"bytes": "5"}, "bytes", "invalid_type"),
        ({"mime_type": 5}, "mime_type", "invalid_type"),
        ({"mime": "text/plain"}, "mime", "unknown_parameter"),
        (
            {"expires_after": {"anchor": "created_at", "seconds": 3599}},
            "expires_after.seconds",
            "integer_below_min_value",
        ),
        (
            {"expires_after": {"anchor": "last_active_at", "seconds": 3600}},
            "expires_after.anchor",
            "invalid_value",
        ),
    ],
)
async def test_what_is_announced_is_checked(
    v2: Client, change: JSON, param: str, code: str
) -> None:
    """UPL-01: each field that is wrong, in the words of the other JSON requests."""
    error = await v2.refused("POST", "/uploads", announced(5, **change))
    assert (error.status, error.param, error.code) == (400, param, code)


@pytest.mark.parametrize("name", ["filename", "purpose", "bytes", "mime_type"])
async def test_what_must_be_announced(v2: Client, name: str) -> None:
    """UPL-01: four fields are required."""
    body = {key: value for key, value in announced(5).items() if key != name}
    error = await v2.refused("POST", "/uploads", body)
    assert error.code == "missing_required_parameter"
    assert (error.status, error.param) == (400, name)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"part_ids": None}, "part_ids"),
        ({"part_ids": "part_1"}, "part_ids"),
        ({"part_ids": [1]}, "part_ids[0]"),
        ({"md5": "abc"}, "md5"),
        ({"md5": "z" * 32}, "md5"),
    ],
)
async def test_a_completion_is_checked(v2: Client, change: JSON, param: str) -> None:
    """UPL-02: the list of parts, and a checksum in hexadecimal."""
    made = await opened(v2, 0)
    error = await v2.refused("POST", f"/uploads/{made['id']}/complete", {"part_ids": [], **change})
    assert (error.status, error.param) == (400, param)


@pytest.mark.parametrize(
    "purpose", ["fine-tune", "assistants", "batch", "user_data", "vision", "evals"]
)
async def test_each_purpose_of_files_is_accepted(v2: Client, purpose: str) -> None:
    """UPL-01, FILE-03: and the file gets it."""
    made = await opened(v2, 0, purpose=purpose)
    done = await completed(v2, made["id"], [])
    assert made["purpose"] == done["file"]["purpose"] == purpose


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("naïve 文件 🫠.txt", "naïve 文件 🫠.txt"),
        ('say "hi" 100%25.txt', 'say "hi" 100%25.txt'),
        ("../../etc/passwd", "passwd"),
        ("two\r\nlines.txt", "twolines.txt"),
        ("..", "upload"),
    ],
)
async def test_names_are_as_those_of_files(v2: Client, sent: str, kept: str) -> None:
    """UPL-01, FILE-01: Unicode stays, paths and control characters go."""
    made = await opened(v2, 0, filename=sent)
    done = await completed(v2, made["id"], [])
    assert made["filename"] == done["file"]["filename"] == kept
    assert await downloaded(v2, done["file"]["id"]) == b""


async def test_the_file_can_expire(quiet: House) -> None:
    """UPL-01, FILE-08: expires_after counts from the creation of the file, not of the upload."""
    client = quiet.client()
    expiry = {"anchor": "created_at", "seconds": 7_200}
    made = await opened(client, 0, expires_after=expiry)
    assert made["expires_at"] == made["created_at"] + HOUR
    file = (await completed(client, made["id"], []))["file"]
    assert file["expires_at"] == file["created_at"] + 7_200
    await sweep(quiet, 7_300)
    assert await client.listed("/files") == []
    assert stored(quiet) == []


async def test_another_project_sees_no_upload(house: House, stranger: Client) -> None:
    """GEN-18, UPL-02: 404, for a real upload as for one that never was."""
    mine = house.client()
    made = await opened(mine, 5)
    part_id = await part(mine, made["id"], b"hello")
    for client, upload_id in ((stranger, made["id"]), (mine, UNKNOWN), (mine, "x")):
        not_found = Error(404, f"No upload found with id '{upload_id}'.")
        assert (await send_part(client, upload_id, b"hello")).error == not_found
        path = f"/uploads/{upload_id}"
        body = {"part_ids": [part_id]}
        assert await client.refused("POST", f"{path}/complete", body) == not_found
        assert await client.refused("POST", f"{path}/cancel") == not_found
    theirs = await opened(stranger, 5)
    error = await stranger.refused(
        "POST", f"/uploads/{theirs['id']}/complete", {"part_ids": [part_id]}
    )
    assert error.status == 404
    assert (await completed(mine, made["id"], [part_id]))["status"] == "completed"


@pytest.mark.parametrize("era", ["v1", "v2"])
async def test_the_same_key_gets_the_same_answer(house: House, era: Any) -> None:
    """UPL-01, UPL-02: one upload and one file, however often a client tries again."""
    client = house.client(era)

    async def twice(path: str, body: JSON, key: str) -> JSON:
        headers = {"Idempotency-Key": key}
        first = await client.post(path, body, headers=headers)
        assert await client.post(path, body, headers=headers) == first
        return first

    made = await twice("/uploads", announced(5), "create")
    ids = [await part(client, made["id"], b"hello")]
    done = await twice(f"/uploads/{made['id']}/complete", {"part_ids": ids}, "complete")
    assert await client.listed("/files") == [done["file"]]
    other = await opened(client, 5)
    cancelled = await twice(f"/uploads/{other['id']}/cancel", {}, "cancel")
    assert cancelled["status"] == "cancelled"
