"""``understudy serve``."""

from understudy.cli.options import Config, DataDir, Host, Port, WithWorker


def serve(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    config: Config = None,
    worker: WithWorker = None,
) -> None:
    """Start the server."""
    import uvloop

    from understudy.cli.listening import listen
    from understudy.cli.logs import configure_logs
    from understudy.cli.serving import serve_until_stopped
    from understudy.settings import load_settings

    settings = load_settings(config, host=host, port=port, data_dir=data_dir, worker=worker)
    configure_logs(settings.log_level)
    uvloop.run(serve_until_stopped(settings, listen(settings.host, settings.port)))
