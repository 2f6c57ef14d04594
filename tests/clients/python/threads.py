"""Every method of threads that starts no run (THR-01 to THR-05)."""

from common import each, expect, got, play, refusal_of, text_of
from openai import NotFoundError


async def scenario(client):
    threads = client.beta.threads
    empty = await got(threads.create())
    expect("object", empty.object, "thread")
    expect("id prefix (ID-01)", empty.id[:7], "thread_")

    made = await got(
        threads.create(
            messages=[
                {"role": "user", "content": "first", "metadata": {"n": "1"}},
                {"role": "assistant", "content": "second"},
            ],
            metadata={"topic": "order"},
        )
    )
    expect("metadata", made.metadata, {"topic": "order"})
    messages = await each(threads.messages.list(made.id, order="asc"))
    expect("messages in order (THR-03)", [text_of(m) for m in messages], ["first", "second"])
    expect("retrieved", await got(threads.retrieve(made.id)), made)

    changed = await got(threads.update(made.id, metadata={"topic": "new"}))
    expect("replaced metadata (ASST-08)", changed.metadata, {"topic": "new"})

    gone = await got(threads.delete(made.id))
    expect(
        "deletion (THR-05)", (gone.id, gone.object, gone.deleted), (made.id, "thread.deleted", True)
    )
    await refusal_of(NotFoundError, threads.retrieve, made.id)
    await refusal_of(NotFoundError, threads.messages.retrieve, messages[0].id, thread_id=made.id)


play(scenario)
