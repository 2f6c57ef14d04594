"""``understudy migrate``."""

import typer

from understudy.cli.options import Config, DataDir


def migrate(data_dir: DataDir = None, config: Config = None) -> None:
    """Bring the database up to date, also while an older version still serves."""
    import asyncio

    from understudy.app.ports import migrate_storage
    from understudy.settings import load_settings

    migrated = asyncio.run(migrate_storage(load_settings(config, data_dir=data_dir)))
    for name in migrated.applied:
        typer.echo(f"Applied {name}.")
    typer.echo("The database is up to date.")
    if migrated.lacking is not None:
        typer.echo(f"It is {migrated.lacking}")
