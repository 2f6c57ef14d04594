"""Turns what went wrong into the OpenAI error envelope (ERR-01)."""

from understudy.api.ask import Reply
from understudy.errors import Refusal, Unauthenticated
from understudy.wire.encoding import encode


def envelope(
    message: str, type_: str, param: str | None = None, code: str | None = None
) -> dict[str, object]:
    """Return the envelope, with all four keys always present."""
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


def refused(refusal: Refusal) -> Reply:
    """Answer a request that is refused."""
    body = envelope(refusal.message, refusal.type, refusal.param, refusal.code)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(refusal, Unauthenticated):
        headers = ((b"www-authenticate", b'Bearer realm="OpenAI API"'),)
    return Reply(body=encode(body), status=refusal.status_hint, headers=headers)


def no_such_url(method: str, path: str) -> Reply:
    """ERR-32."""
    body = envelope(f"Invalid URL ({method} {path})", "invalid_request_error")
    return Reply(body=encode(body), status=404)


def wrong_method(method: str, path: str) -> Reply:
    """ERR-33."""
    message = (
        f"Not allowed to {method} on {path}. "
        "(HINT: Perhaps you meant to use a different HTTP method?)"
    )
    body = envelope(message, "invalid_request_error")
    return Reply(body=encode(body), status=405)


def broken(request_id: str) -> Reply:
    """ERR-72: an error of ours; the log has the cause under the same request id."""
    return Reply(body=encode(broken_envelope(request_id)), status=500)


def broken_envelope(request_id: str) -> dict[str, object]:
    """Return the envelope of ERR-72."""
    message = (
        "The server had an error processing your request. Sorry about that! You can retry your "
        "request, or look for this request ID in the server's log if you keep seeing this error. "
        f"(Request ID: {request_id})"
    )
    return envelope(message, "server_error")
