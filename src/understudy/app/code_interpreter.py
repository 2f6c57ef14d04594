"""Opens the code interpreter, with a runner of our own or with others'."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from understudy.operations.ports import Ports
from understudy.sandbox.client import Sandbox
from understudy.sandbox.own_runner import is_installed, make_socket_folder, own_runner
from understudy.sandbox.refusal import Refusal
from understudy.settings import Settings
from understudy.tools.base import HostedTool
from understudy.tools.code_interpreter import CodeInterpreter, unavailable
from understudy.tools.refused import Refused


@asynccontextmanager
async def code_interpreter(ports: Ports) -> AsyncIterator[HostedTool]:
    """Hold the tool while its runner is up; where there is none, the tool refuses."""
    settings = ports.settings
    if settings.sandbox == "off":
        yield Refused("code_interpreter", "The code interpreter is off on this server.")
    elif settings.sandbox == "remote":
        secret = settings.sandbox_secret.get_secret_value() if settings.sandbox_secret else ""
        yield _with_runners(ports, Sandbox(settings.sandbox_runners, secret))
    elif not is_installed(settings.kernels_folder):
        refusal = Refusal("environment", errno.ENOENT, str(settings.kernels_folder))
        yield Refused("code_interpreter", unavailable(refusal))
    elif (trouble := _socket_trouble(settings)) is not None:
        yield Refused("code_interpreter", unavailable(trouble))
    else:
        options = settings.sandbox_options
        async with own_runner(
            settings.data_dir, settings.kernels_folder.absolute(), options
        ) as sandbox:
            yield _with_runners(ports, sandbox)


def _socket_trouble(settings: Settings) -> str | None:
    """Return why our own runner cannot listen; a server without it is still a server."""
    try:
        make_socket_folder(settings.data_dir)
    except OSError as error:
        return str(error)
    return None


def _with_runners(ports: Ports, sandbox: Sandbox) -> CodeInterpreter:
    return CodeInterpreter(sandbox, ports.storage, ports.files, ports.clock, ports.settings)
