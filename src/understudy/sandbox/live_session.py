"""A session as the runner holds it: runs cells one at a time, freezes between them, and ends.

States go one way: started, then any number of cells, then dead. Death has one door, ``kill``, and
whoever waits for a cell learns of it there. The data folder outlives the processes until ``close``,
so that files can still be fetched from a session that died.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncGenerator

from understudy.sandbox.cell import Cell, CellEnd, Output, Reason
from understudy.sandbox.cgroups.base import SessionGroup
from understudy.sandbox.data_folder import DataFolder
from understudy.sandbox.frames import Kind, pack
from understudy.sandbox.inside.init import FREEZE, THAW
from understudy.sandbox.kernel_stream import FrameStream, TextPipe
from understudy.sandbox.limits import Limits
from understudy.sandbox.watchdog import watch_memory
from understudy.sandbox.zygote_process import Spawned


class LiveSession:
    """One kernel with all that belongs to it. Made inside a running event loop."""

    def __init__(
        self, spawned: Spawned, group: SessionGroup, limits: Limits, user: int | None, slot: int
    ) -> None:
        self.slot = slot
        self.data = DataFolder(spawned.data, user)
        self.death: Reason = ""
        self._spawned = spawned
        self._group = group
        self._limits = limits
        self._cell: Cell | None = None
        self._timers: list[asyncio.TimerHandle] = []
        # From a cell's beginning to its very end, whether or not anybody listens to it.
        self._watching: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._loop = asyncio.get_running_loop()
        self._pipes = (
            TextPipe(spawned.stdout, lambda data: self._text(Kind.STDOUT, data), self._take),
            TextPipe(spawned.stderr, lambda data: self._text(Kind.STDERR, data), self._take),
        )
        self._stream = FrameStream(
            *(spawned.stream, limits.image_bytes, self._frame, self._take),
            broken=lambda: self.kill("exit"),
        )
        self._loop.add_reader(spawned.init, self._on_ended)

    @property
    def alive(self) -> bool:
        """Say whether it can run cells."""
        return not self.death

    @property
    def busy(self) -> bool:
        """Say whether a cell is running."""
        return self._cell is not None

    async def run(self, code: str) -> AsyncGenerator[Output | CellEnd]:
        """Run a cell and yield what it makes; the last item is its end.

        Whoever stops listening early interrupts the cell.
        """
        # The cell of a holder who went away may still be on its way to its end.
        await self._idle.wait()
        if self.death:
            yield CellEnd("died", self.death)
            return
        cell = self._begin()
        try:
            sending = asyncio.ensure_future(self._send(cell, code))
            while True:
                item = await cell.next()
                yield item
                if isinstance(item, CellEnd):
                    break
        finally:
            sending.cancel()
            self._settle(cell)

    def interrupt(self, grace_seconds: float | None = None, reason: Reason = "request") -> None:
        """Interrupt the running cell; a kernel that goes on after the grace is killed."""
        if self._cell is None or self.death:
            return
        self._cell.interrupted_for = self._cell.interrupted_for or reason
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._spawned.kernel, signal.SIGINT)
        grace = self._limits.interrupt_grace_seconds if grace_seconds is None else grace_seconds
        self._timers.append(self._loop.call_later(grace, self.kill, reason))

    def kill(self, reason: Reason) -> None:
        """End all processes of the session."""
        if not self.death:
            self.death = reason
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._spawned.init, signal.SIGKILL)
            self._thaw()

    async def close(self) -> None:
        """End it and give everything back."""
        self.kill("closed")
        await self._ended.wait()
        for pipe in self._pipes:
            pipe.close()
        self._stream.close()
        self._spawned.orders.close()
        self.data.close()
        os.close(self._spawned.init)
        os.close(self._spawned.kernel)
        await asyncio.to_thread(self._group.remove)

    def freeze(self) -> None:
        """Stop everything in the session until the next cell."""
        if self.death:
            return
        if self._group.freezes:
            self._group.freeze()
        else:
            self._order(FREEZE)

    def _begin(self) -> Cell:
        assert self._cell is None, "one cell at a time"
        # What somebody left in the pipes belongs to no cell.
        self._take()
        self._idle.clear()
        self._cell = Cell(self._limits, lambda: self.interrupt(reason="output"))
        self._watching = self._watch()
        return self._cell

    async def _send(self, cell: Cell, code: str) -> None:
        self._timers.append(
            self._loop.call_later(self._limits.cell_seconds, lambda: self.interrupt(reason="time"))
        )
        self._thaw()
        with contextlib.suppress(OSError):
            await self._stream.send(pack(Kind.CELL, cell.nonce + code.encode("utf-8", "replace")))

    def _settle(self, cell: Cell) -> None:
        """Leave the cell behind; one whose listener went away is ended as well."""
        if self._cell is not cell:
            return
        if cell.over or self.death:
            self._over()
        else:
            self.interrupt()

    def _over(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._watching:
            self._watching.cancel()
        self._cell = None
        self._idle.set()
        self.freeze()

    def _take(self) -> None:
        """Take what has come, in the order in which it was written.

        A kernel sends no frame before its pipes are empty. So text that was there before the frames
        are read was written after them, and text that comes later has to wait for its turn.
        """
        waiting = [(pipe, pipe.waiting) for pipe in self._pipes]
        self._stream.take()
        for pipe, size in waiting:
            pipe.take(size)

    def _text(self, kind: Kind, data: bytes) -> None:
        if self._cell is not None:
            self._cell.text(kind, data)

    def _frame(self, kind: Kind, body: bytes) -> None:
        if self._cell is None:
            return
        if kind is Kind.DONE:
            # A kernel does not wait long for a runner that stands still: then its last words are
            # in the pipes when it is done.
            for pipe in self._pipes:
                pipe.take(pipe.waiting)
        self._cell.frame(kind, body)
        if self._cell.over:
            self._over()

    def _on_ended(self) -> None:
        """Notice the end of process 1, and with it of the session."""
        self._loop.remove_reader(self._spawned.init)
        self.death = self.death or "exit"
        if self._group.memory_ran_out():
            self.death = "memory"
        if self._cell is not None:
            cell = self._cell
            self._take()
            cell.died(self.death)
            self._over()
        self._ended.set()

    def _watch(self) -> asyncio.Task[None] | None:
        if self._group.counts_memory:
            return None
        watching = watch_memory(
            self._spawned.init,
            self.data.descriptor,
            self._limits.memory_bytes,
            lambda: self.kill("memory"),
        )
        return asyncio.create_task(watching)

    def _thaw(self) -> None:
        if self._group.freezes:
            self._group.thaw()
        else:
            self._order(THAW)

    def _order(self, order: bytes) -> None:
        with contextlib.suppress(OSError):
            self._spawned.orders.send(order)
