"""``understudy doctor``."""

from typing import TYPE_CHECKING

import typer

from understudy.cli.options import Config, DataDir, Host, Port

if TYPE_CHECKING:
    from understudy.cli.examination import Patient


def doctor(
    host: Host = None, port: Port = None, data_dir: DataDir = None, config: Config = None
) -> None:
    """Check everything and say how to mend what is wrong."""
    import asyncio

    from understudy.cli.examination import Patient

    given = {"host": host, "port": port, "data_dir": data_dir}
    problems = asyncio.run(_examine(Patient(config=config, given=given)))
    if problems:
        typer.echo(f"understudy: {problems} problem{'s' if problems > 1 else ''}.", err=True)
        raise typer.Exit(1)


async def _examine(patient: "Patient") -> int:
    """Show the findings as they come, and return how many are problems."""
    from rich.console import Console

    from understudy.cli.examination import examine
    from understudy.cli.finding import show

    console = Console(highlight=False, soft_wrap=True)
    problems = 0
    async for finding in examine(patient):
        show(console, finding)
        problems += finding.state == "problem"
    return problems
