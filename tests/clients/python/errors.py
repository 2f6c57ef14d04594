"""Refusals arrive as the client's own error classes with exact text, param, code (section 3)."""

from common import (
    MODEL,
    PATIENCE,
    expect,
    new_assistant,
    new_thread,
    play,
    refusal_of,
    weather_run,
)
from openai import AuthenticationError, BadRequestError, NotFoundError, OpenAI

NOBODY = "0" * 24
ABOVE = "above maximum value. Expected"


def check(rule, error, message, param=None, code=None):
    expect(f"{rule} message", error.body["message"], message)
    expect(f"{rule} param and code", (error.param, error.code), (param, code))
    expect(f"{rule} type", error.body["type"], "invalid_request_error")


async def wrong_key():
    with OpenAI(**PATIENCE, api_key="sk-wrong000000000000last") as client:
        error = await refusal_of(AuthenticationError, client.beta.threads.create)
    expect("AUTH-01 status and code", (error.status_code, error.code), (401, "invalid_api_key"))
    expect(
        "AUTH-01 text",
        error.body["message"].startswith("Incorrect API key provided: sk-wrong"),
        True,
    )


async def unknown_objects(client):
    threads, assistants = client.beta.threads, client.beta.assistants
    error = await refusal_of(NotFoundError, assistants.retrieve, f"asst_{NOBODY}")
    check("ERR-40", error, f"No assistant found with id 'asst_{NOBODY}'.")
    error = await refusal_of(NotFoundError, threads.retrieve, f"thread_{NOBODY}")
    check("ERR-40", error, f"No thread found with id 'thread_{NOBODY}'.")
    thread = await new_thread(client, "hello")
    check(
        "ERR-40",
        await refusal_of(
            NotFoundError, threads.runs.retrieve, f"run_{NOBODY}", thread_id=thread.id
        ),
        f"No run found with id 'run_{NOBODY}'.",
    )
    error = await refusal_of(
        NotFoundError, threads.runs.create, thread.id, assistant_id=f"asst_{NOBODY}"
    )
    check("ASST-11", error, f"No assistant found with id 'asst_{NOBODY}'.")
    error = await refusal_of(NotFoundError, client.files.retrieve, f"file-{NOBODY}")
    check("ERR-42", error, f"No such File object: file-{NOBODY}", param="id")


async def bad_input(client):
    assistants = client.beta.assistants
    error = await refusal_of(
        BadRequestError, assistants.create, model=MODEL, extra_body={"colour": 1}
    )
    check("ERR-21", error, "Unknown parameter: 'colour'.", "colour", "unknown_parameter")
    error = await refusal_of(BadRequestError, assistants.create, model=True)
    text = "Invalid type for 'model': expected a string, but got a boolean instead."
    check("ERR-22", error, text, "model", "invalid_type")
    error = await refusal_of(BadRequestError, assistants.create, model=MODEL, name="n" * 257)
    text = (
        "Invalid 'name': string too long. Expected a string with maximum length 256, "
        "but got a string with length 257 instead."
    )
    check("ERR-26", error, text, "name", "string_above_max_length")
    error = await refusal_of(BadRequestError, assistants.list, limit=101)
    text = f"Invalid 'limit': integer {ABOVE} a value <= 100, but got 101 instead."
    check("ERR-29", error, text, "limit", "integer_above_max_value")
    error = await refusal_of(BadRequestError, assistants.list, order="up")
    text = "Invalid value: 'up'. Supported values are: 'asc' and 'desc'."
    check("ERR-23", error, text, "order", "invalid_value")
    thread = await new_thread(client, "hello")
    runs = client.beta.threads.runs
    error = await refusal_of(BadRequestError, runs.create, thread.id, assistant_id=None)
    expect("ERR-20 or ERR-22 param", error.param, "assistant_id")


async def busy_thread(client):
    threads = client.beta.threads
    run = await weather_run(client)
    error = await refusal_of(
        BadRequestError, threads.runs.create, run.thread_id, assistant_id=run.assistant_id
    )
    check("ERR-51", error, f"Thread {run.thread_id} already has an active run {run.id}.")
    error = await refusal_of(
        BadRequestError, threads.messages.create, run.thread_id, role="user", content="x"
    )
    check("ERR-50", error, f"Can't add messages to {run.thread_id} while a run {run.id} is active.")


async def before_a_stream(client):
    """A refused streaming call is a plain JSON error, not a stream (STR-01)."""
    thread = await new_thread(client, "hello")
    runs = client.beta.threads.runs
    error = await refusal_of(
        NotFoundError, runs.create, thread.id, assistant_id=f"asst_{NOBODY}", stream=True
    )
    check("ERR-40", error, f"No assistant found with id 'asst_{NOBODY}'.")
    assistant = await new_assistant(client)
    error = await refusal_of(
        BadRequestError,
        runs.create,
        thread.id,
        assistant_id=assistant.id,
        stream=True,
        temperature=3,
    )
    text = f"Invalid 'temperature': decimal {ABOVE} a value <= 2, but got 3 instead."
    check("ERR-29", error, text, "temperature", "decimal_above_max_value")


async def scenario(client):
    await wrong_key()
    await unknown_objects(client)
    await bad_input(client)
    await busy_thread(client)
    await before_a_stream(client)


play(scenario)
