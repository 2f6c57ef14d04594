"""The ways to dispatch, each real. A new adapter is one more entry here."""

from collections.abc import AsyncIterator, Callable

import pytest

from understudy.dispatch.base import Dispatch
from understudy.dispatch.in_process import InProcessDispatch

OPENERS: dict[str, Callable[[], Dispatch]] = {"in_process": InProcessDispatch}


@pytest.fixture(params=OPENERS)
async def dispatch(request: pytest.FixtureRequest) -> AsyncIterator[Dispatch]:
    """Give a dispatch that nobody uses yet."""
    opened = OPENERS[request.param]()
    try:
        yield opened
    finally:
        await opened.close()
