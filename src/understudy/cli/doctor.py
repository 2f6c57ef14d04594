"""``understudy doctor``."""

from understudy.cli.options import Config, DataDir


def doctor(data_dir: DataDir = None, config: Config = None) -> None:
    """Check everything and say how to mend what is wrong."""
    raise NotImplementedError
