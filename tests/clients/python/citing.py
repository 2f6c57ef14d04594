"""What an application does with citations, and what has to hold for it."""

import re

from common import events_of, expect, got, opened, recorder_for, text_of

NO_SUCH_MARKER = "【99:0"
ANSWER = "🥣 Pumpkin soup[0] for 7 €[1]; 👩‍🍳 no walnuts[2]."
SHORT_ANSWER = "🥣 Pumpkin soup[0] for 7 €[1]."
SEARCH_RUN = [
    "thread.run.created",
    "thread.run.queued",
    "thread.run.in_progress",
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.run.step.delta",
    "thread.run.step.completed",
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
    "thread.run.completed",
]


async def with_footnotes(client, message):
    """Return the text with [0] for each marker, and the names of the cited files."""
    [part] = message.content
    text, names = part.text.value, []
    for number, annotation in enumerate(part.text.annotations):
        marker = text_of(message)[annotation.start_index : annotation.end_index]
        expect("exact to the code point (ANN-02)", marker, annotation.text)
        text = text.replace(annotation.text, f"[{number}]")
        cited = await got(client.files.retrieve(annotation.file_citation.file_id))
        names.append(cited.filename)
    expect("no marker without an annotation (ANN-03)", re.findall("【", text), [])
    return text, names


async def check_citations(client, message, answer, names):
    """Check an answer against its text with footnotes and the files that it cites."""
    expect("text and files", await with_footnotes(client, message), (answer, names))


async def streamed(client, **run):
    """Return what a handler heard of a run that searches, and the message at its end."""
    recorder = recorder_for(client)
    manager = client.beta.threads.runs.stream(**run, event_handler=recorder)
    async with opened(manager) as stream:
        async for _ in events_of(stream):
            pass
        expect("final run (SDK-09)", (await got(stream.get_final_run())).status, "completed")
        [message] = await got(stream.get_final_messages())
        steps = await got(stream.get_final_run_steps())
    expect("events (STR-08)", recorder.event_names(), SEARCH_RUN)
    expect("steps", [step.type for step in steps], ["tool_calls", "message_creation"])
    check_text_deltas(recorder, message)
    return recorder, message


def check_text_deltas(recorder, message):
    """Check that the deltas add up to the message (SDK-05, STR-10, STR-11, ANN-07)."""
    deltas = [delta for delta, _ in recorder.all_of("on_text_delta")]
    text = message.content[0].text
    expect("the deltas add up", "".join(d.value or "" for d in deltas), text.value)
    expect("empty in the first delta (STR-10)", deltas[0].annotations, [])
    cited = [(d, a) for d in deltas for a in d.annotations or ()]
    expect(
        "the marker is the text of its delta",
        [d.value for d, _ in cited],
        [a.text for a in text.annotations],
    )
    places = [(a.index, a.start_index, a.end_index) for _, a in cited]
    wanted = [(n, a.start_index, a.end_index) for n, a in enumerate(text.annotations)]
    expect("index, once and in order (ANN-07)", places, wanted)
    ids = [a.file_citation.file_id for _, a in cited]
    expect("files", ids, [a.file_citation.file_id for a in text.annotations])
