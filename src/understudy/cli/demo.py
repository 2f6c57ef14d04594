"""``understudy demo``."""


def demo() -> None:
    """Show the main job on real input, against a server of its own."""
    from rich.console import Console

    from understudy.cli.demo_client import DemoClient
    from understudy.cli.demo_scenes import play
    from understudy.cli.demo_server import running_server

    console = Console(highlight=False, soft_wrap=True)
    with running_server() as server:
        play(console, DemoClient(server.port, server.key))
