"""Which era a request speaks, from its OpenAI-Beta header (GEN-14, ERR-10, ERR-12)."""

from understudy.errors import InvalidRequest
from understudy.wire.era import Era

_PREFIX = "assistants="
_ERAS: dict[str, Era] = {"v1": "v1", "v2": "v2"}


def era_of(header: str | None, default: Era | None) -> Era:
    """Return the era. Raises InvalidRequest without a known one, unless there is a default."""
    wanted = _version(header) if header else None
    if wanted is None and default is not None:
        return default
    era = _ERAS.get(wanted or "")
    if era is None:
        raise InvalidRequest(
            "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try "
            "again by setting the header 'OpenAI-Beta: assistants=v2'.",
            code="invalid_beta",
        )
    return era


def _version(header: str) -> str | None:
    items = (item.strip() for item in header.split(","))
    return next((item[len(_PREFIX) :] for item in items if item.startswith(_PREFIX)), None)
