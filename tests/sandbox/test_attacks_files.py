"""Attacks F1 to F12: nothing of the host can be read, found or written."""

from pathlib import Path

from .attempts import ATTEMPTS, assert_stopped
from .station import SECRET, Station

# The attacker must not carry the words that he searches for.
HALVES = repr((SECRET[:9], SECRET[9:]))


async def test_f1_f2_no_secrets_and_no_files_of_the_host(small: Station, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    transcript = await small.run(
        ATTEMPTS
        + f"""
for path in ("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh", "/root/.bashrc",
             "/home/user", "/var/log",
             "/boot", "/sys", "/etc/machine-id", "/dev/mem", "/dev/kmsg", "/dev/vda",
             "/proc/kcore", "/proc/sys/kernel/hostname", {str(secret)!r}, {str(small.socket)!r}):
    attempt(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1))
over()
"""
    )
    assert_stopped(transcript)


async def test_f3_a_search_of_all_files_finds_no_canary(small: Station, tmp_path: Path) -> None:
    (tmp_path / SECRET).write_text(SECRET)
    transcript = await small.run(
        f"""
import os
wanted = "".join({HALVES})
for folder, folders, files in os.walk("/"):
    if folder.count("/") > 5 or folder.startswith(("/usr", "/proc")):
        folders.clear()
    for name in files + folders:
        if wanted in name:
            print("OPEN", folder, name)
print("over")
"""
    )
    assert_stopped(transcript)


async def test_f4_the_environment_is_our_own(small: Station) -> None:
    transcript = await small.run(
        f"""
import glob, os
wanted = "".join({HALVES})
seen = [repr(dict(os.environ))]
for path in glob.glob("/proc/*/environ"):
    try:
        seen.append(open(path, errors="replace").read())
    except OSError:
        pass
print("OPEN" if any(wanted in one or "PYTHONPATH" in one for one in seen) else "over")
"""
    )
    assert_stopped(transcript)


async def test_f5_nothing_above_the_root_and_no_other_root(small: Station) -> None:
    transcript = await small.run(
        ATTEMPTS
        + """
root = set(os.listdir("/"))
assert root <= {"bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "mnt", "proc",
                "run", "sbin", "tmp", "usr", "var", "opt", "root", "work"}, root
here = os.open("/", os.O_RDONLY)
for _ in range(50):
    here = os.open("..", os.O_RDONLY, dir_fd=here)
assert os.fstat(here).st_ino == os.stat("/").st_ino
attempt("chroot", lambda: os.chroot("/tmp"))
attempt("init's root", lambda: os.listdir("/proc/1/root"))
attempt("init's cwd", lambda: os.listdir("/proc/1/cwd/"))
attempt("old root", lambda: os.listdir("/.old"))
assert os.listdir("/proc/self/root/") and set(os.listdir("/proc/self/root/")) == root
over()
"""
    )
    assert_stopped(transcript)


async def test_f5b_the_kernels_own_memory_holds_no_secret_of_the_server(small: Station) -> None:
    transcript = await small.run(
        f"""
halves = {HALVES}
wanted = "".join(halves).encode()
found = 0
memory = open("/proc/self/mem", "rb", 0)
own = id(wanted)
for line in open("/proc/self/maps"):
    span, rights = line.split()[:2]
    start, end = (int(one, 16) for one in span.split("-"))
    if "r" not in rights or "[v" in line:
        continue
    while start < end:
        try:
            memory.seek(start)
            piece = memory.read(min(1 << 20, end - start))
        except (OSError, ValueError):
            break
        at = piece.find(b"CANARY=")
        found += at >= 0 and piece[at + 7 : at + 7 + len(wanted)] == wanted
        start += max(len(piece), 1)
print("OPEN" if found else "over")
"""
    )
    assert_stopped(transcript)


async def test_f6_no_descriptor_of_the_host_leaks(small: Station) -> None:
    transcript = await small.run(
        """
import os, stat
there = []
for descriptor in range(4096):
    try:
        there.append((descriptor, stat.S_IFMT(os.fstat(descriptor).st_mode)))
    except OSError:
        pass
kinds = dict(there)
assert kinds == {0: stat.S_IFCHR, 1: stat.S_IFIFO, 2: stat.S_IFIFO, 3: stat.S_IFSOCK}, kinds
print("over")
"""
    )
    assert_stopped(transcript)


async def test_f7_f8_no_files_by_handle_and_no_devices(small: Station) -> None:
    transcript = await small.run(
        ATTEMPTS
        + """
import stat
attempt("handle", lambda: call(304, -100, bytes(128), 0))
attempt("name to handle", lambda: call(303, -100, b"/", bytes(128), bytes(8), 0))
for number, kind in ((0x100, stat.S_IFBLK), (0x101, stat.S_IFCHR), (0xFE00, stat.S_IFBLK)):
    attempt("device", lambda: os.mknod("/tmp/device", kind | 0o666, number))
attempt("fifo by mknod", lambda: os.mknod("/tmp/fifo", stat.S_IFCHR | 0o666, 1))
over()
"""
    )
    assert_stopped(transcript)


async def test_f9_the_system_and_the_runtime_cannot_be_written(small: Station) -> None:
    transcript = await small.run(
        ATTEMPTS
        + """
import json, sys, numpy
for path in (numpy.__file__, json.__file__, sys.executable, "/etc/passwd", "/usr/bin/env",
             "/etc/ld.so.preload", "/lib/x", "/usr/x", "/x", "/dev/x", "/run/x", "/mnt/x",
             "/home/x"):
    attempt(path, lambda: open(path, "ab"))
    attempt(path, lambda: os.rename(path, "/tmp/x"))
    attempt(path, lambda: os.chmod(path, 0o777))
attempt("remove", lambda: os.rmdir("/usr"))
attempt("replace", lambda: os.rename("/mnt/data", "/mnt/other"))
over()
"""
    )
    assert_stopped(transcript)


async def test_f10_f11_proc_shows_the_session_and_nothing_else(small: Station) -> None:
    transcript = await small.run(
        """
import os
names = set(os.listdir("/proc"))
extra = {one for one in names if not one.isdigit()} - {"self", "thread-self"}
assert not extra, extra
assert len(names) < 6, names
print("over")
"""
    )
    assert_stopped(transcript)


async def test_f12_programs_that_change_the_user_do_not(small: Station) -> None:
    transcript = await small.run(
        ATTEMPTS
        + """
import subprocess
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
assert status["NoNewPrivs"].strip() == "1"
assert {status[one].strip() for one in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0" * 16}
for command in (["su", "-c", "id"], ["passwd", "-S"], ["newgrp", "root"]):
    try:
        done = subprocess.run(command, capture_output=True, timeout=3, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        continue
    if b"uid=0" in done.stdout:
        print("OPEN", command, done)
open("/tmp/own", "w").write("#!/bin/sh\\nid -u\\n")
attempt("setuid bit", lambda: os.chmod("/tmp/own", 0o6755))
assert subprocess.check_output(["/tmp/own"]).strip() != b"0"
print("over")
"""
    )
    assert transcript.text.endswith("over\n"), transcript
    assert "uid=0" not in transcript.text
