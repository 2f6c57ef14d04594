"""Opens the code interpreter, with a runner of our own or with others'."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from understudy.operations.ports import Ports
from understudy.sandbox.client import Sandbox
from understudy.sandbox.own_runner import (
    is_installed,
    make_socket_folder,
    own_runner,
    own_sandbox,
)
from understudy.sandbox.refusal import Refusal
from understudy.settings import Settings
from understudy.tools.base import HostedTool
from understudy.tools.code_interpreter import CodeInterpreter, unavailable
from understudy.tools.refused import Refused

log = structlog.get_logger("understudy")


@asynccontextmanager
async def code_interpreter(ports: Ports) -> AsyncIterator[HostedTool]:
    """Hold the tool while its runner is up; where there is none, the tool refuses."""
    settings = ports.settings
    if settings.sandbox == "off":
        yield Refused("code_interpreter", "The code interpreter is off on this server.")
    elif settings.sandbox == "remote":
        async with _with_runners(ports, sandbox_of(settings)) as tool:
            yield tool
    elif not is_installed(settings.kernels_folder):
        refusal = Refusal("environment", errno.ENOENT, str(settings.kernels_folder))
        yield Refused("code_interpreter", unavailable(refusal))
    elif (trouble := _socket_trouble(settings)) is not None:
        yield Refused("code_interpreter", unavailable(trouble))
    else:
        options = settings.sandbox_options
        async with (
            own_runner(settings.data_dir, settings.kernels_folder.absolute(), options) as sandbox,
            _with_runners(ports, sandbox) as tool,
        ):
            yield tool


def sandbox_of(settings: Settings) -> Sandbox:
    """Return the way to the runners that the settings name, whether or not they run."""
    if settings.sandbox == "own":
        return own_sandbox(settings.data_dir)
    secret = settings.sandbox_secret.get_secret_value() if settings.sandbox_secret else ""
    return Sandbox(settings.sandbox_runners, secret)


def _socket_trouble(settings: Settings) -> Refusal | None:
    """Return why our own runner cannot listen; a server without it is still a server."""
    try:
        make_socket_folder(settings.data_dir)
    except OSError as error:
        log.warning("sandbox_cannot_listen", reason=str(error))
        return Refusal("socket", error.errno or 0)
    return None


@asynccontextmanager
async def _with_runners(ports: Ports, sandbox: Sandbox) -> AsyncIterator[CodeInterpreter]:
    tool = CodeInterpreter(sandbox, ports.storage, ports.files, ports.clock, ports.settings)
    following = asyncio.create_task(tool.deletions.follow_for_ever(), name="sandbox deletions")
    try:
        yield tool
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
