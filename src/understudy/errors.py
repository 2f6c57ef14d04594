"""What can go wrong, as values that know nothing of HTTP but a hint.

UnderstudyError
├── Refusal                 a request that is answered with the OpenAI error envelope (ERR-01)
│   ├── InvalidRequest      400: bad input, or a state that does not allow the request
│   ├── NotFound            404: an id that this project does not have
│   ├── Unauthenticated     401
│   └── Unavailable         503: a part of the server is down, try again
│       └── IndexUnreadable ... the passages of a vector store; a restart makes them anew
├── AlreadyAnswered         an Idempotency-Key that has been used with the same request
├── NotAllowed              a happening that the run's state does not admit (runs/machine.py)
├── UpstreamError           a language model endpoint refused, broke off or could not be reached
│   └── UpstreamBusy        ... with 429 or 503 before the first byte: worth trying again
└── Misconfigured           settings that cannot work; the message says how to mend them
"""


class UnderstudyError(Exception):
    """Every error that this package raises on purpose."""


class Refusal(UnderstudyError):
    """A request that is refused, with everything the error envelope shows (ERR-01)."""

    status_hint = 400
    type = "invalid_request_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class InvalidRequest(Refusal):
    """400: the input, or the state that it meets, does not allow the request."""


class NotFound(Refusal):
    """404: the object does not exist, or belongs to another project."""

    status_hint = 404


class Unauthenticated(Refusal):
    """401: no key, or a wrong one (AUTH-01, AUTH-02)."""

    status_hint = 401


class Unavailable(Refusal):
    """503: a part of the server cannot work just now; nothing was written."""

    status_hint = 503
    type = "server_error"


class IndexUnreadable(Unavailable):
    """503: the passages of a vector store cannot be read; the rows are not concerned."""


class AlreadyAnswered(UnderstudyError):
    """The Idempotency-Key was used before; the first answer is in storage."""


class NotAllowed(UnderstudyError):
    """The run's state does not admit this happening."""


class UpstreamError(UnderstudyError):
    """A language model endpoint refused the request, broke off or could not be reached."""

    def __init__(self, message: str, *, rate_limited: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.rate_limited = rate_limited


class UpstreamBusy(UpstreamError):
    """429 or 503 before the first byte: the same request may succeed later.

    ``retry_after_seconds`` is what the endpoint asked for, if it did.
    """

    def __init__(
        self, message: str, *, rate_limited: bool, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, rate_limited=rate_limited)
        self.retry_after_seconds = retry_after_seconds


class Misconfigured(UnderstudyError):
    """The settings cannot work; the message names the setting and the remedy."""
