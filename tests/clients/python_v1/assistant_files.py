"""Assistant files, which only v1 clients have (ASST-09, ASST-10, RUN-04, LIST-07)."""

from common import MODEL, PLAIN, each, expect, got, new_thread, play, refusal_of
from openai import NotFoundError


async def new_files(client, count):
    names = [f"{n}.txt" for n in range(count)]
    files = client.files
    return [(await got(files.create(file=(n, b"x"), purpose="assistants"))).id for n in names]


async def scenario(client):
    assistants = client.beta.assistants
    first, *more = await new_files(client, 5)
    assistant = await got(
        assistants.create(model=MODEL, tools=[{"type": "code_interpreter"}], file_ids=[first])
    )
    expect("file_ids", assistant.file_ids, [first])
    for file_id in more:
        made = await got(assistants.files.create(assistant.id, file_id=file_id))
        shown = (made.id, made.object, made.assistant_id)
        expect("link (ASST-10)", shown, (file_id, "assistant.file", assistant.id))
    listed = await each(assistants.files.list(assistant.id, limit=2, order="asc"))
    expect("five over three pages (LIST-07)", [item.id for item in listed], [first, *more])
    same = await got(assistants.files.retrieve(first, assistant_id=assistant.id))
    expect("retrieved", same, listed[0])

    gone = await got(assistants.files.delete(first, assistant_id=assistant.id))
    shown = (gone.id, gone.object, gone.deleted)
    expect("detached (ASST-10)", shown, (first, "assistant.file.deleted", True))
    expect("the file stays", (await got(client.files.retrieve(first))).id, first)
    retrieve = assistants.files.retrieve
    error = await refusal_of(NotFoundError, retrieve, first, assistant_id=assistant.id)
    message = f"No assistant file found with id '{first}'."
    expect("ERR-40", error.body["message"], message)

    thread = await new_thread(client, PLAIN)
    run = await got(client.beta.threads.runs.create(thread.id, assistant_id=assistant.id))
    expect("the run's files (RUN-04)", sorted(run.file_ids), sorted(more))
    changed = await got(assistants.update(assistant.id, file_ids=[]))
    expect("replaced set (ASST-09)", changed.file_ids, [])


play(scenario)
