"""``understudy demo``."""


def demo() -> None:
    """Show the main job on real input, against a server of its own."""
    raise NotImplementedError
