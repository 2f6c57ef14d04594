"""What only v2 messages have: parts, attachments, delete (MSG-05, MSG-06, MSG-09, LIST-08)."""

from common import each, expect, got, play, refusal_of
from openai import NotFoundError

PICTURE = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
    b"\x1f\x15\xc4\x89\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99="
    b"\x1d\x00\x00\x00\x00IEND\xaeB`\x82"
)
URL = "https://example.com/cat.png"


async def parts(client, thread):
    messages = client.beta.threads.messages
    picture = await got(client.files.create(file=("dot.png", PICTURE), purpose="vision"))
    content = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_file", "image_file": {"file_id": picture.id}},
        {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
    ]
    made = await got(messages.create(thread.id, role="user", content=content))
    text, image_file, image_url = made.content
    shown = (text.text.value, text.text.annotations)
    expect("text part (MSG-05)", shown, ("what is this?", []))
    shown = (image_file.image_file.file_id, image_file.image_file.detail)
    expect("image_file part (MSG-05)", shown, (picture.id, "auto"))
    shown = (image_url.image_url.url, image_url.image_url.detail)
    expect("image_url part (MSG-05)", shown, (URL, "low"))
    answer = await got(client.files.content(picture.id))
    expect("vision files can be read (FILE-05)", answer.content, PICTURE)


async def attachments(client, thread):
    messages = client.beta.threads.messages
    file = await got(client.files.create(file=("a.csv", b"a,b\n1,2\n"), purpose="assistants"))
    attached = [{"file_id": file.id, "tools": [{"type": "code_interpreter"}]}]
    made = await got(messages.create(thread.id, role="user", content="sum", attachments=attached))
    (shown,) = made.attachments
    expect("echo (MSG-06)", (shown.file_id, shown.tools[0].type), (file.id, "code_interpreter"))
    resources = (await got(client.beta.threads.retrieve(thread.id))).tool_resources
    expect("on the thread (MSG-07)", resources.code_interpreter.file_ids, [file.id])


async def delete_each(client, thread):
    messages = client.beta.threads.messages
    for n in range(3):
        await got(messages.create(thread.id, role="user", content=f"number {n}"))
    listed = await each(messages.list(thread.id, limit=2))
    expect("messages", len(listed), 5)
    gone = await got(messages.delete(listed[1].id, thread_id=thread.id))
    shown = (gone.id, gone.object, gone.deleted)
    expect("deletion (MSG-09)", shown, (listed[1].id, "thread.message.deleted", True))
    await refusal_of(NotFoundError, messages.retrieve, listed[1].id, thread_id=thread.id)
    rest = await each(messages.list(thread.id, limit=2, after=listed[1].id))
    expect("after a deleted one (LIST-08)", [m.id for m in rest], [m.id for m in listed[2:]])


async def scenario(client):
    thread = await got(client.beta.threads.create())
    await parts(client, thread)
    await attachments(client, thread)
    await delete_each(client, thread)


play(scenario)
