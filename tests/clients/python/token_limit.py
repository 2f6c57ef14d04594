"""A run that uses up its budget: completed in v1, incomplete in v2 (RUN-16, RUN-1E, STR-12)."""

from common import (
    ERA,
    LONG,
    each,
    expect,
    got,
    new_assistant,
    new_thread,
    opened,
    play,
    recorder_for,
)

STATUS = {"v1": "completed", "v2": "incomplete"}[ERA]


async def check_the_end(client, run):
    expect("status (RUN-1E, SDK-06)", run.status, STATUS)
    expect("reason (RUN-1F)", run.incomplete_details.reason, "max_completion_tokens")
    expect("times (RUN-16)", (bool(run.completed_at), run.expires_at), (True, None))
    (message, _) = await each(client.beta.threads.messages.list(run.thread_id))
    expect("message (MSG-13)", (message.status, message.completed_at), ("incomplete", None))
    expect("its reason (MSG-13)", message.incomplete_details.reason, "max_tokens")
    (step,) = await each(client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id))
    expect("step (STEP-12)", step.status, "completed")


async def poll(client, assistant):
    thread = await new_thread(client, LONG)
    run = await got(
        client.beta.threads.runs.create_and_poll(
            thread_id=thread.id,
            assistant_id=assistant.id,
            max_completion_tokens=16,
            poll_interval_ms=20,
        )
    )
    await check_the_end(client, run)


async def stream(client, assistant):
    thread = await new_thread(client, LONG)
    recorder = recorder_for(client)
    manager = client.beta.threads.runs.stream(
        thread_id=thread.id,
        assistant_id=assistant.id,
        max_completion_tokens=16,
        event_handler=recorder,
    )
    async with opened(manager) as stream:
        run = await got(stream.get_final_run())
    wanted = ["thread.message.incomplete", "thread.run.step.completed", f"thread.run.{STATUS}"]
    expect("events (STR-12)", recorder.event_names()[-3:], wanted)
    await check_the_end(client, run)


async def scenario(client):
    assistant = await new_assistant(client)
    await poll(client, assistant)
    await stream(client, assistant)


play(scenario)
