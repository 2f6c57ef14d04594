"""The names of subjects and streams, under one prefix for each installation."""

from urllib.parse import quote

from msgspec import Struct


class Subjects(Struct, frozen=True):
    """What this installation's subjects and streams are called."""

    prefix: str

    @property
    def offers_stream(self) -> str:
        """Return the name of the work queue."""
        return f"{self.prefix}-offers"

    @property
    def events_stream(self) -> str:
        """Return the name of the stream of events."""
        return f"{self.prefix}-events"

    def offers(self, project_id: str) -> str:
        """Return where a project's offers are made."""
        return f"{self.prefix}.offers.{token(project_id)}"

    def events(self, run_id: str) -> str:
        """Return where a run's events are told."""
        return f"{self.prefix}.events.{token(run_id)}"

    def taken(self, process_id: str) -> str:
        """Return where a process hears which of its offers were taken."""
        return f"{self.prefix}.taken.{process_id}"

    @property
    def interrupts(self) -> str:
        """Return where orders to look at a run are given."""
        return f"{self.prefix}.control.interrupt"

    @property
    def entries(self) -> str:
        """Return where files that wait to be ingested are announced."""
        return f"{self.prefix}.control.entries"

    @property
    def all_offers(self) -> str:
        """Return the subjects that the work queue keeps."""
        return f"{self.prefix}.offers.*"

    @property
    def all_events(self) -> str:
        """Return the subjects that the stream of events keeps."""
        return f"{self.prefix}.events.*"


def token(text: str) -> str:
    """Return the text as one token of a subject, where dots and wildcards would have a meaning."""
    return quote(text, safe="").replace(".", "%2E")
