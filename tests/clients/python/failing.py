"""A run that the model fails, seen by poll and by handler (RUN-1A, RUN-1D, STR-13, STEP-11)."""

from common import (
    FAILING,
    FAILING_LATE,
    each,
    expect,
    got,
    new_assistant,
    new_thread,
    opened,
    play,
    recorder_for,
    text_of,
)


async def check_the_end(client, run):
    expect("end (RUN-1A)", (run.status, run.last_error.code), ("failed", "server_error"))
    expect("a reason (RUN-1D)", bool(run.last_error.message), True)
    expect(
        "times (RUN-1A)",
        (bool(run.failed_at), run.completed_at, run.expires_at),
        (True, None, None),
    )
    messages = client.beta.threads.messages
    made = await got(messages.create(run.thread_id, role="user", content="more"))
    expect("the thread is free (RUN-1B)", made.thread_id, run.thread_id)


async def poll(client, assistant):
    thread = await new_thread(client, FAILING)
    runs = client.beta.threads.runs
    run = await got(
        runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20)
    )
    await check_the_end(client, run)


async def stream(client, assistant, text):
    thread = await new_thread(client, text)
    recorder = recorder_for(client)
    manager = client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=recorder
    )
    async with opened(manager) as stream:
        run = await got(stream.get_final_run())
    expect("no exception", recorder.count("on_exception"), 0)
    expect("last event (STR-13)", recorder.event_names()[-1], "thread.run.failed")
    return recorder, run


async def early(client, assistant):
    recorder, run = await stream(client, assistant, FAILING)
    expect("no message", recorder.count("on_message_created"), 0)
    await check_the_end(client, run)


async def late(client, assistant):
    recorder, run = await stream(client, assistant, FAILING_LATE)
    wanted = ["thread.message.incomplete", "thread.run.step.failed", "thread.run.failed"]
    expect("events (STR-13)", recorder.event_names()[-3:], wanted)
    ((step,),) = recorder.all_of("on_run_step_done")
    expect("step (STEP-11)", (step.status, bool(step.failed_at)), ("failed", True))
    (message, _) = await each(client.beta.threads.messages.list(run.thread_id))
    expect("what was said stays (MSG-14)", text_of(message), "one")
    expect(
        "message (MSG-12)",
        (message.status, message.incomplete_details.reason),
        ("incomplete", "run_failed"),
    )
    await check_the_end(client, run)


async def scenario(client):
    assistant = await new_assistant(client)
    await poll(client, assistant)
    await early(client, assistant)
    await late(client, assistant)


play(scenario)
