"""Who is asking: Bearer, Basic with the key as password, or the api-key header of Azure."""

from base64 import b64decode

from starlette.datastructures import Headers

from understudy.errors import Unauthenticated
from understudy.operations.keys import hash_of
from understudy.storage.base import Keys
from understudy.storage.records import ApiKey

SHOWN_AT_START = 8
SHOWN_AT_END = 4
NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank "
    "username) if you're accessing the API from your browser and are prompted for a username and "
    "password. You can obtain an API key from https://platform.openai.com/account/api-keys."
)
WRONG_KEY = (
    "Incorrect API key provided: {masked}. You can find your API key at "
    "https://platform.openai.com/account/api-keys."
)


async def authenticate(keys: Keys, headers: Headers) -> ApiKey:
    """Return the key that the request bears. Raises Unauthenticated (AUTH-01 to AUTH-03)."""
    secret = secret_in(headers)
    if not secret:
        raise Unauthenticated(NO_KEY)
    key = await keys.find_key(hash_of(secret))
    if key is None or key.revoked_at is not None:
        raise Unauthenticated(WRONG_KEY.format(masked=masked(secret)), code="invalid_api_key")
    return key


def secret_in(headers: Headers) -> str | None:
    """Return the key that the headers hold, in any of the three spellings."""
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        return _password(rest.strip())
    return headers.get("api-key")


def _password(credentials: str) -> str | None:
    try:
        return b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:  # neither base64 nor text
        return None


def masked(secret: str) -> str:
    """Return the key with its middle starred out (AUTH-01); a short one wholly."""
    hidden = len(secret) - SHOWN_AT_START - SHOWN_AT_END
    if hidden <= 0:
        return "*" * len(secret)
    return f"{secret[:SHOWN_AT_START]}{'*' * hidden}{secret[-SHOWN_AT_END:]}"
