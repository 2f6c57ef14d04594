"""What the scenario programs share. Runs with the Python of the client under test, not ours.

A scenario is written once, as an `async def`, and played against `OpenAI` and `AsyncOpenAI`:
`got`, `each`, `opened` and `events_of` bridge the difference, so that every method is seen sync
and async without being written twice.
"""

import asyncio
import inspect
from contextlib import asynccontextmanager

from openai import (
    AssistantEventHandler,
    AsyncAssistantEventHandler,
    AsyncOpenAI,
    OpenAI,
    __version__,
)

MODEL = "scripted"
ERA = "v1" if __version__ == "1.20.0" else "v2"

# A refusal or a 500 must be seen as it is: no silent retry, no endless wait.
PATIENCE = {"max_retries": 0, "timeout": 20.0}

PLAIN = "say the alphabet"
PLAIN_ANSWER = "alpha beta gamma delta epsilon"
FUNCTIONS = "compare the weather"
ALOUD = "think aloud and compare"
FUNCTIONS_ANSWER = "Paris is warmer than Rome today."
FAILING = "break before the first word"
FAILING_LATE = "break after a word"
SLOW = "count slowly"
UNHURRIED = "count briefly"
UNHURRIED_ANSWER = "one two three four five"
LONG = "ramble on"
SILENT = "think for a while"
SILENT_ANSWER = "At last."

CITIES = ["Paris", "Rome"]
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def play(scenario):
    """Run the scenario with the sync and then with the async client, and say so."""
    asyncio.run(_both(scenario))
    print('{"passed": true}')


async def _both(scenario):
    with OpenAI(**PATIENCE) as client:
        await scenario(client)
    async with AsyncOpenAI(**PATIENCE) as client:
        await scenario(client)


async def got(value):
    """Return what a call of either client answers."""
    return await value if inspect.isawaitable(value) else value


async def each(pages):
    """Return all objects that the client's own auto-iterator yields, over all pages."""
    if hasattr(pages, "__aiter__"):
        return [item async for item in pages]
    return list(pages)


@asynccontextmanager
async def opened(manager):
    """Enter a context manager of either client."""
    if hasattr(manager, "__aenter__"):
        async with manager as inside:
            yield inside
    else:
        with manager as inside:
            yield inside


async def events_of(stream):
    """Yield what a stream of either client yields."""
    if hasattr(stream, "__aiter__"):
        async for event in stream:
            yield event
    else:
        for event in stream:
            yield event


async def refusal_of(kind, method, *arguments, **named):
    """Return the error that calling the method ends with; it must be of the given class."""
    try:
        answer = await got(method(*arguments, **named))
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got the answer {answer!r}")


def expect(what, actual, wanted):
    """End the program with a readable reason unless both values are equal."""
    if actual != wanted:
        raise SystemExit(f"{what}\n  expected {wanted!r}\n  got      {actual!r}")


async def new_assistant(client, **fields):
    """Return a fresh assistant that the scripted model plays."""
    return await got(client.beta.assistants.create(**{"model": MODEL, **fields}))


async def new_thread(client, text):
    """Return a fresh thread with one user message."""
    messages = [{"role": "user", "content": text}]
    return await got(client.beta.threads.create(messages=messages))


async def weather_run(client):
    """Return a run that waits for the outputs of two parallel function calls."""
    assistant = await new_assistant(client, tools=[WEATHER_TOOL])
    thread = await new_thread(client, FUNCTIONS)
    runs = client.beta.threads.runs
    run = await got(
        runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, poll_interval_ms=20)
    )
    expect("RUN-12 status", run.status, "requires_action")
    return run


def outputs_for(run):
    """Return an output for every pending call of the run, as an application would."""
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [
        {"tool_call_id": call.id, "output": f"{20 + i} degrees"} for i, call in enumerate(calls)
    ]


def text_of(message):
    """Return the text of a message with exactly one text part."""
    (part,) = message.content
    return part.text.value


def recorder_for(client):
    """Return an event handler for the client that records the name of every callback."""
    is_async = isinstance(client, AsyncOpenAI)
    return AsyncRecorder() if is_async else Recorder()


CALLBACKS = [name for name in dir(AssistantEventHandler) if name.startswith("on_")]


def _recording(name):
    def record(self, *arguments):
        self.calls.append((name, *arguments))

    return record


def _recording_async(name):
    async def record(self, *arguments):
        self.calls.append((name, *arguments))

    return record


class _Memory:
    """What both recorders remember."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def names(self):
        """Return the callbacks in the order of their first call, without the catch-all ones."""
        boring = {"on_event", "on_message_delta", "on_run_step_delta"}
        return [n for n in dict.fromkeys(call[0] for call in self.calls) if n not in boring]

    def all_of(self, name):
        """Return the arguments of every call of one callback."""
        return [call[1:] for call in self.calls if call[0] == name]

    def count(self, name):
        """Return how often a callback was called."""
        return len(self.all_of(name))

    def event_names(self):
        """Return the wire's event names, runs of deltas told once."""
        return without_repeats(event.event for (event,) in self.all_of("on_event"))


Recorder = type("Recorder", (_Memory, AssistantEventHandler), {n: _recording(n) for n in CALLBACKS})
AsyncRecorder = type(
    "AsyncRecorder",
    (_Memory, AsyncAssistantEventHandler),
    {n: _recording_async(n) for n in CALLBACKS},
)


def without_repeats(names):
    """Return the names with neighbours that are equal told once."""
    told = []
    for name in names:
        if told[-1:] != [name]:
            told.append(name)
    return told
