"""The sandbox that a server's settings name: its own runner, or others'."""

from understudy.sandbox.client import Sandbox
from understudy.sandbox.own_runner import own_sandbox
from understudy.settings import Settings


def sandbox_of(settings: Settings) -> Sandbox:
    """Return the way to the runners, whether or not they run."""
    if settings.sandbox == "own":
        return own_sandbox(settings.data_dir)
    secret = settings.sandbox_secret.get_secret_value() if settings.sandbox_secret else ""
    return Sandbox(settings.sandbox_runners, secret)
