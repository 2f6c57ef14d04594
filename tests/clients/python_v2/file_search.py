"""A run that searches files: streamed and polled, its step, its citations.

STR-08, STR-11, STEP-08, STEP-13, ANN-01 to ANN-03, ANN-07, MSG-06, MSG-07, VS-04, VS-14, RUN-26.
"""

from citing import ANSWER, SHORT_ANSWER, check_citations, streamed
from common import each, expect, got, new_assistant, play
from documents import GUEST, MENU, PRICES, SOUP

OFTEN = {"poll_interval_ms": 20}
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
CONTENT = "step_details.tool_calls[*].file_search.results[*].content"
SEARCH = {"type": "file_search"}


async def meal_store(client):
    store = await got(client.vector_stores.create(name="Meals"))
    await got(
        client.vector_stores.file_batches.upload_and_poll(store.id, files=[MENU, PRICES], **OFTEN)
    )
    return store


async def new_thread_with(client, file):
    made = await got(client.files.create(file=file, purpose="assistants"))
    attached = {"file_id": made.id, "tools": [SEARCH]}
    asked = {"role": "user", "content": SOUP, "attachments": [attached]}
    return await got(client.beta.threads.create(messages=[asked]))


async def stream(client, assistant, thread):
    heard, message = await streamed(client, thread_id=thread.id, assistant_id=assistant.id)
    expect("callbacks", heard.names(), CALLBACKS)
    [(begun,)] = heard.all_of("on_tool_call_created")
    expect("begun (STR-08)", (begun.type, begun.file_search.results), ("file_search", []))
    await check_citations(client, message, ANSWER, ["menu.md", "prices.txt", "guest.html"])
    quotes = [getattr(a.file_citation, "quote", None) for a in message.content[0].text.annotations]
    expect("no quote in v2 (ANN-01)", quotes, [None] * 3)
    told = [a for delta, _ in heard.all_of("on_text_delta") for a in delta.annotations or ()]
    expect("an empty one in deltas (STR-11)", [a.file_citation.quote for a in told], [""] * 3)
    [listed] = await each(client.beta.threads.messages.list(thread.id, run_id=message.run_id))
    expect("the stored message", listed, message)
    return message


async def step_of(client, message):
    steps = client.beta.threads.runs.steps
    run = {"thread_id": message.thread_id, "run_id": message.run_id}
    step, _ = await each(steps.list(**run, order="asc"))
    [call] = step.step_details.tool_calls
    names = sorted(result.file_name for result in call.file_search.results)
    expect("results (STEP-08)", names, ["guest.html", "menu.md", "prices.txt"])
    expect("content is not asked for", [r.content for r in call.file_search.results], [None] * 3)
    scores = [result.score for result in call.file_search.results]
    expect("best first, in 0..1", scores, sorted((min(max(s, 0), 1) for s in scores), reverse=True))
    options = call.file_search.ranking_options
    shown = (options.ranker, options.score_threshold)
    expect("ranking (STEP-08)", shown, ("default_2024_08_21", 0))

    whole = await got(steps.retrieve(step.id, **run, include=[CONTENT]))
    [call] = whole.step_details.tool_calls
    texts = [part.text for result in call.file_search.results for part in result.content]
    expect("content (STEP-13)", any("pumpkin" in text for text in texts), True)


async def poll(client, assistant, thread):
    await got(client.beta.threads.messages.create(thread.id, role="user", content=SOUP))
    named = {"thread_id": thread.id, "assistant_id": assistant.id}
    run = await got(client.beta.threads.runs.create_and_poll(**named, tool_choice=SEARCH, **OFTEN))
    expect("end", (run.status, run.tool_choice.type), ("completed", "file_search"))
    [message] = await each(client.beta.threads.messages.list(thread.id, run_id=run.id))
    await check_citations(client, message, ANSWER, ["menu.md", "prices.txt", "guest.html"])
    return message


async def store_of_the_thread(client, resources):
    """A thread names its store itself, and the assistant has none (VS-14)."""
    assistant = await new_assistant(client, tools=[SEARCH])
    question = [{"role": "user", "content": SOUP}]
    thread = await got(client.beta.threads.create(messages=question, tool_resources=resources))
    _, message = await streamed(client, thread_id=thread.id, assistant_id=assistant.id)
    await check_citations(client, message, SHORT_ANSWER, ["menu.md", "prices.txt"])


async def in_nothing(client):
    """A run whose store has nothing to say about it answers without citations."""
    store = await got(client.vector_stores.create())
    resources = {"file_search": {"vector_store_ids": [store.id]}}
    assistant = await new_assistant(client, tools=[SEARCH], tool_resources=resources)
    run = await got(
        client.beta.threads.create_and_run_poll(
            assistant_id=assistant.id,
            thread={"messages": [{"role": "user", "content": SOUP}]},
            **OFTEN,
        )
    )
    [message, _] = await each(client.beta.threads.messages.list(run.thread_id))
    await check_citations(client, message, "The files do not say.", [])


async def scenario(client):
    store = await meal_store(client)
    resources = {"file_search": {"vector_store_ids": [store.id]}}
    assistant = await new_assistant(client, tools=[SEARCH], tool_resources=resources)
    thread = await new_thread_with(client, GUEST)
    [of_thread] = thread.tool_resources.file_search.vector_store_ids
    expiry = (await got(client.vector_stores.retrieve(of_thread))).expires_after
    expect("seven days (VS-04)", (expiry.anchor, expiry.days), ("last_active_at", 7))

    first = await stream(client, assistant, thread)
    await step_of(client, first)
    second = await poll(client, assistant, thread)
    markers = {a.text for m in (first, second) for a in m.content[0].text.annotations}
    expect("each search has its own markers (ANN-03)", len(markers), 6)
    await store_of_the_thread(client, resources)
    await in_nothing(client)


play(scenario)
