"""Ends a session that uses too much memory, where no cgroup does."""

import asyncio
import os
from collections.abc import Callable

from understudy.sandbox.process_tree import descendants, process_id, proportional_bytes

INTERVAL_SECONDS = 0.1


async def watch_memory(init: int, data: int, bytes_max: int, exceeded: Callable[[], None]) -> None:
    """Look at the processes and files of a session until it has more than its share.

    ``init`` is the pidfd of its process 1 and ``data`` a folder on its one tmpfs.
    """
    process = process_id(init)
    while True:
        await asyncio.sleep(INTERVAL_SECONDS)
        used = await asyncio.to_thread(_used, process, data)
        if used > bytes_max:
            exceeded()
            return


def _used(process: int, data: int) -> int:
    disk = os.fstatvfs(data)
    files = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    return proportional_bytes(descendants(process)) + files
