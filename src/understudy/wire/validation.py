"""From the bytes of a request to a struct, or to the refusal that the hosted API gave."""

import json
from typing import Any, TypeVar

import msgspec

from understudy.errors import InvalidRequest
from understudy.wire.violations import first_violation

T = TypeVar("T")

_NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using"
    " your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was"
    " not valid JSON. If you have trouble figuring out how to fix this, please contact us through"
    " our help center at help.openai.com.)"
)
_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def decode(body: bytes, type_: type[T]) -> T:
    """Return the body as the type, an empty one as ``{}`` (GEN-03), or raise InvalidRequest."""
    decoder = _decoders.get(type_)
    if decoder is None:
        decoder = _decoders[type_] = msgspec.json.Decoder(type_)
    try:
        decoded: T = decoder.decode(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise _refusal(body or b"{}", type_, error) from error
    return decoded


def _refusal(body: bytes, type_: type[Any], cause: Exception) -> InvalidRequest:
    """Return the first violation; a syntax error anywhere in the body comes before it."""
    try:
        first_violation(_untyped(body), type_)
    except InvalidRequest as violation:
        return violation
    except (ValueError, RecursionError):
        # msgspec reports bad UTF-8 and endless nesting as errors of Python's own.
        return InvalidRequest(_NOT_JSON)
    return InvalidRequest(f"Invalid request body: {cause}.")


def _untyped(body: bytes) -> object:
    """Return what the JSON says; a decimal that no float can hold becomes infinite."""
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:
        return json.loads(body)
