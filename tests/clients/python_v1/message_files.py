"""Message files, which only v1 clients have (MSG-04, MSG-10)."""

from common import each, expect, got, play, refusal_of
from openai import NotFoundError


async def scenario(client):
    messages, files = client.beta.threads.messages, client.files
    made = [
        (await got(files.create(file=(f"{n}.txt", b"x"), purpose="assistants"))).id
        for n in range(5)
    ]
    thread = await got(client.beta.threads.create())
    message = await got(messages.create(thread.id, role="user", content="look", file_ids=made))
    expect("file_ids (MSG-01)", message.file_ids, made)
    listed = await each(messages.files.list(message.id, thread_id=thread.id, limit=2, order="asc"))
    expect("five over three pages (LIST-07)", [item.id for item in listed], made)
    link = listed[0]
    shown = (link.object, link.message_id, link.created_at)
    expect("link (MSG-10)", shown, ("thread.message.file", message.id, message.created_at))

    retrieve = messages.files.retrieve
    named = {"thread_id": thread.id, "message_id": message.id}
    expect("retrieved", await got(retrieve(made[0], **named)), link)
    nobody = "file-" + "0" * 24
    error = await refusal_of(NotFoundError, retrieve, nobody, **named)
    expect("ERR-40", error.body["message"], f"No message file found with id '{nobody}'.")


play(scenario)
