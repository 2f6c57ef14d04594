"""The retrieval tool of v1: files on the assistant, a stream, a citation that quotes.

ASST-09, STR-08, STEP-08, ANN-01 to ANN-03, ANN-07, SDK-07, V1V2-02.
"""

from citing import ANSWER, SHORT_ANSWER, check_citations, streamed
from common import each, expect, got, new_assistant, new_thread, play
from documents import GUEST, MENU, PRICES, SOUP

RETRIEVAL = {"type": "retrieval"}
CALLBACKS = [
    "on_run_step_created",
    "on_tool_call_created",
    "on_tool_call_done",
    "on_run_step_done",
    "on_message_created",
    "on_text_created",
    "on_text_delta",
    "on_text_done",
    "on_message_done",
    "on_end",
]


async def uploaded(client, file):
    return (await got(client.files.create(file=file, purpose="assistants"))).id


def check_quotes(message, words):
    """Each citation quotes the passage that it stands for (ANN-01)."""
    quotes = [a.file_citation.quote for a in message.content[0].text.annotations]
    missing = [word for word, quote in zip(words, quotes) if word not in quote]
    expect(f"quotes in {quotes}", (len(quotes), missing), (len(words), []))


async def stream(client, assistant):
    thread = await new_thread(client, SOUP)
    heard, message = await streamed(client, thread_id=thread.id, assistant_id=assistant.id)
    expect("callbacks", heard.names(), CALLBACKS)
    [(begun,)] = heard.all_of("on_tool_call_created")
    expect("begun (STR-08)", (begun.type, begun.retrieval), ("retrieval", {}))
    await check_citations(client, message, SHORT_ANSWER, ["menu.md", "prices.txt"])
    check_quotes(message, ["pumpkin", "price"])
    stored = await got(client.beta.threads.messages.retrieve(message.id, thread_id=thread.id))
    expect("the stored message", stored, message)

    steps = client.beta.threads.runs.steps.list(message.run_id, thread_id=thread.id, order="asc")
    first, second = await each(steps)
    expect("steps", (first.type, second.type), ("tool_calls", "message_creation"))
    [call] = first.step_details.tool_calls
    expect(
        "nothing but that it took place (STEP-08)", (call.type, call.retrieval), ("retrieval", {})
    )


async def message_files(client, assistant):
    """A file of a message is searched with those of the assistant (MSG-04, V1V2-02)."""
    guest = await uploaded(client, GUEST)
    question = {"role": "user", "content": SOUP, "file_ids": [guest]}
    thread = await got(client.beta.threads.create(messages=[question]))
    run = await got(
        client.beta.threads.runs.create_and_poll(
            thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20
        )
    )
    expect("end", run.status, "completed")
    answer, asked = await each(client.beta.threads.messages.list(thread.id))
    expect("the question keeps its file", asked.file_ids, [guest])
    await check_citations(client, answer, ANSWER, ["menu.md", "prices.txt", "guest.html"])
    check_quotes(answer, ["pumpkin", "price", "walnuts"])


async def scenario(client):
    file_ids = [await uploaded(client, file) for file in (MENU, PRICES)]
    assistant = await new_assistant(client, tools=[RETRIEVAL], file_ids=file_ids)
    expect("file_ids (ASST-09)", assistant.file_ids, file_ids)
    await stream(client, assistant)
    await message_files(client, assistant)


play(scenario)
