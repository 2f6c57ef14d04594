"""``understudy keys``: make, list and revoke API keys, also while the server runs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from understudy.cli.options import Config, DataDir

if TYPE_CHECKING:
    from understudy.storage.base import Keys

T = TypeVar("T")

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="What you will recognise the key by.")],
    project: Annotated[str | None, typer.Option(help="Its project. Default: the first")] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make a key and print it, alone, for the only time."""
    import time

    from understudy.operations import keys

    now = int(time.time())
    _say_if_folder_is_new(data_dir, config)
    typer.echo(_with_keys(data_dir, config, lambda store: keys.create(store, name, now, project)))


@app.command("list")
def list_(data_dir: DataDir = None, config: Config = None) -> None:
    """List all keys, without showing them."""
    import datetime as dt

    for key in _with_keys(data_dir, config, lambda store: store.list_keys()):
        made = dt.datetime.fromtimestamp(key.created_at, dt.UTC).date()
        state = "revoked" if key.revoked_at else "active"
        typer.echo(f"{key.hint}  {key.project_id}  {made}  {state:8}  {key.name}")


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="Its name, its hint, or the key itself.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Revoke a key; servers refuse it from now on, those of a cluster within two seconds."""
    import time

    from understudy.operations import keys

    now = int(time.time())
    count = _with_keys(data_dir, config, lambda store: keys.revoke(store, key, now))
    if not count:
        typer.echo(f"understudy: there is no active key {key!r}.", err=True)
        raise typer.Exit(1)
    typer.echo(f"Revoked {count} key{'s' if count > 1 else ''}.")


def _say_if_folder_is_new(data_dir: DataDir, config: Config) -> None:
    """A key for another folder than the server's opens nothing: say which one this is."""
    from understudy.settings import load_settings

    settings = load_settings(config, data_dir=data_dir)
    if not settings.is_shared and not settings.database_path.exists():
        folder = settings.data_dir.resolve()
        typer.echo(f"Made {folder}. The key is for a server that uses this folder.", err=True)


def _with_keys(data_dir: DataDir, config: Config, use: "Callable[[Keys], Awaitable[T]]") -> T:
    """Open the database of these settings for one use."""
    from understudy.app.ports import open_storage
    from understudy.settings import load_settings

    async def work() -> T:
        storage = await open_storage(load_settings(config, data_dir=data_dir))
        try:
            return await use(storage)
        finally:
            await storage.close()

    return asyncio.run(work())
