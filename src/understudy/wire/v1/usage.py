"""Token counts in v1."""

from msgspec import Struct

from understudy.wire.objects.usage import Usage


class UsageV1(Struct, frozen=True, kw_only=True):
    """Tokens of a step or a run, without details (RUN-05)."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


def usage(newer: Usage | None) -> UsageV1 | None:
    """Return the three counts, or None while there are none (RUN-36)."""
    if newer is None:
        return None
    return UsageV1(
        prompt_tokens=newer.prompt_tokens,
        completion_tokens=newer.completion_tokens,
        total_tokens=newer.total_tokens,
    )
