"""Attacks R1 to R21: no session takes more than its share of the machine, or outlives its end."""

import asyncio
import os
from pathlib import Path

import pytest

from understudy.sandbox.inside import libc
from understudy.sandbox.outputs import CellEnded

from .attempts import ATTEMPTS, assert_stopped
from .station import CONTAINED_BYTES, MIB, Station, Transcript, eventually, run

FREEZING_SECONDS_MAX = 10.0  # whoever is never frozen spins through all of it
OVER = {"failed", "interrupted", "died"}


def assert_nothing_open(transcript: Transcript) -> None:
    assert "OPEN" not in transcript.of("stdout"), transcript


async def gone(small: Station, before: set[int]) -> None:
    """Wait until only those are left who were there before, and the reserve."""
    await eventually(
        lambda: len(set(small.processes()) - before) <= 2 * 2, "processes of the attack are left"
    )


async def test_r1_a_fork_bomb_stays_in_its_session(small: Station) -> None:
    before = set(small.processes())
    transcript = await small.run(
        """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
    )
    assert transcript.end.status in OVER
    await gone(small, before)
    await small.check_well()


async def test_r2_a_thread_bomb_stays_in_its_session(small: Station) -> None:
    transcript = await small.run(
        """
import threading, time
started = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        started += 1
except RuntimeError:
    print("over" if started < 200 else "OPEN")
"""
    )
    assert_stopped(transcript)
    await small.check_well()


async def test_r3_memory_of_one_process_is_bounded(small: Station) -> None:
    transcript = await small.run(
        """
held = []
while True:
    held.append(b"x" * (8 << 20))
    if len(held) * 8 > 300:
        print("OPEN")
"""
    )
    assert_nothing_open(transcript)
    assert transcript.end.status in OVER
    await small.check_well()


CHILDREN = """
import mmap, os, time
for _ in range(12):
    if os.fork() == 0:
        held = []
        while True:
            piece = mmap.mmap(-1, 8 << 20, flags=mmap.{flags})
            for at in range(0, 8 << 20, 4096):
                piece[at] = 1
            held.append(piece)
time.sleep(1000)
"""


LATE = """
import os, signal, time
held = []
def grow(*_):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.fork(), os.fork()
    while True:
        try:
            held.append(b"x" * (8 << 20))
        except MemoryError:
            pass  # all that one process may have: together they have more
        time.sleep(0.1)
signal.signal(signal.SIGINT, grow)
print("on", flush=True)
while True:
    time.sleep(0.01)
"""


async def test_r3_memory_is_bounded_when_nobody_listens_any_more(small: Station) -> None:
    """Processes grow when their holder has gone away, together beyond what they may have."""
    session, _ = await small.sandbox.acquire("left")
    outputs = session.run(LATE)
    await asyncio.wait_for(anext(outputs), 20)
    await outputs.aclose()
    session, fresh = await small.sandbox.acquire("left")
    assert not fresh
    died = await run(session, "1")
    assert died.end == CellEnded("died", "memory"), died
    await session.end()
    await small.check_well()


@pytest.mark.parametrize("flags", ["MAP_PRIVATE | mmap.MAP_ANONYMOUS", "MAP_SHARED"])
async def test_r4_memory_of_many_processes_is_bounded(small: Station, flags: str) -> None:
    before = set(small.processes())
    transcript = await small.run(CHILDREN.format(flags=flags))
    assert transcript.end.status in OVER
    await gone(small, before)
    await small.check_well()


async def test_r5_memory_that_no_process_has_mapped_is_bounded(small: Station) -> None:
    transcript = await small.run(
        """
import os
held, written = [], 0
try:
    while written < 2 << 30:
        file = os.memfd_create("hoard")
        held.append(file)
        for _ in range(16):
            written += os.write(file, bytes(1 << 20))
    print("OPEN")
except (OSError, MemoryError):
    print("stopped")
"""
    )
    assert_nothing_open(transcript)
    await small.check_well()


async def test_r6_r7_disk_and_inodes_are_bounded_in_all_folders_together(small: Station) -> None:
    transcript = await small.run(
        """
import os
written = 0
for folder in ("/mnt/data", "/tmp", "/home/sandbox", "/dev/shm"):
    try:
        with open(folder + "/big", "wb", 0) as file:
            while written < 1 << 30:
                written += file.write(bytes(1 << 20))
    except OSError:
        pass
print("OPEN" if written > 80 << 20 else "full")
for folder in ("/mnt/data", "/tmp", "/home/sandbox", "/dev/shm"):
    try:
        os.unlink(folder + "/big")
    except OSError:
        pass
made = 0
for folder in ("/mnt/data", "/tmp", "/dev/shm"):
    try:
        while made < 100_000:
            os.close(os.open(f"{folder}/{made}", os.O_CREAT))
            made += 1
    except OSError:
        pass
print("OPEN" if made > 25_000 else "full")
"""
    )
    assert transcript.text == "full\nfull\n", transcript
    await small.check_well()


async def test_r8_no_giant_sparse_file(small: Station) -> None:
    transcript = await small.run(
        ATTEMPTS
        + """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
attempt("truncate", lambda: os.truncate(os.open("/tmp/s", os.O_CREAT | os.O_RDWR), 1 << 40))
attempt("seek", lambda: os.pwrite(os.open("/tmp/s", os.O_CREAT | os.O_RDWR), b"x", 1 << 40))
over()
"""
    )
    assert_stopped(transcript)


ENDLESS = {
    "r9 loop": ("while True: pass", "interrupted"),
    "r10 deaf to SIGINT": (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        "died",
    ),
    "r10 catches all": (
        "while True:\n  try:\n    while True: pass\n  except BaseException: pass",
        "died interrupted",
    ),
    "r11 in C": ("x = 7 ** (3 ** 20); y = x * x * x * x", "died interrupted done"),
    # Without cgroups sessions are frozen by signals, too: the thaw may be what wakes it up.
    "r12 stops itself": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "died done"),
    "r17 sleeps": ("import time; time.sleep(1e9)", "interrupted"),
    "r17 in a thread": (
        (
            "import threading as t, time; t.Thread(target=max, args=[iter(int, 1)]).start()\n"
            "time.sleep(1e9)"
        ),
        "died interrupted",
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_r9_to_r12_and_r17_no_cell_runs_past_its_time(small: Station, name: str) -> None:
    code, ends = ENDLESS[name]
    async with small.session() as session:
        transcript = await run(session, code)
    assert transcript.end.status in ends.split(), transcript
    if transcript.end.status != "done":
        assert transcript.end.reason == "time"
    await small.check_well()


FLOODS = {
    "r13 lines": "while True: print('y' * 1000)",
    "r14 one line": "import sys\nwhile True: sys.stdout.write('x' * (1 << 20))",
    "r14 stderr": "import os\nwhile True: os.write(2, b'x' * (1 << 20))",
    "r15 a program": "import subprocess; subprocess.run(['yes'])",
    "r15 a deaf program": (
        "import subprocess, signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "subprocess.run(['yes'])"
    ),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_r13_to_r15_floods_of_output_cost_the_host_nothing(small: Station, name: str) -> None:
    before = small.resident_bytes
    transcript = await small.run(FLOODS[name])
    assert len(transcript.text) <= 300 * 1024
    assert transcript.end.status in OVER
    assert transcript.end.truncated
    assert small.resident_bytes - before < 32 * MIB
    await small.check_well()


async def test_r16_a_daemon_ends_with_its_session(small: Station) -> None:
    before = set(small.processes())
    transcript = await small.run(
        """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        os.closerange(0, 100)
        time.sleep(1e6)
    os._exit(0)
os.wait()
print("over")
"""
    )
    assert_stopped(transcript)
    await gone(small, before)


async def test_r18_socket_and_pipe_buffers_are_bounded(small: Station) -> None:
    before = small.resident_bytes
    transcript = await small.run(
        """
import os, socket
held, filled = [], 0
try:
    while filled < 1 << 30:
        pair = socket.socketpair()
        held.append(pair)
        pair[0].setblocking(False)
        try:
            while True:
                filled += pair[0].send(bytes(1 << 16))
        except BlockingIOError:
            pass
except (OSError, MemoryError):
    pass
print("OPEN" if filled > 256 << 20 else "over")
"""
    )
    assert "OPEN" not in transcript.text
    assert small.resident_bytes - before < 32 * MIB
    await small.check_well()


async def test_r19_timers_and_pending_signals_are_bounded(small: Station) -> None:
    number = 222 if libc.ARCHITECTURE == "x86_64" else 107
    transcript = await small.run(
        ATTEMPTS
        + f"""
import signal, struct
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
attempt("timer", lambda: call({number}, 0, 0, bytes(8)))
queued = 0
try:
    while queued < 100_000:
        call(129, os.getpid(), signal.SIGRTMIN, struct.pack("=iii116x", 34, 0, -1))
        queued += 1
except OSError:
    pass
print("OPEN" if queued > 300 else "over")
"""
    )
    assert_stopped(transcript)


async def test_r20_endless_recursion_harms_only_itself(small: Station) -> None:
    transcript = await small.run("import sys; sys.setrecursionlimit(10**9)\ndef f(): f()\nf()")
    assert transcript.end.status in OVER
    await small.check_well()


async def test_r21_nothing_runs_between_cells(small: Station) -> None:
    async with small.session() as session:
        before = set(small.processes())
        transcript = await run(
            session,
            """
import os, signal, threading
def spin():
    while True: pass
threading.Thread(target=spin, daemon=True).start()
if os.fork() == 0:
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getppid(), signal.SIGCONT))
    while True: os.kill(os.getpid(), signal.SIGCONT)
""",
        )
        assert transcript.end.status == "done"
        spinning = [one for one in small.processes() if one in before or _ticks(one)]
        async with asyncio.timeout(FREEZING_SECONDS_MAX):
            while await _ticks_in_half_a_second(spinning) > 2:
                pass  # some are on their way into the freezer, which takes longer on a busy machine
        again = await run(session, "print('awake')")
        assert "awake" in again.text


async def _ticks_in_half_a_second(processes: list[int]) -> int:
    first = {one: _ticks(one) for one in processes}
    await asyncio.sleep(0.5)
    return sum(_ticks(one) - first[one] for one in processes)


def _ticks(process: int) -> int:
    """Return the processor time that a process has used, in hundredths of a second."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def test_the_attacks_themselves_are_contained() -> None:
    """Everything above ran inside a group of this size, where cgroups were to be had."""
    assert CONTAINED_BYTES <= 1 << 30
    assert os.sysconf("SC_CLK_TCK") == 100
