"""What clients do while their server dies: each scenario is the same whatever happens to it."""

from collections.abc import Callable
from typing import Any

from .client import Event, StubbornClient
from .story import objects

SETUP_COMMITS = 2  # the assistant, and the thread with its message


def set_up(client: StubbornClient, text: str, **assistant: Any) -> tuple[str, dict[str, str]]:
    """Make an assistant and a thread with one message; return its path and a run's body."""
    made = client.post("/v1/assistants", {"model": "scripted", **assistant})
    thread = client.post("/v1/threads", {"messages": [{"role": "user", "content": text}]})
    return f"/v1/threads/{thread['id']}", {"assistant_id": made["id"]}


def plain(client: StubbornClient) -> Any:
    """A run whose stream is read to its end."""
    thread, body = set_up(client, "hello")
    client.stream(f"{thread}/runs", body)
    return objects(client, thread)


def function(client: StubbornClient) -> Any:
    """A run that calls a function and streams again when it has its output (RUN-12, RUN-41)."""
    thread, body = set_up(client, "call it")
    run = client.stream(f"{thread}/runs", body)
    outputs = [{"tool_call_id": "call_1", "output": "3"}]
    client.stream(f"{run}/submit_tool_outputs", {"tool_outputs": outputs})
    return objects(client, thread)


def cancel(client: StubbornClient) -> Any:
    """A run that is cancelled as soon as the model has said something (RUN-17)."""
    thread, body = set_up(client, "wait for me")

    def cancel_at_first_delta(event: Event) -> None:
        if event.name == "thread.message.delta" and not cancelled:
            cancelled.append(event)
            client.post(f"{client.run}/cancel", {})

    cancelled: list[Event] = []
    client.on_event = cancel_at_first_delta
    client.stream(f"{thread}/runs", body)
    return objects(client, thread)


def enqueue(client: StubbornClient) -> Any:
    """A run that waits for the one before it, and brings a message of its own."""
    return _two_runs(client, "slowly, please", "enqueue")


def interrupt(client: StubbornClient) -> Any:
    """A run that cancels the one before it, whose model would never end."""
    return _two_runs(client, "wait for me", "interrupt")


def _two_runs(client: StubbornClient, text: str, on_busy_thread: str) -> Any:
    thread, body = set_up(client, text)
    later = {**body, "additional_messages": [{"role": "user", "content": "and then?"}]}

    def create_at_first_delta(event: Event) -> None:
        if event.name == "thread.message.delta" and not second:
            second.append("")
            headers = {"Understudy-Busy-Thread": on_busy_thread}
            second[0] = client.post(f"{thread}/runs", later, **headers)["id"]

    second: list[str] = []
    client.on_event = create_at_first_delta
    client.stream(f"{thread}/runs", body)
    StubbornClient(client.server).follow(f"{thread}/runs/{second[0]}")
    return objects(client, thread)


# Each with its number of commits, setup aside.
SCENARIOS: dict[str, tuple[Callable[[StubbornClient], Any], int]] = {
    "plain": (plain, 4),
    "function": (function, 8),
    "cancel": (cancel, 5),
    "enqueue": (enqueue, 8),
    "interrupt": (interrupt, 8),
}
