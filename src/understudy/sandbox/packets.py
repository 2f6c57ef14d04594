"""Packets of JSON with descriptors from our own processes, before anything hostile runs."""

import asyncio
import json
import socket
from typing import Any

PACKET_BYTES_MAX = 64 << 10
DESCRIPTORS_MAX = 4


async def receive(source: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Wait for a packet; empty at the end of the stream. ``source`` does not block."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            packet, descriptors, _, _ = socket.recv_fds(source, PACKET_BYTES_MAX, DESCRIPTORS_MAX)
        except BlockingIOError:
            await _readable(loop, source)
            continue
        except ConnectionError:
            return {}, []
        return (json.loads(packet) if packet else {}), descriptors


async def _readable(loop: asyncio.AbstractEventLoop, source: socket.socket) -> None:
    ready: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(source, tell)
    try:
        await ready
    finally:
        loop.remove_reader(source)
