"""Names of stream events in v1."""


def event_name(name: str) -> str:
    """Return the name that a client of v1 knows: to it, an incomplete run is completed (RUN-1E)."""
    return "thread.run.completed" if name == "thread.run.incomplete" else name
