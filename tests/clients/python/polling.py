"""Runs and steps without streaming (RUN-10 to RUN-15, RUN-36, RUN-40, STEP-01, STEP-04)."""

from common import (
    MODEL,
    PLAIN,
    PLAIN_ANSWER,
    each,
    expect,
    got,
    new_assistant,
    new_thread,
    play,
    text_of,
)


async def one_run(client, assistant):
    runs = client.beta.threads.runs
    thread = await new_thread(client, PLAIN)
    made = await got(
        runs.create(
            thread.id,
            assistant_id=assistant.id,
            instructions="Be brief.",
            additional_instructions="Be kind.",
            metadata={"a": "1"},
        )
    )
    expect("id prefix (ID-01)", made.id[:4], "run_")
    expect("status (RUN-10)", made.status, "queued")
    expect("lifetime (RUN-10)", made.expires_at - made.created_at, 600)
    expect("merged instructions (RUN-32)", made.instructions, "Be brief.\nBe kind.")
    expect("model from the assistant (RUN-03)", made.model, MODEL)

    done = await got(runs.poll(made.id, thread_id=thread.id, poll_interval_ms=20))
    expect(
        "end (RUN-15)", (done.status, done.expires_at, done.last_error), ("completed", None, None)
    )
    total = done.usage.prompt_tokens + done.usage.completion_tokens
    expect("usage (RUN-36)", done.usage.total_tokens, total)
    expect(
        "retrieved", (await got(runs.retrieve(made.id, thread_id=thread.id))).status, "completed"
    )

    changed = await got(runs.update(made.id, thread_id=thread.id, metadata={"a": "2"}))
    expect("replaced metadata (RUN-40)", changed.metadata, {"a": "2"})
    await steps_of(client, done)


async def steps_of(client, run):
    steps = client.beta.threads.runs.steps
    (step,) = await each(steps.list(run.id, thread_id=run.thread_id))
    expect(
        "step",
        (step.object, step.type, step.status),
        ("thread.run.step", "message_creation", "completed"),
    )
    same = await got(steps.retrieve(step.id, thread_id=run.thread_id, run_id=run.id))
    expect("retrieved step", same, step)
    message_id = step.step_details.message_creation.message_id
    message = await got(client.beta.threads.messages.retrieve(message_id, thread_id=run.thread_id))
    expect("the step's message (STEP-04)", text_of(message), PLAIN_ANSWER)


async def default_poll_interval(client, assistant):
    """Leave the pace to the server's `openai-poll-after-ms` or the helper's second (GEN-10)."""
    thread = await new_thread(client, PLAIN)
    done = await got(
        client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    )
    expect("end", done.status, "completed")


async def thread_and_run(client, assistant):
    threads = client.beta.threads
    thread = {"messages": [{"role": "user", "content": PLAIN}], "metadata": {"b": "1"}}
    made = await got(threads.create_and_run(assistant_id=assistant.id, thread=thread))
    expect("status (RUN-21)", made.status, "queued")
    expect("the run's thread", (await got(threads.retrieve(made.thread_id))).metadata, {"b": "1"})
    done = await got(threads.runs.poll(made.id, thread_id=made.thread_id, poll_interval_ms=20))
    expect("end", done.status, "completed")

    polled = await got(
        threads.create_and_run_poll(assistant_id=assistant.id, thread=thread, poll_interval_ms=20)
    )
    expect("end", polled.status, "completed")


async def pages(client, assistant):
    runs = client.beta.threads.runs
    thread = await new_thread(client, PLAIN)
    made = [
        (
            await got(
                runs.create_and_poll(
                    thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=10
                )
            )
        ).id
        for _ in range(5)
    ]
    newest_first = await each(runs.list(thread.id, limit=2))
    expect("five runs over three pages (LIST-02)", [run.id for run in newest_first], made[::-1])
    page = await got(runs.list(thread.id, limit=2, order="asc", after=made[1]))
    expect("a page in the middle (LIST-04)", [run.id for run in page.data], made[2:4])


async def scenario(client):
    assistant = await new_assistant(client)
    await one_run(client, assistant)
    await default_poll_interval(client, assistant)
    await thread_and_run(client, assistant)
    await pages(client, assistant)


play(scenario)
