"""A run that has been set going by a request."""

from msgspec import Struct

from understudy.dispatch.base import Subscription
from understudy.storage.records import Row
from understudy.wire.events import EventId


class Accepted(Struct, frozen=True, kw_only=True):
    """A run that has been set going, and with ``stream`` the subscription to its events.

    ``after`` is the id behind which this request's events begin.
    """

    row: Row
    after: EventId
    subscription: Subscription | None = None
