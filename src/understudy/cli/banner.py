"""What ``understudy serve`` says when it is up."""

import asyncio

from rich.console import Console
from rich.table import Table

from understudy.cli.check_sandbox import look, wait_for_answer
from understudy.operations.ports import Ports
from understudy.settings import Settings, without_password

MODELS_SHOWN = 8
STARTING = "starting"
# The server starts whether or not endpoints and runners have answered in this time.
ANSWER_SECONDS_MAX = 0.5


async def show_banner(settings: Settings, ports: Ports, port: int, new_key: str | None) -> None:
    """Print where the server is, what it works with, and what it cannot do."""
    console = _console()
    table = Table.grid(padding=(0, 2))
    table.add_row("API", f"http://{_host(settings.host)}:{port}/v1")
    if new_key is not None:
        table.add_row("Key", f"{new_key}  (shown only now)")
    _add_places(table, settings)
    table.add_row("Models", await _models(ports))
    table.add_row("Tools", f"{_tools(settings)} · code_interpreter: {await _sandbox(settings)}")
    if not settings.worker:
        table.add_row("Worker", "none in this process: runs wait for one")
    console.print("[bold]Understudy[/bold] is ready.")
    console.print(table)


async def show_worker_banner(settings: Settings, ports: Ports, health_port: int | None) -> None:
    """Print what the worker works on, and with what."""
    console = _console()
    table = Table.grid(padding=(0, 2))
    if health_port is not None:
        table.add_row("Health", f"http://{_host(settings.host)}:{health_port}/healthz")
    _add_places(table, settings)
    table.add_row("Models", await _models(ports))
    table.add_row("Tools", f"{_tools(settings)} · code_interpreter: {await _sandbox(settings)}")
    console.print("[bold]Understudy worker[/bold] is ready.")
    console.print(table)


def _add_places(table: Table, settings: Settings) -> None:
    """Add where things are kept, and through what processes talk; passwords are left out."""
    if settings.database_url is not None:
        table.add_row("Database", without_password(settings.database_url.get_secret_value()))
        nats = settings.nats_url and without_password(settings.nats_url.get_secret_value())
        table.add_row("NATS", nats or "none: work of other processes is found once a second")
        table.add_row("Files", settings.files_location)
        table.add_row("Scratch", str(settings.data_dir.resolve()))
    else:
        table.add_row("Data", str(settings.data_dir.resolve()))


async def show_sandbox(settings: Settings) -> None:
    """Print how the sandbox stands, once a runner that was slower than the server has said it."""
    if await _sandbox(settings) == STARTING:
        standing = await wait_for_answer(settings)
        _console().print(f"code_interpreter is {standing}", markup=False)
        if standing.mend:
            _console().print(f"  → {standing.mend}", markup=False)


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _tools(settings: Settings) -> str:
    by = next((one.embedding_model for one in settings.endpoints if one.embedding_model), None)
    search = f"by words and by {by}" if by else "by words"
    return f"function: yes · file_search: yes, {search}"


async def _sandbox(settings: Settings) -> str:
    """Say in a few words how the sandbox stands; who has not answered yet is asked again later."""
    if not settings.worker:
        return "as the worker has it"
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            standing = await look(settings)
    except TimeoutError:
        return STARTING
    if standing.state == "no answer" and settings.sandbox == "own":
        return STARTING
    return f"{standing} ({standing.mend})" if standing.state == "not installed" else str(standing)


async def _models(ports: Ports) -> str:
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            names = [model.id for model in await ports.models.models()]
    except TimeoutError:
        return "an endpoint does not answer yet (ask understudy doctor)"
    more = len(names) - MODELS_SHOWN
    shown = ", ".join(names[:MODELS_SHOWN]) + (f" and {more} more" if more > 0 else "")
    if names == ["demo"]:
        return "demo (attach a real one: UNDERSTUDY_UPSTREAM_URL=http://…/v1)"
    return shown
