"""What clients want done while things break: each job is the same whatever happens to it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

from .client import STOPPED, Client, Event, Json, Reader, Refused

POLL_SECONDS = 0.2
SHORT_LIFE_SECONDS = 4
ENQUEUE = {"Understudy-Busy-Thread": "enqueue"}
INTERRUPT = {"Understudy-Busy-Thread": "interrupt"}


@dataclass(frozen=True)
class Cast:
    """The assistants of the load."""

    plain: str
    caller: str
    searcher: str
    coder: str


@dataclass
class Conversation:
    """One thread after another, on which one job after another is done."""

    client: Client
    cast: Cast
    rng: Random
    name: str
    thread: str = ""
    is_locked: bool = False
    threads: list[str] = field(default_factory=list)
    stores: dict[str, str] = field(default_factory=dict)
    """The vector stores that were made here, with the file of each."""
    _jobs: int = 0

    def new_job(self) -> str:
        """Return a label that nothing else bears."""
        self._jobs += 1
        return f"{self.name}.{self._jobs}"

    async def open_thread(self, job: str) -> None:
        """Go to a new thread."""
        made = await self.client.post("/v1/threads", {"metadata": {"job": job}}, job)
        self.enter(made["id"])

    def enter(self, thread: str) -> None:
        """Go on in this thread."""
        self.thread = thread
        self.threads.append(thread)
        self.is_locked = False

    @property
    def runs(self) -> str:
        """Return where runs of this thread are made."""
        return f"/v1/threads/{self.thread}/runs"

    def request(self, job: str, order: str, assistant: str | None = None) -> Json:
        """Return the body that creates a run which brings its message along."""
        return {
            "assistant_id": assistant or self.cast.plain,
            "metadata": {"job": job},
            "additional_messages": [message(job, order)],
        }

    def reader(self, job: str) -> Reader:
        """Return somebody who follows a run of this job."""
        return Reader(self.client, f"{job}:{uuid4().hex[:6]}", job)

    def length(self) -> str:
        """Return how many words an answer shall have."""
        return str(self.rng.randint(8, 60))


def message(job: str, order: str) -> Json:
    """Return a message of the user that tells the model what to do."""
    return {"role": "user", "content": f"[{job}] {order}", "metadata": {"job": job}}


Job = Callable[[Conversation, str], Awaitable[str]]
"""Does what it stands for; returns the id of its run when all is done."""


async def speak(here: Conversation, job: str) -> str:
    """A run whose stream is read to its end."""
    return await _streamed(here, job, f"speak {here.length()}")


async def _streamed(
    here: Conversation, job: str, order: str, assistant: str | None = None, **headers: str
) -> str:
    reader = here.reader(job)
    await reader.post(here.runs, here.request(job, order, assistant), **headers)
    return _id(reader)


def _id(reader: Reader) -> str:
    return reader.run.rpartition("/")[2]


async def poll(here: Conversation, job: str) -> str:
    """A run that is asked how it is, again and again; its message was sent before it."""
    body = here.request(job, f"speak {here.length()}")
    (said,) = body.pop("additional_messages")
    await here.client.post(f"/v1/threads/{here.thread}/messages", said, job)
    run = await here.client.post(here.runs, body, job)
    return str((await _polled(here, job, run))["id"])


async def _polled(here: Conversation, job: str, run: Json) -> Json:
    path = f"/v1/threads/{run['thread_id']}/runs/{run['id']}"
    async with asyncio.timeout(here.client.patience_seconds):
        while run["status"] not in STOPPED:
            await asyncio.sleep(POLL_SECONDS)
            run = await here.client.get(path, job)
    return run


async def wait(here: Conversation, job: str) -> str:
    """A run that its client waits for, one long request after the other."""
    run = await here.client.post(here.runs, here.request(job, f"speak {here.length()}"), job)
    async with asyncio.timeout(here.client.patience_seconds):
        while run["status"] not in STOPPED:
            run = await here.client.get(f"{here.runs}/{run['id']}?wait=2", job)
    return str(run["id"])


async def whole(here: Conversation, job: str) -> str:
    """A thread and a run in one request."""
    body = here.request(job, f"speak {here.length()}")
    body["thread"] = {"messages": body.pop("additional_messages"), "metadata": {"job": job}}
    run = await here.client.post("/v1/threads/runs", body, job)
    here.enter(run["thread_id"])
    return str((await _polled(here, job, run))["id"])


async def call(here: Conversation, job: str) -> str:
    """A run that calls functions, and streams on when it has their outputs (RUN-12, RUN-41)."""
    reader = here.reader(job)
    calls = here.rng.choice((1, 1, 2))
    await reader.post(here.runs, here.request(job, f"call {calls}", here.cast.caller))
    if reader.status == "requires_action":
        outputs = await _do_functions(here, job, reader.run)
        await reader.post(f"{reader.run}/submit_tool_outputs", outputs)
    return _id(reader)


async def call_polled(here: Conversation, job: str) -> str:
    """The same without a stream."""
    body = here.request(job, "call 1", here.cast.caller)
    run = await _polled(here, job, await here.client.post(here.runs, body, job))
    if run["status"] == "requires_action":
        path = f"{here.runs}/{run['id']}"
        outputs = await _do_functions(here, job, path)
        run = await here.client.post(f"{path}/submit_tool_outputs", outputs, job)
        run = await _polled(here, job, run)
    return str(run["id"])


async def _do_functions(here: Conversation, job: str, path: str) -> Json:
    run = await here.client.get(path, job)
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = [{"tool_call_id": one["id"], "output": uuid4().hex} for one in calls]
    for one in outputs:
        done = dict(run=run["id"], call=one["tool_call_id"], output=one["output"])
        here.client.history.note("function", job=job, **done)
    return {"tool_outputs": outputs}


async def leave(here: Conversation, job: str) -> str:
    """A run whose client never brings the outputs, and one that waits behind it for ever."""
    reader = here.reader(job)
    await reader.post(here.runs, here.request(job, "call 1", here.cast.caller))
    if reader.status != "requires_action":
        return _id(reader)
    behind = f"{job}-b"
    body = here.request(behind, "speak 5")
    await here.client.post(here.runs, body, behind, **ENQUEUE)
    here.is_locked = True
    return _id(reader)


async def search(here: Conversation, job: str) -> str:
    """A run in which a hosted tool works."""
    return await _streamed(here, job, "search", here.cast.searcher)


async def compute(here: Conversation, job: str) -> str:
    """A run whose model has a cell run, long enough to be come upon."""
    return await _streamed(here, job, f"compute {here.rng.randint(2, 40)}", here.cast.coder)


async def moody(here: Conversation, job: str) -> str:
    """A run whose model says something else whenever it is asked again."""
    return await _streamed(here, job, f"moody {here.length()}")


async def stumble(here: Conversation, job: str) -> str:
    """A run whose model refuses: for the moment, or for good."""
    return await _streamed(here, job, f"stumble {here.rng.choice((429, 503, 500, 400))}")


async def break_(here: Conversation, job: str) -> str:
    """A run whose model breaks off in the middle."""
    return await _streamed(here, job, f"break {here.length()}")


async def expire(here: Conversation, job: str) -> str:
    """A run that is not done in the time that it has (RUN-19)."""
    life = {"Understudy-Expires-After": str(SHORT_LIFE_SECONDS)}
    return await _streamed(here, job, "hang 9", **life)


async def cancel(here: Conversation, job: str) -> str:
    """A run that is cancelled when the model has said something (RUN-17)."""
    reader = here.reader(job)

    async def cancel() -> None:
        try:
            await here.client.post(f"{reader.run}/cancel", {}, job)
        except Refused:
            return  # it was over before: the checker looks whether that is true

    reader.on_event = _at_first_delta(cancel)
    order = here.rng.choice((f"speak {here.length()}", "hang 9"))
    await reader.post(here.runs, here.request(job, order))
    return _id(reader)


def _at_first_delta(do: Callable[[], Awaitable[None]]) -> Callable[[Event], Awaitable[None]]:
    done: list[Event] = []

    async def look(event: Event) -> None:
        if event.name == "thread.message.delta" and not done:
            done.append(event)
            await do()

    return look


async def enqueue(here: Conversation, job: str) -> str:
    """A run that waits for the one before it, and brings a message of its own."""
    return await _followed_by(here, job, f"speak {here.length()}", ENQUEUE)


async def interrupt(here: Conversation, job: str) -> str:
    """A run that cancels the one before it, whose model would never end."""
    return await _followed_by(here, job, "hang 9", INTERRUPT)


async def _followed_by(here: Conversation, job: str, order: str, headers: Mapping[str, str]) -> str:
    later, second = f"{job}-b", ""
    first, follower = here.reader(job), here.reader(later)

    async def create() -> None:
        nonlocal second
        body = here.request(later, f"speak {here.length()}")
        second = (await here.client.post(here.runs, body, later, **headers))["id"]

    first.on_event = _at_first_delta(create)
    await first.post(here.runs, here.request(job, order))
    if second:
        await follower.follow(f"{here.runs}/{second}")
    return _id(first)


async def ingest(here: Conversation, job: str) -> str:
    """A vector store whose file has to be read, cut into passages and embedded."""
    file_id = await here.client.upload("told.txt", document(job), job)
    body = {"file_ids": [file_id], "metadata": {"job": job}}
    store = await here.client.post("/v1/vector_stores", body, job)
    here.stores[store["id"]] = file_id
    async with asyncio.timeout(here.client.patience_seconds):
        while store["status"] == "in_progress":
            await asyncio.sleep(POLL_SECONDS)
            store = await here.client.get(f"/v1/vector_stores/{store['id']}", job)
    return ""


def document(about: str) -> str:
    """Return a text of several passages."""
    words = (
        f"{about} number {n} needs oil every {n} weeks, and not one day less." for n in range(99)
    )
    return "\n\n".join(words)


# Each with how often it is done, compared with the others.
JOBS: Mapping[str, tuple[Job, int]] = {
    "speak": (speak, 6),
    "poll": (poll, 3),
    "wait": (wait, 2),
    "whole": (whole, 2),
    "call": (call, 5),
    "call_polled": (call_polled, 2),
    "search": (search, 4),
    "compute": (compute, 4),
    "enqueue": (enqueue, 3),
    "interrupt": (interrupt, 2),
    "cancel": (cancel, 3),
    "moody": (moody, 3),
    "stumble": (stumble, 2),
    "break": (break_, 1),
    "expire": (expire, 1),
    "leave": (leave, 1),
    "ingest": (ingest, 2),
}


def draw(rng: Random) -> tuple[str, Job]:
    """Return a job at random."""
    kinds: Sequence[str] = list(JOBS)
    (kind,) = rng.choices(kinds, [JOBS[one][1] for one in kinds])
    return kind, JOBS[kind][0]
