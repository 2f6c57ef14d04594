"""Attacks P1 to P7: no rare or privileged call, no other process, no dump."""

import os

import pytest

from understudy.sandbox.inside import libc, syscall_numbers, syscall_policy

from .attempts import ATTEMPTS, assert_stopped
from .station import Station

# What each does is of no matter: none may get as far as looking at its arguments.
RARE = {
    "x86_64": "mount umount2 pivot_root chroot unshare setns keyctl add_key request_key bpf ptrace"
    " process_vm_readv process_vm_writev init_module finit_module delete_module kexec_load"
    " kexec_file_load userfaultfd perf_event_open personality shmget shmat shmctl msgget msgsnd"
    " msgrcv msgctl semget semop semctl swapon swapoff reboot sethostname setdomainname"
    " settimeofday"
    " clock_settime adjtimex clock_adjtime acct quotactl syslog iopl ioperm vhangup move_pages kcmp"
    " name_to_handle_at open_by_handle_at fanotify_init lookup_dcookie io_uring_setup fsopen"
    " fsconfig fsmount fspick open_tree move_mount mount_setattr pidfd_getfd process_madvise setuid"
    " setgid setgroups setresuid setresgid setreuid setregid setfsuid setfsgid mknod mknodat chown"
    " capset timer_create nfsservctl vserver"
}
# Numbers that no table of ours has: message queues, protection keys, memory policies, the future.
UNKNOWN = (*range(240, 246), *range(329, 332), 154, 156, 237, 238, 239, 453, *range(454, 600))


@pytest.mark.skipif(libc.ARCHITECTURE != "x86_64", reason="numbers of x86_64")
async def test_p1_privileged_and_rare_calls_are_refused(small: Station) -> None:
    names = RARE["x86_64"].split()
    assert set(names) <= syscall_policy.REFUSED
    numbers = [syscall_numbers.X86_64[one] for one in names] + list(UNKNOWN)
    transcript = await small.run(
        ATTEMPTS
        + f"""
import errno
for number in {numbers}:
    error = attempt(number, lambda: call(number, 0, 0, 0, 0, 0, 0))
    if error.errno not in (errno.EPERM, errno.ENOSYS):
        print("OPEN", number, error)
over()
"""
    )
    assert_stopped(transcript)


async def test_p1_no_namespaces_by_clone_either(small: Station) -> None:
    transcript = await small.run(
        ATTEMPTS
        + """
import errno
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    error = attempt("clone", lambda: call(56 if os.uname().machine == "x86_64" else 220,
                                          ctypes.c_ulong(flag | 17), 0, 0, 0, 0))
    assert error.errno == errno.EPERM, error
attempt("clone3", lambda: call(435, bytes(88), 88))
attempt("unshare", lambda: os.close(-1) if _libc.unshare(0x10000000) else "left")
over()
"""
    )
    assert_stopped(transcript)


async def test_p2_the_session_init_cannot_be_looked_into(small: Station) -> None:
    transcript = await small.run(
        ATTEMPTS
        + """
for name in ("mem", "maps", "environ", "fd/0", "ns/pid", "stack", "auxv", "syscall", "cwd"):
    for flags in (os.O_RDONLY, os.O_RDWR):
        attempt(name, lambda: os.open(f"/proc/1/{name}", flags))
over()
"""
    )
    assert_stopped(transcript)


async def test_p3_p4_other_processes_cannot_be_signalled(small: Station) -> None:
    pids = [os.getpid(), os.getppid(), small.process.pid, *small.processes()]
    transcript = await small.run(
        ATTEMPTS
        + f"""
import signal
for process in {pids}:
    if process > 4096:
        attempt(process, lambda: os.kill(process, 0))
        attempt(process, lambda: os.pidfd_open(process))
for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGHUP):
    try:
        os.kill(1, number)
        os.kill(-1, number)
    except OSError:
        pass
assert os.getppid() == 1, "the init is gone"
over()
"""
    )
    assert_stopped(transcript)
    assert small.process.poll() is None
    await small.check_well()


async def test_p5_nobody_can_be_traced(small: Station) -> None:
    transcript = await small.run(
        ATTEMPTS
        + """
import subprocess
child = subprocess.Popen(["/bin/sleep", "30"])
attempt("attach", lambda: call(101, 16, child.pid, 0, 0))
attempt("seize", lambda: call(101, 0x4206, child.pid, 0, 0))
attempt("trace me", lambda: call(101, 0, 0, 0, 0))
attempt("read memory", lambda: call(310, child.pid, bytes(16), 1, bytes(16), 1, 0))
child.kill()
over()
"""
    )
    assert_stopped(transcript)


async def test_p6_p7_a_crash_ends_the_session_only_and_writes_no_core(small: Station) -> None:
    transcript = await small.run(
        """
import resource
# Zero would not stop a handler behind a pipe in core_pattern; one does.
assert resource.getrlimit(resource.RLIMIT_CORE) == (1, 1)
try:
    resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))
    print("OPEN")
except (ValueError, OSError):
    print("over")
"""
    )
    assert_stopped(transcript)
    crashed = await small.run("import ctypes; ctypes.string_at(0)")
    assert (crashed.end.status, crashed.end.reason) == ("died", "exit")
    await small.check_well()


async def test_p8_given_up_rights_do_not_come_back(small: Station) -> None:
    transcript = await small.run(
        ATTEMPTS
        + """
import resource
for user in (0, 1, 65534):
    attempt("setuid", lambda: os.setuid(user))
    attempt("setgid", lambda: os.setgid(user))
for option, value in ((8, 1), (28, 0), (47, 2), (22, 0), (40, 1)):
    attempt(("prctl", option), lambda: call(157, option, value, 0, 0, 0))
for name in ("RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_SIGPENDING"):
    number = getattr(resource, name, None)
    if number is not None:
        attempt(name, lambda: resource.setrlimit(number, (-1, -1)))
over()
"""
    )
    assert_stopped(transcript)
