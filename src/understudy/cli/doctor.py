"""``understudy doctor``."""

from typing import TYPE_CHECKING

import typer

from understudy.cli.options import Config, DataDir

if TYPE_CHECKING:
    from pathlib import Path


def doctor(data_dir: DataDir = None, config: Config = None) -> None:
    """Check everything and say how to mend what is wrong."""
    import asyncio

    problems = asyncio.run(_examine(config, data_dir))
    if problems:
        typer.echo(f"understudy: {problems} problem{'s' if problems > 1 else ''}.", err=True)
        raise typer.Exit(1)


async def _examine(config: "Path | None", data_dir: "Path | None") -> int:
    """Show the findings as they come, and return how many are problems."""
    from rich.console import Console

    from understudy.cli.examination import examine
    from understudy.cli.finding import show

    console = Console(highlight=False, soft_wrap=True)
    problems = 0
    async for finding in examine(config, data_dir):
        show(console, finding)
        problems += finding.state == "problem"
    return problems
