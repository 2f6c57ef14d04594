"""``understudy worker``."""

from typing import Annotated

import typer

from understudy.cli.options import Config, DataDir

HealthPort = Annotated[
    int | None,
    typer.Option(
        "--health-port",
        envvar="UNDERSTUDY_HEALTH_PORT",
        help="Answer /healthz and /readyz on this port, and nothing else. Default: on none",
    ),
]


def worker(data_dir: DataDir = None, config: Config = None, health_port: HealthPort = None) -> None:
    """Work on runs and files that API processes have taken, without an API."""
    import uvloop

    from understudy.cli.listening import listen
    from understudy.cli.logs import configure_logs
    from understudy.cli.working import work_until_stopped
    from understudy.settings import load_settings

    settings = load_settings(config, data_dir=data_dir, health_port=health_port, worker=True)
    configure_logs(settings.log_level)
    port = settings.health_port
    uvloop.run(work_until_stopped(settings, None if port is None else listen(settings.host, port)))
