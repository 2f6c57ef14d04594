"""The probe: a canary cell and seven attacks, run in a session that is thrown away."""

import errno

from understudy.sandbox.cell import CellEnd
from understudy.sandbox.frames import Kind
from understudy.sandbox.inside.plan import Isolation
from understudy.sandbox.live_session import LiveSession
from understudy.sandbox.refusal import CannotIsolate, Refusal

CANARY = "import numpy; print(int(numpy.arange(7).sum()))"
CANARY_SAYS = "21\n"
ATTACKS = r"""
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)

def attacks():
    yield "network", lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    yield "vsock", lambda: socket.socket(40, socket.SOCK_STREAM)
    yield "host files", lambda: os.listdir("/sys/kernel")
    yield "shadow", lambda: open("/etc/shadow")
    yield "mount", lambda: must(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
    yield "user namespace", lambda: must(libc.unshare(0x10000000))
    yield "signal to the init", lambda: stopped(os.kill(1, 9))

def must(result):
    if result:
        raise OSError(ctypes.get_errno(), "refused")

def stopped(_):
    raise OSError(1, "still here")

for name, attack in attacks():
    try:
        attack()
    except OSError:
        continue
    print(name)
print("over")
"""
ATTACKS_SAY = "over\n"


async def self_test(session: LiveSession, isolation: Isolation) -> None:
    """Run both. Raises CannotIsolate when an answer is wrong."""
    said = await _say(session, CANARY)
    if said != CANARY_SAYS:
        raise CannotIsolate(Refusal("canary", 0, said[:500]))
    if isolation == "namespaces":
        said = await _say(session, ATTACKS)
        if said != ATTACKS_SAY:
            raise CannotIsolate(Refusal("attack", 0, said[:500]))


async def _say(session: LiveSession, code: str) -> str:
    said = bytearray()
    async for item in session.run(code):
        if isinstance(item, CellEnd):
            if item.reason == "time":
                raise CannotIsolate(Refusal("canary", errno.ETIMEDOUT))
            if item.status != "done":
                said += f"the cell {item.status} {item.reason}".encode()
        elif item[0] in {Kind.STDOUT, Kind.STDERR, Kind.TRACEBACK}:
            said += item[1]
    return said.decode()
