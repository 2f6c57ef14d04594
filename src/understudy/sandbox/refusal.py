"""Why a host cannot isolate, and what its owner can do about it."""

import errno
import os
from dataclasses import asdict, dataclass, replace
from typing import Any

PROFILE = (
    "Containers: start the runner with the project's seccomp profile (deploy/seccomp). "
    "Hosts: run the runner as root, or allow unprivileged user namespaces with sysctl."
)
APPARMOR_USERNS = (
    "AppArmor strips user namespaces of their rights (Ubuntu 23.10 and newer do so): run the "
    "runner as root, or give its interpreter an AppArmor profile with 'userns,'."
)
APPARMOR_MOUNT = (
    "AppArmor forbids mounting: start the runner's container, and only that one, with "
    "--security-opt apparmor=unconfined."
)
_REMEDIES = {
    ("userns", errno.EPERM): PROFILE,
    ("namespaces", errno.EPERM): PROFILE,
    ("pid namespace", errno.EPERM): PROFILE,
    ("session userns", errno.EPERM): PROFILE,
    ("session namespaces", errno.EPERM): PROFILE,
    ("userns", errno.ENOSPC): "User namespaces are set to 0: run the runner as root, or raise "
    "user.max_user_namespaces with sysctl.",
    ("/proc/self/setgroups", errno.EACCES): APPARMOR_USERNS,
    ("/proc/self/uid_map", errno.EPERM): APPARMOR_USERNS,
    ("mount", errno.EACCES): APPARMOR_MOUNT,
    ("mount", errno.EPERM): PROFILE,
    ("source", errno.EACCES): "The kernels' environment or its Python lies in a folder that the "
    "sandbox's user may not enter: install both where everybody can read, such as /opt.",
    ("seccomp", errno.EINVAL): "The kernel lacks seccomp filters (CONFIG_SECCOMP_FILTER).",
    ("architecture", 0): "Only x86_64 and aarch64 have tables of system calls.",
    ("environment", errno.ENOENT): "The kernels' Python environment is missing: build it with "
    "'understudy sandbox install'.",
    ("environment", errno.EINVAL): "The kernels' environment is made from a Python in a "
    "folder of which each session has its own, such as /tmp: build it from another, with --python.",
    ("preload", 0): "The kernels' Python environment is broken or incomplete: build it again with "
    "'understudy sandbox install'.",
    ("attack", 0): "An attack of the self-test was not stopped. Do not use this host.",
}
_STAGES = {
    "socket": "The server's own runner cannot listen beside its data: see the server's log.",
}
# How a busy host answers; one that cannot isolate says something else.
_PASSING = {errno.ETIMEDOUT, errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
BUSY = "The host may have been too busy. The runner tests it again by itself, every minute."
# What is broken on every host: nobody has to change this one.
_OURS = {"environment", "preload", "attack"}
UNKNOWN = (
    "Run the runner on a host or in a container that allows what failed, or use isolation=external."
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The stage at which closing the sandbox failed, the system's error number, and the way out."""

    stage: str
    errno: int
    detail: str = ""

    @property
    def remedy(self) -> str:
        """Say what to do."""
        if known := _REMEDIES.get((self.stage, self.errno)):
            return known
        return _STAGES.get(self.stage, BUSY if self.may_pass else UNKNOWN)

    @property
    def may_pass(self) -> bool:
        """Say whether it may be over in a while, with nobody doing anything."""
        return self.errno in _PASSING

    @property
    def lies_in_host(self) -> bool:
        """Say whether this is known to come from how the host is set up, and not from us."""
        return (self.stage, self.errno) in _REMEDIES and self.stage not in _OURS

    def __str__(self) -> str:
        reason = os.strerror(self.errno) if self.errno else "failed"
        detail = f" ({self.detail})" if self.detail else ""
        return f"sandbox stage '{self.stage}': {reason}{detail}. {self.remedy}"

    @property
    def for_clients(self) -> str:
        """Return it without the detail, which may name paths of the host."""
        number = f" (errno {self.errno})" if self.errno else ""
        return f"{replace(self, detail='')}{number}"

    def to_plain(self) -> dict[str, Any]:
        """Return the refusal as values that JSON has, remedy included."""
        return asdict(self) | {"remedy": self.remedy}


class CannotIsolate(Exception):
    """The host cannot isolate; ``refusal`` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal
