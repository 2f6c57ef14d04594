"""The event loop of the bench's own processes: the fastest one that is installed."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, on uvloop where there is one.

    Garbage collection waits until then: over the many answers that a case keeps, one full
    collection takes longer than the delays that are to be measured.
    """
    gc.disable()
    try:
        return _run(work)
    finally:
        gc.enable()


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        import uvloop  # noqa: PLC0415 -- there is none on some systems
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)
