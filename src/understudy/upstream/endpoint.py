"""The address of a model endpoint, checked once and shown without secrets."""

from yarl import URL

from understudy.errors import Misconfigured


class Endpoint:
    """A base URL such as ``http://127.0.0.1:11434/v1``; a query in it goes with every request."""

    def __init__(self, name: str, base_url: str) -> None:
        self._base = _parsed(name, base_url)

    def __str__(self) -> str:
        """Return the URL without user, password and query."""
        return str(self._base.with_user(None).with_query(None)).rstrip("/")

    def url(self, path: str) -> URL:
        """Return the URL of a route below the base."""
        return self._base.with_path(
            f"{self._base.path.rstrip('/')}/{path}", keep_query=True, keep_fragment=False
        )


def _parsed(name: str, base_url: str) -> URL:
    try:
        url = URL(base_url.strip())
    except ValueError as error:
        raise _wrong(name, str(error)) from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise _wrong(name, "it has to begin with http:// or https:// and name a host")
    return url


def _wrong(name: str, reason: str) -> Misconfigured:
    return Misconfigured(
        f"The base URL of upstream '{name}' cannot be used: {reason}. "
        "Set it to an OpenAI-compatible endpoint, such as http://127.0.0.1:11434/v1."
    )
