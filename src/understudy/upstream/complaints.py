"""What model servers say when they refuse, in the several shapes that they say it."""

from typing import Any

import msgspec

LENGTH_MAX = 300

_RATE_LIMITED = frozenset({"429", "rate_limit_exceeded", "rate_limit_error", "insufficient_quota"})
# An empty account stays empty: these come with 429 but are not worth another try.
_OUT_OF_MONEY = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
)


class Complaint(msgspec.Struct, frozen=True):
    """A refusal in the server's words, with the codes that it gave."""

    message: str
    codes: frozenset[str] = frozenset()

    @property
    def rate_limited(self) -> bool:
        """Whether the server says that it had too many requests, or too many unpaid ones."""
        return bool(self.codes & (_RATE_LIMITED | _OUT_OF_MONEY))

    @property
    def out_of_money(self) -> bool:
        """Whether the same request will be refused until somebody pays."""
        return bool(self.codes & _OUT_OF_MONEY)


def shorten(text: str) -> str:
    """Return the text on one line, cut to a readable length."""
    line = " ".join(text.split())
    return line if len(line) <= LENGTH_MAX else line[: LENGTH_MAX - 1] + "…"


def from_error(error: object) -> Complaint:
    """Read the value of an ``error`` field: an object or plain text."""
    if isinstance(error, dict):
        codes = frozenset(str(error[key]) for key in ("type", "code") if error.get(key))
        return Complaint(shorten(_words(error.get("message") or error)), codes)
    return Complaint(shorten(_words(error)))


def from_body(body: bytes) -> Complaint:
    """Read the body of a refusal: OpenAI's envelope, FastAPI's ``detail``, HTML or anything."""
    try:
        decoded: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Complaint(shorten(body.decode("utf-8", "replace")))
    if not isinstance(decoded, dict):
        return Complaint(shorten(_words(decoded)))
    error = decoded.get("error")
    if isinstance(error, dict):
        return from_error(error)
    return from_error(
        {**decoded, "message": error or decoded.get("message", decoded.get("detail"))}
    )


def _words(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
