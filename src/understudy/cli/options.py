"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="UNDERSTUDY_DATA_DIR",
        help="Where everything is kept. Default: ./understudy-data",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="UNDERSTUDY_CONFIG",
        help="Settings, upstreams and aliases. Default: ./understudy.toml, if there is one",
    ),
]
Host = Annotated[
    str | None,
    typer.Option("--host", envvar="UNDERSTUDY_HOST", help="Address to listen on. [127.0.0.1]"),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", envvar="UNDERSTUDY_PORT", help="Port to listen on; 0 takes a free one. [8730]"
    ),
]
WithWorker = Annotated[
    bool | None,
    typer.Option(
        "--worker/--no-worker",
        envvar="UNDERSTUDY_WORKER",
        help="Whether this process also works on runs. [yes]",
    ),
]
