"""The HTTP server: uvicorn, except that a signal ends ``serve`` and not the process.

Ours is not done then: the engine hands its runs over, and the database is put away.
"""

import asyncio
import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from understudy.operations.ports import Ports


class HttpServer(uvicorn.Server):
    """Serves an application until SIGINT or SIGTERM."""

    def __init__(self, app: ASGIApp, ports: Ports) -> None:
        config = uvicorn.Config(
            app,
            http="httptools",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=max(1, int(ports.settings.drain_seconds)),
            backlog=2048,
        )
        super().__init__(config)
        self._stopping = ports.stopping

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into a request to stop; a second SIGINT does not wait."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Let streams that can be taken up elsewhere end now; the others have time to finish."""
        self._stopping.set()
        super().handle_exit(sig, frame)


def spare_the_collector() -> None:
    """Keep what lives as long as the process out of collections, and have fewer of them.

    Requests make next to no cycles; at the usual thresholds collecting takes 2 % of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
