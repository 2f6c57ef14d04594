"""A look at this host: a runner that tests itself, says how it went, and ends."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from understudy.sandbox.local_runner import harmless_environment

PROBE_SECONDS_MAX = 90.0


class CannotProbe(Exception):
    """The runner said nothing; the message says what it ended with."""


async def probe(environment: Path, options: Sequence[str] = ()) -> dict[str, Any]:
    """Return a runner's report of this host, refusal included. Raises CannotProbe."""
    arguments = ("--environment", str(environment), *options, "--probe")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "understudy.sandbox", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=harmless_environment(),
    )
    try:
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            said, complaint = await process.communicate()
    except TimeoutError as late:
        process.kill()
        await process.wait()
        raise CannotProbe(f"the runner took more than {PROBE_SECONDS_MAX:.0f} s") from late
    try:
        report: dict[str, Any] = json.loads(said)
    except ValueError as error:
        last = complaint.decode(errors="replace").strip().splitlines()[-1:]
        raise CannotProbe(last[0] if last else f"it ended with {process.returncode}") from error
    return report
