"""A session as it closes itself in: first the cgroup, then namespaces, then everything given up.

Two processes take part. The first is process 1 of the session's pid namespace: it forks the second
at once, gives up all rights, and watches (init.py). The second leaves the other namespaces, mounts,
gives up all rights as well, and is the kernel: hostile from the moment it reads its first cell,
which it does only when the first one is done.

The descriptors that the runner sends are, in this order: the socket for reports and orders, the
pipes for standard output and standard error, the stream of cells, then one ``cgroup.procs`` for
each cgroup to join.
"""

import contextlib
import json
import os
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from understudy.sandbox.inside import init, kernel, landlock, libc, privileges, root, seccomp
from understudy.sandbox.inside.plan import SessionPlan, ZygotePlan
from understudy.sandbox.inside.users import SESSION_USER, Users, write_own_map

HOST_NAME = "sandbox"
NAMESPACES = (
    libc.CLONE_NEWNS
    | libc.CLONE_NEWNET
    | libc.CLONE_NEWIPC
    | libc.CLONE_NEWUTS
    | libc.CLONE_NEWCGROUP
)
DESCRIPTORS_CLOSED_FROM = 4
DESCRIPTORS_CLOSED_TO = 4096
SEALED = b"1"


@dataclass(frozen=True, slots=True)
class Setting:
    """What all sessions of a zygote share."""

    plan: ZygotePlan
    users: Users
    host_proc: int
    own_namespace: int
    filters: dict[bool, bytes]

    @classmethod
    def of(cls, plan: ZygotePlan, users: Users, host_proc: int) -> "Setting":
        """Prepare what would take each session its time."""
        filters = {
            counted: seccomp.program(libc.ARCHITECTURE, anonymous_files=counted)
            for counted in (False, True)
        }
        return cls(plan, users, host_proc, os.pidfd_open(os.getpid()), filters)

    @property
    def contained(self) -> bool:
        """Say whether sessions get namespaces of their own."""
        return self.plan.isolation == "namespaces"


def fork_process_1(setting: Setting) -> int:
    """Fork a child that is the first of a new pid namespace; returns as ``os.fork`` does."""
    if setting.contained:
        # The last session's namespace is still the one for children.
        libc.enter("pid namespace", setting.own_namespace, libc.CLONE_NEWPID)
        libc.unshare("pid namespace", libc.CLONE_NEWPID)
    return os.fork()


def tell_failed(report: int, failed: libc.StageFailed) -> None:
    """Tell the runner that there is no process for the session, and why."""
    with socket.socket(fileno=os.dup(report)) as reported:
        _tell_whoever_listens(reported, failed)


def begin(setting: Setting, plan: SessionPlan, descriptors: list[int]) -> NoReturn:
    """Become the session; never returns. Failures are reported to the runner."""
    report = socket.socket(fileno=descriptors[0])
    try:
        _Session(setting, plan, report, descriptors[1:4]).close_in(descriptors[4:])
    except libc.StageFailed as failed:
        _tell_whoever_listens(report, failed)
    except BaseException as error:  # noqa: BLE001 - this process must end here in any case
        detail = f"{type(error).__name__}: {error}"
        _tell_whoever_listens(report, libc.StageFailed("session", 0, detail))
    os._exit(1)


class _Session:
    def __init__(
        self, setting: Setting, plan: SessionPlan, report: socket.socket, streams: list[int]
    ) -> None:
        self.setting = setting
        self.environment = setting.plan.environment_inside
        self.plan = plan
        self.user = setting.users.session(plan.slot)
        self.report = report
        self.streams = streams
        scratch = setting.plan.scratch
        self.data = "/mnt/data" if setting.contained else f"{scratch}/data"
        self.home = "/home/sandbox" if setting.contained else f"{scratch}/home"

    def close_in(self, cgroups: list[int]) -> None:
        for group in cgroups:
            _join(group)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        waiting, sealed = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(sealed)
            self._become_kernel(waiting)
        for descriptor in (waiting, self.setting.host_proc, *self.streams):
            if descriptor >= 0:
                os.close(descriptor)
        if self.setting.contained:
            privileges.drop_bounding_set()
            privileges.become(0 if self.setting.users.one_only else self.user)
        self._give_up()
        seccomp.install(self.setting.filters[self.plan.memory_counted])
        os.write(sealed, SEALED)
        os.close(sealed)
        init.watch(self.report, child, alone=self.setting.contained)

    def _become_kernel(self, waiting: int) -> NoReturn:
        if self.setting.contained:
            self._leave_namespaces()
        privileges.limit_resources(self.plan.limits)
        self._give_up()
        self._report_data()
        self._wall_off()
        libc.prctl("dumpable", libc.PR_SET_DUMPABLE, 1)
        os.setsid()
        if os.read(waiting, 1) != SEALED:
            os._exit(1)
        own = os.pidfd_open(os.getpid())
        _tell(self.report, {"kernel": True}, own)
        self._arrange_descriptors()
        os.environ.clear()
        os.environ.update(_environment(self.environment, self.home))
        os.chdir(self.data)
        kernel.serve()

    def _leave_namespaces(self) -> None:
        """Mount what is this session's own, and then be nobody in particular."""
        limits, one_only = self.plan.limits, self.setting.users.one_only
        libc.unshare("session namespaces", NAMESPACES)
        libc.mount("none", "/", "", libc.MS_REC | libc.MS_PRIVATE)
        root.mount_session(0 if one_only else self.user, limits.disk_bytes, limits.inodes)
        root.mount_proc()
        socket.sethostname(HOST_NAME)
        if one_only:
            libc.unshare("session userns", libc.CLONE_NEWUSER)
            write_own_map(SESSION_USER, 0, self.setting.host_proc)
        os.close(self.setting.host_proc)
        privileges.drop_bounding_set()
        privileges.become(self.user)

    def _give_up(self) -> None:
        privileges.drop_capabilities()
        libc.prctl("not dumpable", libc.PR_SET_DUMPABLE, 0)

    def _report_data(self) -> None:
        """Hand out the handles of process 1 and of the data before anything hostile runs."""
        Path(self.data).mkdir(parents=True, exist_ok=True)
        Path(self.home).mkdir(parents=True, exist_ok=True)
        data = os.open(self.data, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        process_1 = os.pidfd_open(os.getppid())
        _tell(self.report, {"init": True}, process_1, data)
        os.close(process_1)
        os.close(data)

    def _wall_off(self) -> None:
        if self.setting.contained:
            readable = [*root.readable_trees(), self.environment, "/etc", "/proc", "/dev"]
            devices = [f"/dev/{name}" for name in root.DEVICES]
            landlock.restrict(readable, [*root.WRITABLE, *devices])
        seccomp.install(self.setting.filters[self.plan.memory_counted])

    def _arrange_descriptors(self) -> None:
        """Put the streams at 1 to 3; 0 to 2 were taken until now, so none of them is there."""
        self.report.detach()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for place, stream in enumerate(self.streams, start=1):
            os.dup2(stream, place)
        os.set_inheritable(kernel.STREAM_DESCRIPTOR, False)  # noqa: FBT003
        os.closerange(DESCRIPTORS_CLOSED_FROM, DESCRIPTORS_CLOSED_TO)


def _join(group: int) -> None:
    try:
        os.write(group, b"0")
    except OSError as error:
        raise libc.StageFailed("cgroup", error.errno or 0) from error
    os.close(group)


def _environment(environment: str, home: str) -> dict[str, str]:
    one_thread = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
    )
    return one_thread | {
        "HOME": home,
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "PATH": f"{environment}/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": environment,
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PWD": str(Path.cwd()),
    }


def _tell_whoever_listens(report: socket.socket, failed: libc.StageFailed) -> None:
    """Tell the runner, unless that is what failed: it may be ending while a session starts."""
    facts = {"stage": failed.stage, "errno": failed.errno, "detail": failed.detail}
    with contextlib.suppress(OSError):
        _tell(report, facts)


def _tell(report: socket.socket, facts: dict[str, object], *descriptors: int) -> None:
    socket.send_fds(report, [json.dumps(facts).encode()], descriptors)
