"""Every method of uploads in parts (UPL-01, UPL-02), and the client's own way of cutting a file."""

import hashlib
import tempfile
from pathlib import Path

from common import expect, got, play, refusal_of
from openai import BadRequestError, NotFoundError

LINES = b'{"messages": []}\n' * 3
THIRDS = [LINES[:17], LINES[17:34], LINES[34:]]


async def opened(client, **fields):
    announced = {
        "filename": "tune.jsonl",
        "purpose": "fine-tune",
        "bytes": len(LINES),
        "mime_type": "text/jsonl",
    }
    return await got(client.uploads.create(**{**announced, **fields}))


async def one_upload(client):
    uploads = client.uploads
    upload = await opened(client)
    shown = (upload.object, upload.status, upload.bytes, upload.filename, upload.file)
    expect("pending (UPL-01)", shown, ("upload", "pending", 51, "tune.jsonl", None))
    expect("an hour (UPL-01)", upload.expires_at - upload.created_at, 3600)
    contents = [THIRDS[2], THIRDS[0], THIRDS[1]]
    parts = [await got(uploads.parts.create(upload.id, data=data)) for data in contents]
    kinds = {(part.object, part.upload_id) for part in parts}
    expect("parts (UPL-02)", kinds, {("upload.part", upload.id)})
    order = [parts[1].id, parts[2].id, parts[0].id]
    md5 = hashlib.md5(LINES, usedforsecurity=False).hexdigest()
    done = await got(uploads.complete(upload.id, part_ids=order, md5=md5))
    expect("completed (UPL-02)", (done.status, done.file.bytes), ("completed", 51))
    expect("a file like others", await got(client.files.retrieve(done.file.id)), done.file)
    expect("joined in order", (await got(client.files.content(done.file.id))).content, LINES)
    await refusal_of(BadRequestError, uploads.complete, upload.id, part_ids=order)
    await got(client.files.delete(done.file.id))


async def cancelled(client):
    uploads = client.uploads
    upload = await opened(client)
    part = await got(uploads.parts.create(upload.id, data=LINES))
    expect("cancelled (UPL-02)", (await got(uploads.cancel(upload.id))).status, "cancelled")
    await refusal_of(BadRequestError, uploads.parts.create, upload.id, data=LINES)
    await refusal_of(BadRequestError, uploads.complete, upload.id, part_ids=[part.id])
    await refusal_of(NotFoundError, uploads.cancel, "upload_unknown")


async def expiring(client):
    upload = await opened(client, bytes=0, expires_after={"anchor": "created_at", "seconds": 3600})
    file = (await got(client.uploads.complete(upload.id, part_ids=[]))).file
    expect("expiry (FILE-08)", file.expires_at - file.created_at, 3600)


async def chunked(client):
    """The client's own helper, from memory and from disk, in parts of its choice."""
    named = {"mime_type": "text/jsonl", "purpose": "fine-tune", "part_size": 20}
    cut = client.uploads.upload_file_chunked
    done = await got(cut(file=LINES, filename="naïve 文件.jsonl", bytes=len(LINES), **named))
    expect("name", done.file.filename, "naïve 文件.jsonl")
    expect("from memory", (await got(client.files.content(done.file.id))).content, LINES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jsonl"
        path.write_bytes(LINES)
        done = await got(cut(file=path, **named))
    expect("from disk", (await got(client.files.content(done.file.id))).content, LINES)


async def scenario(client):
    await one_upload(client)
    await cancelled(client)
    await expiring(client)
    await chunked(client)


play(scenario)
