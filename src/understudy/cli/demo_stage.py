"""Where the demo's scenes play: what is sent to the server is shown, and what comes back."""

import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.style import Style
from rich.text import Text

from understudy.cli.demo_client import DemoClient, StreamEvent
from understudy.cli.demo_failed import DemoFailed

_ID_IN_PATH = re.compile(r"\b(thread|run|msg|vs|file)[_-][A-Za-z0-9]{22,}")


class Stage:
    """Sends requests and prints them; every method raises DemoFailed when one is refused."""

    def __init__(self, console: Console, client: DemoClient) -> None:
        self.client = client
        self._console = console

    def heading(self, text: str) -> None:
        """Begin a scene."""
        self._console.print(f"\n[bold]{text}[/bold]")

    def print(self, text: str) -> None:
        """Print lines with rich's markup."""
        self._console.print(text)

    def print_plain(self, text: str) -> None:
        """Print text that somebody else wrote."""
        self._console.print(text, markup=False)

    def print_link(self, url: str) -> None:
        """Print an address, which a terminal opens when it is clicked."""
        self._console.print("  ", Text(url, Style(link=url)), sep="")

    def print_request(self, method: str, path: str, rest: str) -> None:
        """Print a request with what is worth knowing about it."""
        shown = _ID_IN_PATH.sub(r"{\1_id}", path)
        self._console.print(f"  [bold]{method}[/bold] {shown}  [dim]{rest}[/dim]")

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create an object, show its id, and return it."""
        made: dict[str, Any] = self.client.post(path, body)
        self.print_request("POST", path, made["id"])
        return made

    def say(self, thread_id: str, text: str) -> None:
        """Write a message of the user into the thread."""
        self.create(f"/v1/threads/{thread_id}/messages", {"role": "user", "content": text})
        self.print(f"  [green]{escape(text)}[/green]")

    def show_stream(self, path: str, body: dict[str, Any]) -> StreamEvent:
        """Show a run as it happens, and return its last event."""
        self.print_request("POST", path, "with stream: true")
        return self._show_events(self.client.stream(path, {**body, "stream": True}))

    def stream(self, path: str, body: dict[str, Any]) -> None:
        """Show a run as it happens. Raises DemoFailed unless it is completed."""
        last = self.show_stream(path, body)
        if last.name != "thread.run.completed":
            raise DemoFailed(f"a run ended with {last.name} instead of thread.run.completed.")

    def _show_events(self, events: Iterable[StreamEvent]) -> StreamEvent:
        """Print the events, text as it comes, and return the last one."""
        last = StreamEvent("nothing", {})
        for event in events:
            if event.name == "thread.message.delta":
                self._show_text(event, starts=last.name != event.name)
            else:
                self._end_text(last)
                self.print(f"  [dim]{event.name}[/dim]")
            last = event
        self._end_text(last)
        return last

    def _show_text(self, event: StreamEvent, *, starts: bool) -> None:
        text = "".join(map(_shown, event.data["delta"]["content"]))
        if starts:
            self._console.print(f"  [dim]{event.name}[/dim]  ", end="")
        self._console.print(text, end="", markup=False, style="green")

    def _end_text(self, last: StreamEvent) -> None:
        if last.name == "thread.message.delta":
            self._console.print()


def _shown(part: dict[str, Any]) -> str:
    """Return what a piece of a message's content shows: its text, or that there is an image."""
    if part["type"] == "image_file":
        return f"[image {part['image_file']['file_id']}]\n"
    text: str = part["text"].get("value", "")
    return text
