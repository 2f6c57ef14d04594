"""A client that asks for the other era by a header of its own (GEN-14, section 14).

Only `extra_headers` does it: the methods of every version set OpenAI-Beta themselves, over the
`default_headers` of the client.
"""

from common import ERA, MODEL, PLAIN, WEATHER_TOOL, expect, got, new_thread, play

OTHER = {"v1": "v2", "v2": "v1"}[ERA]
FILES_FIELD = {"v1": "file_ids", "v2": "tool_resources"}


def check_the_view(what, thing, era):
    fields = thing.model_dump()
    there = [name for name in FILES_FIELD.values() if fields.get(name) is not None]
    expect(f"{what} in {era}", there, [FILES_FIELD[era]])


async def scenario(client):
    assistants, runs = client.beta.assistants, client.beta.threads.runs
    header = {"OpenAI-Beta": f"assistants={OTHER}"}
    made = await got(assistants.create(model=MODEL, tools=[WEATHER_TOOL], extra_headers=header))
    check_the_view("made assistant", made, OTHER)
    check_the_view("read assistant", await got(assistants.retrieve(made.id)), ERA)

    thread = await new_thread(client, PLAIN)
    run = await got(runs.create(thread.id, assistant_id=made.id, extra_headers=header))
    check_the_view("made run", run, OTHER)
    check_the_view(
        "read run", await got(runs.poll(run.id, thread_id=thread.id, poll_interval_ms=20)), ERA
    )


play(scenario)
