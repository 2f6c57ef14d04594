"""What the demo ends with when something is off."""

from understudy.errors import UnderstudyError


class DemoFailed(UnderstudyError):
    """The demo saw something that it should not have seen; the message says what."""

    def __init__(self, message: str) -> None:
        super().__init__(f"The demo failed: {message}")
