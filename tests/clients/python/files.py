"""Every method of files, and the list of models (FILE-01, FILE-05 to FILE-07, ERR-61, LIST-11)."""

import warnings

from common import MODEL, each, expect, got, play, refusal_of
from openai import BadRequestError, NotFoundError

LINES = b'{"messages": []}\n'


async def one_file(client):
    files = client.files
    made = await got(files.create(file=("notes.txt", b"some words"), purpose="assistants"))
    expect("id prefix (ID-02)", made.id[:5], "file-")
    shown = (made.object, made.bytes, made.filename, made.purpose, made.status)
    expect("fields (FILE-01, FILE-02)", shown, ("file", 10, "notes.txt", "assistants", "processed"))
    expect("retrieved", await got(files.retrieve(made.id)), made)
    ready = await got(files.wait_for_processing(made.id, poll_interval=0.02))
    expect("processed (FILE-02)", ready.status, "processed")
    error = await refusal_of(BadRequestError, files.content, made.id)
    expect("ERR-61", error.body["message"], "Not allowed to download files of purpose: assistants")

    gone = await got(files.delete(made.id))
    expect("deletion (FILE-07)", (gone.id, gone.object, gone.deleted), (made.id, "file", True))
    await refusal_of(NotFoundError, files.retrieve, made.id)


async def content(client):
    files = client.files
    made = await got(files.create(file=("tune.jsonl", LINES), purpose="fine-tune"))
    answer = await got(files.content(made.id))
    expect("content (FILE-05)", answer.content, LINES)
    kind = answer.response.headers["content-type"]
    expect("content type (FILE-06)", kind.split(";")[0], "application/octet-stream")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        expect("the old method", await got(files.retrieve_content(made.id)), LINES.decode())
    await got(files.delete(made.id))


async def pages(client):
    files = client.files
    names = [f"{n}.txt" for n in range(5)]
    made = [(await got(files.create(file=(n, b"x"), purpose="assistants"))).id for n in names]
    seen = [item.id for item in await each(files.list(purpose="assistants"))]
    expect("newest first (LIST-11)", seen[:5], made[::-1])
    others = await each(files.list(purpose="vision"))
    expect("another purpose", [item.id for item in others if item.purpose != "vision"], [])
    for file_id in made:
        await got(files.delete(file_id))


async def models(client):
    expect("known models", MODEL in [model.id for model in await each(client.models.list())], True)
    model = await got(client.models.retrieve(MODEL))
    expect("one model", (model.id, model.object), (MODEL, "model"))


async def scenario(client):
    await one_file(client)
    await content(client)
    await pages(client)
    await models(client)


play(scenario)
