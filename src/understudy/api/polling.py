"""When a client that polls is asked to come back (GEN-10)."""

from understudy.api.ask import Ask

POLL_FIRST_MS = 50


def poll_after(ask: Ask, since: int) -> tuple[bytes, bytes]:
    """Return the header that asks the client of young work to come back soon, others less often.

    ``since`` is when the work that the client waits for began.
    """
    age_seconds = max(0, ask.ports.now - since)
    soon = POLL_FIRST_MS * (1 + age_seconds)
    return b"openai-poll-after-ms", b"%d" % min(soon, ask.ports.settings.poll_after_ms)
