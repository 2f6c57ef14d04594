"""Who the sessions are: a user of their own each when root starts them, else one clean user.

Root maps the users 0 to 1999 of the sandbox to users of the host that nobody has. Where even root
may not make user namespaces, the sessions use those host users directly. An unprivileged user has
nobody but himself to offer: he is root of the zygote's namespace, and each session gets a second
user namespace in which he is user 1000 and nobody.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from understudy.sandbox.inside import libc

SPAN = 2000
SESSION_USER = 1000
# Tried in turn: a container may map only the first 65,536 users.
HOST_USERS = (200_000, 50_000)


@dataclass(frozen=True, slots=True)
class Users:
    """How slots become users, seen from the zygote (``session``) and from the host (``host``)."""

    first_session: int
    first_host: int
    one_only: bool

    def session(self, slot: int) -> int:
        """Return the session's user as the zygote names it."""
        return SESSION_USER if self.one_only else self.first_session + slot

    def host(self, slot: int) -> int:
        """Return the session's user as the host names it."""
        return self.first_host if self.one_only else self.first_host + slot


def enter_user_namespace(flags: int) -> Users:
    """Leave the host's namespaces for new ones, user namespace included where root is allowed to.

    Raises StageFailed for the stages ``userns``, ``uid_map`` and ``namespaces``.
    """
    if os.geteuid() != 0:
        return _as_unprivileged(flags)
    base = _unused_host_users()
    try:
        _as_root(flags, base)
    except libc.StageFailed as failed:
        if failed.stage != "userns":
            raise
        libc.unshare("namespaces", flags)
        return Users(base + SESSION_USER, base + SESSION_USER, one_only=False)
    return Users(SESSION_USER, base + SESSION_USER, one_only=False)


def become_root_of_namespace(users: Users) -> None:
    """Change from root of the host to root of the new namespace, once host files are open."""
    if not users.one_only:
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)


def write_own_map(inside: int, outside: int, proc: int | None = None) -> None:
    """Map one user and group of this process's new user namespace to what they were before.

    ``proc`` is an open /proc, for whoever has none in sight.
    """
    _write_map("self/setgroups", "deny", proc)
    _write_map("self/uid_map", f"{inside} {outside} 1", proc)
    _write_map("self/gid_map", f"{inside} {outside} 1", proc)


def _as_unprivileged(flags: int) -> Users:
    user = os.geteuid()
    group = os.getegid()
    libc.unshare("userns", libc.CLONE_NEWUSER | flags)
    _write_map("self/setgroups", "deny")
    _write_map("self/uid_map", f"0 {user} 1")
    _write_map("self/gid_map", f"0 {group} 1")
    return Users(0, user, one_only=True)


def _as_root(flags: int, base: int) -> None:
    """Unshare while a helper that stays behind writes the map, which only root may do."""
    target = os.getpid()
    waiting, go = os.pipe()
    helper = os.fork()
    if helper == 0:
        os._exit(_map_when_told(waiting, go, target, base))
    os.close(waiting)
    try:
        libc.unshare("userns", libc.CLONE_NEWUSER | flags)
        os.write(go, b"1")
    finally:
        os.close(go)
        errno = os.waitstatus_to_exitcode(os.waitpid(helper, 0)[1])
    if errno:
        raise libc.StageFailed("uid_map", errno)


def _map_when_told(waiting: int, go: int, target: int, base: int) -> int:
    os.close(go)
    if not os.read(waiting, 1):
        return 0
    try:
        _write_map(f"{target}/uid_map", f"0 {base} {SPAN}")
        _write_map(f"{target}/gid_map", f"0 {base} {SPAN}")
    except libc.StageFailed as failed:
        return failed.errno
    return 0


def _write_map(path: str, line: str, proc: int | None = None) -> None:
    try:
        target = os.open(path if proc is not None else f"/proc/{path}", os.O_WRONLY, dir_fd=proc)
        os.write(target, line.encode())
        os.close(target)
    except OSError as error:
        raise libc.StageFailed(f"/proc/{path}", error.errno or 0) from error


def _unused_host_users() -> int:
    """Return the first choice of users that exist in the namespace that we are in."""
    spans = [
        tuple(map(int, line.split()))
        for line in Path("/proc/self/uid_map").read_text().splitlines()
    ]
    for base in HOST_USERS:
        if any(first <= base and base + SPAN <= first + count for first, _, count in spans):
            return base
    raise libc.StageFailed("uid_map", 22, "no 2000 unused users are mapped here")
