"""The processes that a case needs: the model, and the server or worker under test."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil

from bench.target import Target
from tests.services.ports import free_port

NOTHING_MORE: Mapping[str, str] = MappingProxyType({})
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20


@dataclass(frozen=True)
class Running:
    """A server process that answers."""

    pid: int
    target: Target
    ready_seconds: float


def understudy() -> str:
    """Return the command as it was installed beside this interpreter."""
    return str(Path(sys.executable).with_name("understudy"))


@contextmanager
def only_on(cores: set[int] | None) -> Iterator[None]:
    """Let this process, and what it starts meanwhile, run on these cores only.

    A new process inherits its cores from its first instruction, and so do all its threads;
    changing them later would reach only the main thread.
    """
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def model() -> Iterator[Running]:
    """Run the bench's model."""
    process = subprocess.Popen([sys.executable, "-m", "bench.model"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield Running(process.pid, Target(port, "x"), 0.0)
    finally:
        stop(process)


def make_key(data: Path, settings: Mapping[str, str] = NOTHING_MORE) -> str:
    """Create the data folder with one key and return the key."""
    command = ["keys", "create", "--name", "bench", "--data-dir", str(data)]
    return command_output(command, settings).split()[-1]


def command_output(command: Sequence[str], settings: Mapping[str, str]) -> str:
    """Return what a command of ours prints; ``settings`` are variables of its environment."""
    done = subprocess.run(
        [understudy(), *command],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def server(
    data: Path,
    key: str,
    model_port: int,
    *,
    cores: set[int] | None = None,
    settings: Mapping[str, str] = NOTHING_MORE,
) -> Iterator[Running]:
    """Run Understudy on this data folder with the model attached, until the block ends."""
    port = free_port()
    command = ["serve", "--host", "127.0.0.1", "--port", str(port)]
    with _listening(command, port, data, key, model_port, cores, settings) as running:
        yield running


@contextmanager
def worker(data: Path, model_port: int, settings: Mapping[str, str]) -> Iterator[Running]:
    """Run a worker with the model attached until the block ends; all it answers is its health."""
    port = free_port()
    command = ["worker", "--health-port", str(port)]
    with _listening(command, port, data, "", model_port, None, settings) as running:
        yield running


@contextmanager
def _listening(
    command: Sequence[str],
    port: int,
    data: Path,
    key: str,
    model_port: int,
    cores: set[int] | None,
    settings: Mapping[str, str],
) -> Iterator[Running]:
    environment = {
        **os.environ,
        "UNDERSTUDY_UPSTREAM_URL": f"http://127.0.0.1:{model_port}/v1",
        "UNDERSTUDY_UPSTREAM_KEY": "x",
        **settings,
    }
    log_path = data.with_name(data.name + ".log")
    started = time.monotonic()
    with log_path.open("ab") as log, only_on(cores):
        whole = [understudy(), *command, "--data-dir", str(data)]
        process = _start(whole, environment, log.fileno())
    try:
        _wait_until_listening(process, port, log_path)
        yield Running(process.pid, Target(port, key), time.monotonic() - started)
    finally:
        stop(process)


def _start(
    command: Sequence[str], environment: dict[str, str], log: int
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


def _wait_until_listening(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        if _healthy(port):
            return
        if process.poll() is not None:
            break
        time.sleep(0.002)
    raise RuntimeError(f"the process did not start:\n{log.read_text()[-3000:]}")


def _healthy(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as stream:
            stream.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            return stream.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def kill(pid: int) -> None:
    """End a process at once, as a crash does, and then what it had started."""
    family = psutil.Process(pid).children(recursive=True)
    os.kill(pid, signal.SIGKILL)
    for child in family:
        if child.is_running():
            child.kill()


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End the process and what it started: politely first, then by SIGKILL, always by pid."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS_MAX)
    for child in family:
        if child.is_running():
            child.kill()
