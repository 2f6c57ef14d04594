"""``understudy sandbox``: build what the code interpreter runs on, test this host, run a runner."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from understudy.cli.options import Config, DataDir

Size = Literal["full", "minimal"]

app = typer.Typer(help="Set up and test the sandbox of the code interpreter.", no_args_is_help=True)


@app.command("install")
def install(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Where to. Default: where the server looks, in its data folder"),
    ] = None,
    size: Annotated[
        Size, typer.Option(help="full: what users expect. minimal: numpy, pandas and matplotlib")
    ] = "full",
    python: Annotated[str | None, typer.Option(help="The Python to build it from.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Build the Python that code of the code interpreter runs on, apart from the server's own."""
    from understudy.errors import Misconfigured
    from understudy.sandbox.install import CannotInstall
    from understudy.settings import load_settings

    expected = load_settings(config, data_dir=data_dir).kernels_folder.absolute()
    place = folder.absolute() if folder else expected
    try:
        _build(place, size, python)
    except CannotInstall as cannot:
        raise Misconfigured(str(cannot)) from cannot
    if place != expected:
        typer.echo(f"A server uses it with UNDERSTUDY_SANDBOX_ENVIRONMENT={place}")


@app.command(
    "serve",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def serve(context: typer.Context) -> None:
    """Run sessions for servers, here or on other machines (--help lists the options)."""
    from understudy.sandbox.serving import main
    from understudy.settings import load_settings

    main(context.args, load_settings(None).kernels_folder.absolute())


@app.command("probe")
def probe(
    environment: Annotated[
        Path | None, typer.Argument(help="The installed Python. Default: where the server looks")
    ] = None,
    isolation: Annotated[
        Literal["namespaces", "external"], typer.Option(help="What to test.")
    ] = "namespaces",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Bring up a session, attack it, and say how it went; fails where the host cannot isolate."""
    import asyncio

    from understudy.cli.probe_report import show
    from understudy.errors import Misconfigured
    from understudy.sandbox import probing
    from understudy.settings import load_settings

    place = environment or load_settings(config, data_dir=data_dir).kernels_folder
    try:
        report = asyncio.run(probing.probe(place.absolute(), ("--isolation", isolation)))
    except probing.CannotProbe as cannot:
        raise Misconfigured(f"The sandbox could not be tested: {cannot}.") from cannot
    show(place.absolute(), report)
    if not report["ok"]:
        raise typer.Exit(1)


def _build(place: Path, size: Size, python: str | None) -> None:
    from understudy.sandbox.install import install as build
    from understudy.sandbox.install import is_current, is_for_everybody, mebibytes, packages

    if is_current(place, size):
        typer.echo(f"{place} is there already and up to date.")
        return
    build(place, size, python, typer.echo)
    typer.echo(f"Installed in {place}: {packages(place)} packages, {mebibytes(place)} MiB.")
    if not is_for_everybody(place):
        typer.echo("Only the user that owns it can use it: the folders above are closed to others.")
