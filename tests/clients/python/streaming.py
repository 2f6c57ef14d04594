"""The streaming helpers with an event handler (STR-04, SDK-03, SDK-04, SDK-09)."""

from common import (
    PLAIN,
    PLAIN_ANSWER,
    events_of,
    expect,
    got,
    new_assistant,
    new_thread,
    opened,
    play,
    recorder_for,
    text_of,
)

RUN = [
    "thread.run.created",
    "thread.run.queued",
    "thread.run.in_progress",
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
    "thread.run.completed",
]
CALLBACKS = [
    "on_run_step_created",
    "on_message_created",
    "on_text_created",
    "on_text_delta",
    "on_text_done",
    "on_message_done",
    "on_run_step_done",
    "on_end",
]


async def check_the_end(stream, recorder):
    run = await got(stream.get_final_run())
    expect("final run (SDK-09)", run.status, "completed")
    (message,) = await got(stream.get_final_messages())
    expect("final message", text_of(message), PLAIN_ANSWER)
    (step,) = await got(stream.get_final_run_steps())
    expect("final step", step.type, "message_creation")
    expect("callbacks", recorder.names(), CALLBACKS)
    deltas = [delta.value for delta, _ in recorder.all_of("on_text_delta")]
    expect("the deltas add up (SDK-05)", "".join(d or "" for d in deltas), PLAIN_ANSWER)
    for once in ("on_text_created", "on_text_done", "on_message_done", "on_end"):
        expect(f"calls of {once}", recorder.count(once), 1)
    expect("no exception", recorder.count("on_exception"), 0)


async def with_a_handler(client, assistant):
    thread = await new_thread(client, PLAIN)
    recorder = recorder_for(client)
    manager = client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=recorder
    )
    async with opened(manager) as stream:
        await got(stream.until_done())
        await check_the_end(stream, recorder)
    expect("events (STR-04)", recorder.event_names(), RUN)


async def old_name(client, assistant):
    thread = await new_thread(client, PLAIN)
    recorder = recorder_for(client)
    manager = client.beta.threads.runs.create_and_stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=recorder
    )
    async with opened(manager) as stream:
        await check_the_end(stream, recorder)


async def thread_and_run(client, assistant):
    recorder = recorder_for(client)
    manager = client.beta.threads.create_and_run_stream(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": PLAIN}]},
        event_handler=recorder,
    )
    async with opened(manager) as stream:
        await check_the_end(stream, recorder)
    expect("events (STR-04)", recorder.event_names(), ["thread.created", *RUN])


async def text_deltas(client, assistant):
    thread = await new_thread(client, PLAIN)
    manager = client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id)
    async with opened(manager) as stream:
        pieces = [piece async for piece in events_of(stream.text_deltas)]
    expect("text_deltas", "".join(pieces), PLAIN_ANSWER)


async def scenario(client):
    assistant = await new_assistant(client)
    await with_a_handler(client, assistant)
    await old_name(client, assistant)
    await thread_and_run(client, assistant)
    await text_deltas(client, assistant)


play(scenario)
