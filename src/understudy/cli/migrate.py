"""``understudy migrate``."""

import typer

from understudy.cli.options import Config, DataDir


def migrate(data_dir: DataDir = None, config: Config = None) -> None:
    """Bring the database up to date, also while an older version still serves."""
    import asyncio

    from understudy.app.ports import migrate_storage
    from understudy.settings import load_settings

    for name in asyncio.run(migrate_storage(load_settings(config, data_dir=data_dir))):
        typer.echo(f"Applied {name}.")
    typer.echo("The database is up to date.")
