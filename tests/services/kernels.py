"""The kernels' environments, each built once and kept in the cache."""

import fcntl
import os
from pathlib import Path
from typing import Literal

from understudy.sandbox.install import install

CACHE = Path(__file__).parents[2] / ".cache" / "kernels"


def kernels(size: Literal["minimal", "full"]) -> Path:
    """Return where the environment is; the first who asks builds it, and others wait."""
    named = os.environ.get(f"UNDERSTUDY_KERNELS_{size.upper()}")
    if named:
        return Path(named)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{size}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return install(CACHE / size, size)
