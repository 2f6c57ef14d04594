"""The ``understudy`` command."""

import sys

import typer

from understudy.cli import demo, doctor, keys, migrate, sandbox, serve, worker
from understudy.errors import UnderstudyError

app = typer.Typer(
    name="understudy",
    help="A self-hosted stand-in for the OpenAI Assistants API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("migrate")(migrate.migrate)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(keys.app, name="keys")
app.add_typer(sandbox.app, name="sandbox")


def main() -> None:
    """Run the command; a known error is one sentence, not a traceback."""
    try:
        app()
    except UnderstudyError as error:
        typer.echo(f"understudy: {error}", err=True)
        sys.exit(1)
