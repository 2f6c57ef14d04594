"""How long a busy server asks us to wait."""

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from understudy.clock import Clock


def retry_after_seconds(headers: Mapping[str, str], clock: Clock) -> float | None:
    """Return the wait that the headers ask for, never negative, or None when they do not say.

    ``retry-after-ms`` is OpenAI's and Azure's finer one, and wins. ``Retry-After`` is a number of
    seconds or an HTTP date (RFC 9110, 10.2.3).
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("Retry-After")
    seconds = _number(value)
    return seconds if seconds is not None else _until(value, clock)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _until(value: str | None, clock: Clock) -> float | None:
    try:
        moment = parsedate_to_datetime(value or "").timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, moment - clock.now())
