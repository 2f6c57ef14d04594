"""Where the server's CPU time goes: py-spy watches it, and the functions are ranked.

Only with ``--profile``; py-spy has to be installed (``pip install py-spy``) and allowed to look
into a child process. The figures of a profiled case are not to be compared with others.
"""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SAMPLES_PER_SECOND = 300
RANKS = 45
STOP_SECONDS_MAX = 30


@contextmanager
def profiled(pid: int, folder: Path, name: str = "server") -> Iterator[None]:
    """Sample the process while the block runs, then print the ranking under this name."""
    path = folder / f"profile-{pid}.raw"
    options = ["-f", "raw", "-F", "-t", "-r", str(SAMPLES_PER_SECOND), "-o", str(path)]
    spy = str(Path(sys.executable).with_name("py-spy"))
    command = [spy, "record", *options, "-p", str(pid), "--nonblocking"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS_MAX)
    print(f"\n{name}\n{ranking(path.read_text())}")


def ranking(raw: str) -> str:
    """Return the functions by their own and by their whole share of the samples."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        own[frames[-1]] += int(count)
        for frame in set(frames):
            whole[frame] += int(count)
    return f"own time\n{_ranks(own, own)}\nwith callees\n{_ranks(whole, own)}"


def _ranks(counts: Counter[str], own: Counter[str]) -> str:
    samples = max(1, sum(own.values()))
    ranked = counts.most_common(RANKS)
    return "\n".join(f"{count / samples:7.1%}  {frame}" for frame, count in ranked)
