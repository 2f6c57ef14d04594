"""`stream=True` and plain iteration, without the helpers (STR-01 to STR-06, STR-14)."""

import json

from common import (
    CITIES,
    FUNCTIONS,
    FUNCTIONS_ANSWER,
    PLAIN,
    PLAIN_ANSWER,
    SILENT,
    SILENT_ANSWER,
    UNHURRIED,
    UNHURRIED_ANSWER,
    WEATHER_TOOL,
    each,
    events_of,
    expect,
    got,
    new_assistant,
    new_thread,
    opened,
    outputs_for,
    play,
    text_of,
    without_repeats,
)

MESSAGE = [
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
    "thread.run.completed",
]
START = ["thread.run.created", "thread.run.queued", "thread.run.in_progress"]


async def read(stream):
    return [event async for event in events_of(await got(stream))]


def names(events):
    return without_repeats(event.event for event in events)


def text(events):
    deltas = [event.data.delta for event in events if event.event == "thread.message.delta"]
    return "".join(part.text.value or "" for delta in deltas for part in delta.content)


def check_the_text_deltas(events):
    deltas = [e.data.delta.content for e in events if e.event == "thread.message.delta"]
    expect("one part, index 0 (SDK-04)", {tuple(p.index for p in d) for d in deltas}, {(0,)})
    annotations = [part.text.annotations for (part,) in deltas]
    expect("annotations once (STR-10)", annotations, [[], *[None] * (len(deltas) - 1)])


def check_the_call_deltas(events):
    deltas = [e.data.delta for e in events if e.event == "thread.run.step.delta"]
    pieces = [piece for delta in deltas for piece in delta.step_details.tool_calls]
    for index, city in enumerate(CITIES):
        first, *more = [piece for piece in pieces if piece.index == index]
        shown = (first.id[:5], first.type, first.function.name, first.function.arguments)
        expect("first delta (STR-09)", shown, ("call_", "function", "get_weather", ""))
        again = {(piece.id, piece.function.name) for piece in more}
        expect("id and name once (SDK-05)", again, {(None, None)})
        told = json.loads("".join(piece.function.arguments for piece in more))
        expect("arguments (STR-09)", told, {"city": city})


async def plain(client):
    assistant = await new_assistant(client)
    thread = await new_thread(client, PLAIN)
    runs = client.beta.threads.runs
    events = await read(runs.create(thread.id, assistant_id=assistant.id, stream=True))
    expect("events (STR-04)", names(events), START + MESSAGE)
    expect("text (STR-10)", text(events), PLAIN_ANSWER)
    expect("first status (STR-04)", events[0].data.status, "queued")
    expect("whole objects (STR-03)", events[-1].data.usage.total_tokens > 0, True)
    check_the_text_deltas(events)

    body = {"messages": [{"role": "user", "content": PLAIN}]}
    threads = client.beta.threads
    events = await read(threads.create_and_run(assistant_id=assistant.id, thread=body, stream=True))
    expect("events (STR-04)", names(events), ["thread.created", *START, *MESSAGE])


async def functions(client):
    assistant = await new_assistant(client, tools=[WEATHER_TOOL])
    thread = await new_thread(client, FUNCTIONS)
    runs = client.beta.threads.runs
    events = await read(runs.create(thread.id, assistant_id=assistant.id, stream=True))
    calls = ["thread.run.step.created", "thread.run.step.in_progress", "thread.run.step.delta"]
    expect("events (STR-05)", names(events), [*START, *calls, "thread.run.requires_action"])

    check_the_call_deltas(events)
    run = events[-1].data
    stream = runs.submit_tool_outputs(
        run.id, thread_id=thread.id, tool_outputs=outputs_for(run), stream=True
    )
    events = await read(stream)
    wanted = ["thread.run.step.completed", "thread.run.queued", "thread.run.in_progress", *MESSAGE]
    expect("events (STR-06)", names(events), wanted)
    expect("text", text(events), FUNCTIONS_ANSWER)


async def leaves_early(client):
    """A client that goes away does not stop its run (RUN-37)."""
    assistant = await new_assistant(client)
    thread = await new_thread(client, UNHURRIED)
    runs = client.beta.threads.runs
    stream = await got(runs.create(thread.id, assistant_id=assistant.id, stream=True))
    async for event in events_of(stream):
        if event.event == "thread.message.delta":
            break
    await got(stream.close())
    (run,) = await each(runs.list(thread.id))
    done = await got(runs.poll(run.id, thread_id=thread.id, poll_interval_ms=20))
    expect("end (RUN-37)", done.status, "completed")
    newest, _ = await each(client.beta.threads.messages.list(thread.id))
    expect("whole answer", text_of(newest), UNHURRIED_ANSWER)


async def keeps_alive(client):
    """Keep-alive comments are no events to any client, with `id:` lines before them (STR-16).

    The Python packages take the blank line behind a comment for an event with an empty body once
    they have seen an `id:`; the comment must stand without one.
    """
    assistant = await new_assistant(client)
    thread = await new_thread(client, SILENT)
    runs = client.beta.threads.runs
    events = await read(runs.create(thread.id, assistant_id=assistant.id, stream=True))
    expect("events (STR-16)", names(events), START + MESSAGE)
    expect("text", text(events), SILENT_ANSWER)


async def bytes_on_the_wire(client):
    assistant = await new_assistant(client)
    thread = await new_thread(client, PLAIN)
    runs = client.beta.threads.runs
    manager = runs.with_streaming_response.create(thread.id, assistant_id=assistant.id, stream=True)
    async with opened(manager) as response:
        kind = response.headers["content-type"]
        lines = [line async for line in events_of(response.iter_lines())]
    expect(
        "content type (STR-01)", kind.replace(" ", "").lower(), "text/event-stream;charset=utf-8"
    )
    expect(
        "last frame (STR-14)",
        [line for line in lines if line][-2:],
        ["event: done", "data: [DONE]"],
    )


async def scenario(client):
    await plain(client)
    await functions(client)
    await leaves_early(client)
    await keeps_alive(client)
    await bytes_on_the_wire(client)


play(scenario)
