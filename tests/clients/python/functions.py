"""Two parallel function calls, answered in three ways (RUN-12 to 15, RUN-41, STEP-05, STEP-06)."""

import json

from common import (
    ALOUD,
    CITIES,
    FUNCTIONS,
    FUNCTIONS_ANSWER,
    WEATHER_TOOL,
    each,
    expect,
    got,
    new_assistant,
    new_thread,
    opened,
    outputs_for,
    play,
    recorder_for,
    refusal_of,
    text_of,
    weather_run,
)
from openai import BadRequestError


def check_the_calls(run):
    calls = run.required_action.submit_tool_outputs.tool_calls
    expect("names", [call.function.name for call in calls], ["get_weather"] * 2)
    expect("cities", [json.loads(call.function.arguments)["city"] for call in calls], CITIES)
    expect("ids (ID-01)", [call.id[:5] for call in calls], ["call_"] * 2)
    expect("different ids", len({call.id for call in calls}), 2)


async def check_the_end(client, run):
    expect("end", (run.status, run.required_action), ("completed", None))
    newest, *_ = await each(client.beta.threads.messages.list(run.thread_id))
    expect("answer", text_of(newest), FUNCTIONS_ANSWER)
    steps = client.beta.threads.runs.steps
    one, two = await each(steps.list(run.id, thread_id=run.thread_id, order="asc"))
    expect("steps", (one.type, two.type), ("tool_calls", "message_creation"))
    outputs = [call.function.output for call in one.step_details.tool_calls]
    expect("outputs kept (STEP-06)", outputs, ["20 degrees", "21 degrees"])
    expect(
        "usage is the sum (RUN-36)",
        run.usage.total_tokens,
        one.usage.total_tokens + two.usage.total_tokens,
    )


async def submit_plainly(client):
    runs = client.beta.threads.runs
    run = await weather_run(client)
    check_the_calls(run)
    (step,) = await each(runs.steps.list(run.id, thread_id=run.thread_id))
    expect("the step waits (STEP-05)", (step.type, step.status), ("tool_calls", "in_progress"))
    outputs = outputs_for(run)
    answer = await got(
        runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=outputs)
    )
    expect("queued again (RUN-13)", answer.status, "queued")
    expect("same deadline (RUN-13)", answer.expires_at, run.expires_at)
    done = await got(runs.poll(run.id, thread_id=run.thread_id, poll_interval_ms=20))
    await check_the_end(client, done)
    again = await refused(client, run, outputs)
    expect("too late (ERR-52)", again, 'Runs in status "completed" do not accept tool outputs.')


async def refused(client, run, outputs):
    submit = client.beta.threads.runs.submit_tool_outputs
    named = {"thread_id": run.thread_id, "tool_outputs": outputs}
    return (await refusal_of(BadRequestError, submit, run.id, **named)).body["message"]


async def submit_and_poll(client):
    run = await weather_run(client)
    first, second = outputs_for(run)
    ids = [first["tool_call_id"], second["tool_call_id"]]
    wanted = f"Expected tool outputs for call_ids {ids!r}, got {ids[:1]!r}"
    expect("one missing (ERR-55)", await refused(client, run, [first]), wanted)
    done = await got(
        client.beta.threads.runs.submit_tool_outputs_and_poll(
            run_id=run.id,
            thread_id=run.thread_id,
            tool_outputs=[first, second],
            poll_interval_ms=20,
        )
    )
    await check_the_end(client, done)


async def stream_both_legs(client):
    runs = client.beta.threads.runs
    assistant = await new_assistant(client, tools=[WEATHER_TOOL])
    thread = await new_thread(client, FUNCTIONS)
    recorder = recorder_for(client)
    manager = runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=recorder)
    async with opened(manager) as stream:
        run = await got(stream.get_final_run())
        (step,) = await got(stream.get_final_run_steps())
    check_the_first_leg(recorder, step)
    check_the_calls(run)

    recorder = recorder_for(client)
    manager = runs.submit_tool_outputs_stream(
        run_id=run.id,
        thread_id=thread.id,
        tool_outputs=outputs_for(run),
        event_handler=recorder,
    )
    async with opened(manager) as stream:
        done = await got(stream.get_final_run())
    expect("steps done", recorder.count("on_run_step_done"), 2)
    expect("one message", recorder.count("on_message_done"), 1)
    await check_the_end(client, done)


def check_the_first_leg(recorder, step):
    names = [
        "on_run_step_created",
        "on_tool_call_created",
        "on_tool_call_delta",
        "on_tool_call_done",
        "on_end",
    ]
    expect("callbacks (STR-09)", recorder.names(), names)
    expect("tool calls created", recorder.count("on_tool_call_created"), 2)
    expect("tool calls done", recorder.count("on_tool_call_done"), 2)
    arguments = [json.loads(c.function.arguments) for c in step.step_details.tool_calls]
    expect("arguments add up (SDK-05)", arguments, [{"city": city} for city in CITIES])
    done = [json.loads(call.function.arguments) for (call,) in recorder.all_of("on_tool_call_done")]
    expect("arguments at done", done, arguments)


async def text_before_the_call(client):
    """The message and its step end before the next step begins, as newer clients demand."""
    runs = client.beta.threads.runs
    assistant = await new_assistant(client, tools=[WEATHER_TOOL])
    thread = await new_thread(client, ALOUD)
    recorder = recorder_for(client)
    manager = runs.stream(thread_id=thread.id, assistant_id=assistant.id, event_handler=recorder)
    async with opened(manager) as stream:
        run = await got(stream.get_final_run())
        (message,) = await got(stream.get_final_messages())
    expect("said", text_of(message), "Let me look.")
    names = [name for name in recorder.event_names() if name.endswith((".created", ".completed"))]
    step, said = "thread.run.step", "thread.message"
    wanted = [f"{step}.created", f"{said}.created", f"{said}.completed", f"{step}.completed"]
    expect("one after the other", names[1:], [*wanted, f"{step}.created"])
    done = await got(
        runs.submit_tool_outputs_and_poll(
            run_id=run.id,
            thread_id=thread.id,
            tool_outputs=outputs_for(run),
            poll_interval_ms=20,
        )
    )
    expect("end", done.status, "completed")


async def scenario(client):
    await submit_plainly(client)
    await submit_and_poll(client)
    await stream_both_legs(client)
    await text_before_the_call(client)


play(scenario)
