"""How the code interpreter of a server stands: what the doctor and the banner say about it."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from understudy.app.code_interpreter import sandbox_of
from understudy.cli.finding import Finding, ok, problem, warning
from understudy.sandbox import probing
from understudy.sandbox.install import SIZES, is_current
from understudy.sandbox.own_runner import is_installed
from understudy.settings import Settings

LOOK_AGAIN_SECONDS = 0.2
START_SECONDS_MAX = 90.0
WITHOUT_IT = "Until then, runs with code_interpreter fail and say so."

State = Literal["off", "not installed", "no answer", "refused", "ready"]


class Standing(Struct, frozen=True):
    """In what state the sandbox is, more about it in words, and what to do unless it is ready."""

    state: State
    told: str = ""
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.state}: {self.told}" if self.told else self.state


async def look(settings: Settings) -> Standing:
    """Ask the runners that the server uses, its own or others', for how they are."""
    if settings.sandbox == "off":
        return Standing("off")
    if settings.sandbox == "own" and not is_installed(settings.kernels_folder):
        return Standing("not installed", mend="understudy sandbox install")
    return _of_all(await sandbox_of(settings).report())


async def wait_for_answer(settings: Settings) -> Standing:
    """Look until a runner that is starting has answered, or should have long ago."""
    end = asyncio.get_running_loop().time() + START_SECONDS_MAX
    standing = await look(settings)
    while standing.state == "no answer" and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        standing = await look(settings)
    return standing


async def check_sandbox(settings: Settings) -> Finding:
    """Look at the sandbox; where no server runs, a runner of our own tests this host."""
    standing = await look(settings)
    if standing.state == "no answer" and settings.sandbox == "own":
        standing = await _probed(settings)
    return _finding(standing, settings)


async def _probed(settings: Settings) -> Standing:
    try:
        report = await probing.probe(settings.kernels_folder.absolute(), settings.sandbox_options)
    except probing.CannotProbe as cannot:
        return Standing("refused", str(cannot), "Correct sandbox_options, or look at the log.")
    return _of(report)


def _of_all(reports: Sequence[Mapping[str, Any]]) -> Standing:
    """Return how the best of several runners stands, and how many are like it."""
    standings = [_of(report) for report in reports]
    best = next((one for one in standings if one.state == "ready"), standings[0])
    if len(standings) == 1:
        return best
    ready = sum(one.state == "ready" for one in standings)
    return Standing(best.state, f"{ready} of {len(standings)} runners; {best.told}", best.mend)


def _of(report: Mapping[str, Any]) -> Standing:
    if report["ok"]:
        return Standing("ready", f"{report['isolation']}, groups: {report['cgroups']}")
    if "refusal" not in report:
        return Standing("no answer", report["unavailable"], "Start it: understudy sandbox serve")
    return _refused(report["refusal"])


def _refused(refusal: Mapping[str, Any]) -> Standing:
    number = refusal["errno"]
    reason = f"{os.strerror(number)} (errno {number})" if number else "it failed"
    detail = f", {refusal['detail']}" if refusal["detail"] else ""
    return Standing("refused", f"stage {refusal['stage']}: {reason}{detail}", refusal["remedy"])


def _finding(standing: Standing, settings: Settings) -> Finding:
    if standing.state == "ready":
        return _ready(standing, settings)
    if standing.state == "off":
        return ok("Sandbox", "off, as the settings say")
    if standing.state == "not installed":
        return warning("Sandbox", "The code interpreter is not installed.", standing.mend)
    told = f"The code interpreter cannot run: {standing}"
    return problem("Sandbox", told, f"{standing.mend} {WITHOUT_IT}")


def _ready(standing: Standing, settings: Settings) -> Finding:
    folder = settings.kernels_folder
    if settings.sandbox == "own" and not any(is_current(folder, one) for one in SIZES):
        told = f"{standing}; its packages are those of another release"
        return warning("Sandbox", told, "understudy sandbox install")
    return ok("Sandbox", str(standing))
