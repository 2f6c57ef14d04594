"""The machine and the versions that a result belongs to."""

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from bench.cost import cpu_seconds

_PACKAGES = (
    "understudy",
    "aiohttp",
    "asyncpg",
    "msgspec",
    "nats-py",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
)


def describe() -> dict[str, str | int | float]:
    """Return the facts without which figures mean nothing."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "revision": _revision(),
        **{name: _version(name) for name in _PACKAGES},
    }


class Others:
    """Watches how busy the machine is with what is not the bench, which spoils figures."""

    def __init__(self, model_pid: int) -> None:
        self._model_pid = model_pid
        self._started = time.monotonic()
        self._busy, self._ours = busy_seconds(), self._our_seconds()

    def _our_seconds(self) -> float:
        """Return the CPU seconds of this process, of the model, and of children that ended."""
        own = os.times()
        ended = own.children_user + own.children_system
        return own.user + own.system + ended + cpu_seconds(self._model_pid)

    def percent(self) -> float:
        """Return the share of one core that others used since the watch began."""
        others = busy_seconds() - self._busy - (self._our_seconds() - self._ours)
        return max(0.0, 100 * others / (time.monotonic() - self._started))


def busy_seconds() -> float:
    """Return the CPU seconds that all cores together have been busy since the machine began."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times[:8]) - idle)


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
