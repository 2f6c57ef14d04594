"""Methods of messages that both eras have (MSG-04, MSG-08, MSG-09, LIST-03, LIST-09)."""

from common import PLAIN, PLAIN_ANSWER, each, expect, got, new_assistant, play, text_of


async def one_message(client, thread):
    messages = client.beta.threads.messages
    made = await got(messages.create(thread.id, role="user", content="hello", metadata={"a": "1"}))
    expect("id prefix (ID-01)", made.id[:4], "msg_")
    expect("object", made.object, "thread.message")
    expect("no run made it (MSG-08)", (made.assistant_id, made.run_id), (None, None))
    expect("text", text_of(made), "hello")
    expect("no annotations", made.content[0].text.annotations, [])
    expect("retrieved", await got(messages.retrieve(made.id, thread_id=thread.id)), made)

    changed = await got(messages.update(made.id, thread_id=thread.id, metadata={"a": "2"}))
    expect("replaced metadata", changed.metadata, {"a": "2"})
    expect("unchanged text", text_of(changed), "hello")
    return made.id


async def pages(client, thread, first):
    messages = client.beta.threads.messages
    more = [
        (await got(messages.create(thread.id, role="user", content=f"number {n}"))).id
        for n in range(4)
    ]
    made = [first, *more]
    oldest_first = await each(messages.list(thread.id, limit=2, order="asc"))
    expect("five over three pages (LIST-03)", [m.id for m in oldest_first], made)
    newest_first = await each(messages.list(thread.id, limit=2))
    expect("default order (LIST-02)", [m.id for m in newest_first], made[::-1])


async def of_a_run(client, thread):
    threads = client.beta.threads
    assistant = await new_assistant(client)
    await got(threads.messages.create(thread.id, role="user", content=PLAIN))
    run = await got(
        threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
        )
    )
    (answer,) = await each(threads.messages.list(thread.id, extra_query={"run_id": run.id}))
    expect("only the run's message (LIST-09)", text_of(answer), PLAIN_ANSWER)
    expect("made by (MSG-08)", (answer.assistant_id, answer.run_id), (assistant.id, run.id))


async def scenario(client):
    thread = await got(client.beta.threads.create())
    first = await one_message(client, thread)
    await pages(client, thread, first)
    await of_a_run(client, thread)


play(scenario)
