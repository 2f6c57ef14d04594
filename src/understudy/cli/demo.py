"""``understudy demo``."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    environment: Annotated[
        Path,
        typer.Option(
            envvar="UNDERSTUDY_SANDBOX_ENVIRONMENT",
            help="What code of the code interpreter runs on, built by sandbox install.",
        ),
    ] = Path("understudy-data/kernels"),
) -> None:
    """Show the main job on real input, against a server of its own."""
    from rich.console import Console

    from understudy.cli.demo_client import DemoClient
    from understudy.cli.demo_scenes import play
    from understudy.cli.demo_server import running_server

    console = Console(highlight=False, soft_wrap=True)
    with running_server(environment.absolute()) as server:
        play(console, DemoClient(server.port, server.key))
