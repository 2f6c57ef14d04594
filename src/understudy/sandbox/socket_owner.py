"""Whose the runner's socket is: the runner's own user's, unless a server of another user needs it.

Only the socket is given away, never its folder: in a folder of somebody else's, a runner that is
root could be led to give away another file.
"""

import grp
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

OWNER_ONLY, GROUP_TOO = 0o600, 0o660
# Others have to pass through the folder, and see nothing of it.
OWN_FOLDER, PASSED_FOLDER = 0o700, 0o711
UNCHANGED = -1


class NobodyOfThatName(ValueError):
    """There is no such user or group; the message names it."""


@dataclass(frozen=True, slots=True)
class SocketOwner:
    """A user, a group, or both; ``UNCHANGED`` is the runner's own."""

    user: int = UNCHANGED
    group: int = UNCHANGED

    @classmethod
    def parse(cls, text: str) -> "SocketOwner":
        """Read ``user``, ``user:group`` or ``:group``. Raises NobodyOfThatName."""
        user, _, group = text.partition(":")
        return cls(_user(user) if user else UNCHANGED, _group(group) if group else UNCHANGED)

    @property
    def folder_mode(self) -> int:
        """Return how open the socket's folder is when the runner makes it."""
        return OWN_FOLDER if self == SocketOwner() else PASSED_FOLDER

    def take(self, socket: Path) -> None:
        """Give the socket to its owner, with the rights that it needs."""
        if self != SocketOwner():
            os.chown(socket, self.user, self.group, follow_symlinks=False)
        socket.chmod(OWNER_ONLY if self.group == UNCHANGED else GROUP_TOO)


def _user(name: str) -> int:
    try:
        return int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except KeyError as error:
        raise NobodyOfThatName(f"there is no user {name!r}") from error


def _group(name: str) -> int:
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise NobodyOfThatName(f"there is no group {name!r}") from error
