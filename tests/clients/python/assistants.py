"""Every method of assistants (ASST-03, ASST-08, ASST-11, LIST-01 to LIST-08)."""

from common import MODEL, WEATHER_TOOL, each, expect, got, new_assistant, opened, play, refusal_of
from openai import NotFoundError


async def one_assistant(client):
    assistants = client.beta.assistants
    made = await got(
        assistants.create(
            model=MODEL,
            name="Tutor",
            description="Teaches.",
            instructions="Be brief.",
            tools=[WEATHER_TOOL],
            metadata={"team": "red"},
        )
    )
    expect("id prefix (ID-01)", made.id[:5], "asst_")
    expect("object", made.object, "assistant")
    expect("tool echo (ASST-05)", made.tools[0].function.name, "get_weather")
    expect("retrieved", await got(assistants.retrieve(made.id)), made)

    changed = await got(assistants.update(made.id, name="Coach", metadata={"team": "blue"}))
    expect("changed name", changed.name, "Coach")
    expect("unchanged instructions (ASST-08)", changed.instructions, "Be brief.")
    expect("replaced metadata", changed.metadata, {"team": "blue"})

    gone = await got(assistants.delete(made.id))
    expect(
        "deletion (ASST-11)",
        (gone.id, gone.object, gone.deleted),
        (made.id, "assistant.deleted", True),
    )
    await refusal_of(NotFoundError, assistants.retrieve, made.id)


async def pages(client):
    assistants = client.beta.assistants
    made = [(await new_assistant(client, name=f"number {n}")).id for n in range(5)]
    newest_first = [item.id for item in await each(assistants.list(limit=2))]
    expect("five newest over three pages (LIST-02, LIST-07)", newest_first[:5], made[::-1])

    oldest_first = await each(assistants.list(limit=2, order="asc", after=made[0]))
    expect("ascending after the first (LIST-04)", [a.id for a in oldest_first], made[1:])

    page = await got(assistants.list(limit=2, order="asc", before=made[3]))
    expect("the page before the fourth (LIST-05)", [a.id for a in page.data], made[1:3])

    for item in await each(assistants.list(limit=2)):
        await got(assistants.delete(item.id))
    expect("none left (LIST-01)", await each(assistants.list()), [])


async def raw(client):
    assistants = client.beta.assistants
    response = await got(assistants.with_raw_response.create(model=MODEL))
    expect("status", response.status_code, 200)
    expect("request id (GEN-08)", response.headers["x-request-id"][:4], "req_")
    made = response.parse()
    async with opened(assistants.with_streaming_response.retrieve(made.id)) as streamed:
        expect("the same through a streaming response", await got(streamed.parse()), made)
    await got(assistants.delete(made.id))


async def scenario(client):
    await one_assistant(client)
    await pages(client)
    await raw(client)


play(scenario)
