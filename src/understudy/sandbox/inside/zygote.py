"""The zygote: closes itself in once, imports the libraries once, and forks a child per session.

It never sees hostile code. It talks with the runner over a socket of packets: a packet with the
plan of a session and the session's descriptors makes it fork; end of file makes it exit, which
ends every session, because it is process 1 of their pid namespace.
"""

import gc
import importlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from understudy.sandbox.inside import kernel, landlock, libc, root, session
from understudy.sandbox.inside.plan import SessionPlan, ZygotePlan
from understudy.sandbox.inside.users import (
    Users,
    become_root_of_namespace,
    enter_user_namespace,
)

PACKET_BYTES = 64 << 10
DESCRIPTORS_MAX = 16
OTHER_NAMESPACES = (
    libc.CLONE_NEWNS
    | libc.CLONE_NEWPID
    | libc.CLONE_NEWNET
    | libc.CLONE_NEWIPC
    | libc.CLONE_NEWUTS
    | libc.CLONE_NEWCGROUP
)
# Set before numpy is imported: its threads would make the zygote unfit to fork.
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "BLIS")


def run(control_descriptor: int) -> None:
    """Become the zygote and serve until the runner goes away."""
    control = socket.socket(fileno=control_descriptor)
    libc.prctl("parent death signal", libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    plan = ZygotePlan.from_plain(json.loads(control.recv(PACKET_BYTES)))
    try:
        setting, facts = _close_in(plan)
    except libc.StageFailed as failed:
        _tell(control, stage=failed.stage, errno=failed.errno, detail=failed.detail)
        sys.exit(1)
    try:
        _warm_up(plan)
    except Exception as error:  # noqa: BLE001 - whatever a library raises is told
        _tell(control, stage="preload", errno=0, detail=f"{type(error).__name__}: {error}")
        sys.exit(1)
    _tell(control, ready=True, **facts)
    _serve(control, setting)


def _close_in(plan: ZygotePlan) -> tuple[session.Setting, dict[str, Any]]:
    facts: dict[str, Any] = {"landlock": landlock.version(), "proc": True}
    if plan.isolation == "external":
        user = os.geteuid()
        users = Users(user, user, one_only=True)
        setting = session.Setting.of(plan, users, host_proc=-1)
    else:
        users = enter_user_namespace(OTHER_NAMESPACES)
        sources = root.open_sources(plan.environment)
        # Maps of users are written here even where the sandbox itself gets no /proc.
        host_proc = os.open("/proc", os.O_PATH | os.O_CLOEXEC)
        become_root_of_namespace(users)
        root.build(sources)
        _continue_as_process_1()
        facts["proc"] = root.finish()
        setting = session.Setting.of(plan, users, host_proc)
    return setting, facts | {"first_user": users.first_host, "one_user": users.one_only}


def _continue_as_process_1() -> None:
    """Fork into the new pid namespace; the process left behind only waits."""
    # Changing users has cleared what was set before.
    libc.prctl("parent death signal", libc.PR_SET_PDEATHSIG, signal.SIGKILL)
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    libc.prctl("parent death signal", libc.PR_SET_PDEATHSIG, signal.SIGKILL)


def _warm_up(plan: ZygotePlan) -> None:
    """Import what most sessions need, so that they share its memory and start at once."""
    scratch = plan.scratch if plan.isolation == "external" else "/tmp"  # noqa: S108
    os.environ.update({f"{name}_NUM_THREADS": "1" for name in THREADS})
    os.environ.update({"MPLCONFIGDIR": f"{scratch}/matplotlib", "HOME": scratch, "TZ": "UTC"})
    os.environ["LANG"] = "C.UTF-8"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    environment = plan.environment_inside
    sys.path.append(f"{environment}/lib/{version}/site-packages")
    sys.prefix = sys.exec_prefix = environment
    sys.executable = f"{environment}/bin/python"
    for name in plan.preload:
        importlib.import_module(name)
    kernel.prepare()
    threads = (
        len(list(Path("/proc/self/task").iterdir())) if Path("/proc/self/task").exists() else 1
    )
    if threads != 1:
        raise RuntimeError(f"the imports started {threads - 1} threads")
    gc.collect()
    gc.freeze()


def _serve(control: socket.socket, setting: session.Setting) -> None:
    # Children are reaped by the kernel; each session restores the default for itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        packet, descriptors, _, _ = socket.recv_fds(control, PACKET_BYTES, DESCRIPTORS_MAX)
        if not packet:
            os._exit(0)
        try:
            child = session.fork_process_1(setting)
        except libc.StageFailed as failed:
            session.tell_failed(descriptors[0], failed)
        else:
            if child == 0:
                control.close()
                wanted = SessionPlan.from_plain(json.loads(packet))
                session.begin(setting, wanted, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _tell(control: socket.socket, **facts: Any) -> None:
    control.send(json.dumps(facts).encode())
