"""The package's Azure client: `/openai`, an `api-key` header and an `api-version` to ignore."""

import asyncio
import os

from common import (
    PATIENCE,
    PLAIN,
    PLAIN_ANSWER,
    events_of,
    expect,
    got,
    new_assistant,
    new_thread,
    opened,
)
from openai import AsyncAzureOpenAI, AzureOpenAI

ENDPOINT = os.environ.pop("OPENAI_BASE_URL").removesuffix("/v1")
SETTINGS = {"azure_endpoint": ENDPOINT, "api_version": "2024-05-01-preview", **PATIENCE}


async def scenario(client):
    assistant = await new_assistant(client)
    thread = await new_thread(client, PLAIN)
    runs = client.beta.threads.runs
    run = await got(
        runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20)
    )
    expect("end", run.status, "completed")
    manager = runs.stream(thread_id=thread.id, assistant_id=assistant.id)
    async with opened(manager) as stream:
        pieces = [piece async for piece in events_of(stream.text_deltas)]
    expect("text", "".join(pieces), PLAIN_ANSWER)
    made = await got(client.files.create(file=("a.txt", b"x"), purpose="assistants"))
    await got(client.files.delete(made.id))


async def both():
    key = os.environ["OPENAI_API_KEY"]
    with AzureOpenAI(api_key=key, **SETTINGS) as client:
        await scenario(client)
    async with AsyncAzureOpenAI(api_key=key, **SETTINGS) as client:
        await scenario(client)


asyncio.run(both())
print('{"passed": true}')
