"""Cancel while the model speaks, and while the run waits (RUN-17, RUN-18, RUN-42, STR-13)."""

from common import (
    SLOW,
    each,
    events_of,
    expect,
    got,
    new_assistant,
    new_thread,
    play,
    refusal_of,
    text_of,
    weather_run,
)
from openai import BadRequestError

END = [
    "thread.run.cancelling",
    "thread.message.incomplete",
    "thread.run.step.cancelled",
    "thread.run.cancelled",
]


async def in_the_middle_of_a_stream(client):
    runs = client.beta.threads.runs
    assistant = await new_assistant(client)
    thread = await new_thread(client, SLOW)
    stream = await got(runs.create(thread.id, assistant_id=assistant.id, stream=True))
    seen, answer = [], None
    async for event in events_of(stream):
        seen.append(event)
        if event.event == "thread.message.delta" and answer is None:
            run_id = seen[0].data.id
            answer = await got(runs.cancel(run_id, thread_id=thread.id))
    expect("answer (RUN-17)", (answer.status, answer.cancelled_at), ("cancelling", None))
    ends = [event.event for event in seen if event.event in END]
    expect("events (STR-13)", ends, END)
    run = seen[-1].data
    expect(
        "end (RUN-18)",
        (run.status, bool(run.cancelled_at), run.expires_at),
        ("cancelled", True, None),
    )
    await what_is_left(client, run)


async def what_is_left(client, run):
    (message, _) = await each(client.beta.threads.messages.list(run.thread_id))
    expect("partial text (MSG-14)", text_of(message)[:3], "one")
    reason = message.incomplete_details.reason
    expect("message (MSG-12)", (message.status, reason), ("incomplete", "run_cancelled"))
    (step,) = await each(client.beta.threads.runs.steps.list(run.id, thread_id=run.thread_id))
    expect("step (STEP-11)", (step.status, bool(step.cancelled_at)), ("cancelled", True))
    runs = client.beta.threads.runs
    error = await refusal_of(BadRequestError, runs.cancel, run.id, thread_id=run.thread_id)
    expect("twice (ERR-53)", error.body["message"], "Cannot cancel run with status 'cancelled'.")


async def while_it_waits(client):
    runs = client.beta.threads.runs
    run = await weather_run(client)
    answer = await got(runs.cancel(run.id, thread_id=run.thread_id))
    expect("answer (RUN-17)", answer.status, "cancelling")
    done = await got(runs.poll(run.id, thread_id=run.thread_id, poll_interval_ms=20))
    expect("end (RUN-18)", (done.status, done.required_action), ("cancelled", None))


async def scenario(client):
    await in_the_middle_of_a_stream(client)
    await while_it_waits(client)


play(scenario)
