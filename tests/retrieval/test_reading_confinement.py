"""What a reading process cannot do, even when a hostile file has taken it over."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from understudy.retrieval.reading import landlock, seccomp
from understudy.retrieval.reading.frames import Failed, Request, decode_frame, encode_request
from understudy.retrieval.reading.limits import ReadingLimits

needs_landlock = pytest.mark.skipif(landlock.version() == 0, reason="the kernel has no Landlock")
WAIT_SECONDS_MAX = 30

# A zygote whose children, instead of reading their file, do what stands in it.
TAKEN_OVER = """
import ctypes, os, resource, signal, socket, sys
from pathlib import Path
from understudy.retrieval.reading import zygote
from understudy.retrieval.reading.frames import Failed

def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True

def obey(request, send):
    folder = Path(os.fsdecode(request.path)).parent
    code = Path(os.fsdecode(request.path)).read_text()
    try:
        said = str(eval(code, globals() | {"folder": folder, "server": SERVER}))
    except Exception as error:
        said = type(error).__name__
    send(Failed("server_error", said, ""))

SERVER = os.getppid()
zygote.work = obey
zygote.serve(socket.socket(fileno=int(sys.argv[1])))
"""

Obey = Callable[[str], str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of data: a database, and files that wait to be read."""
    (tmp_path / "understudy.sqlite3").write_bytes(b"What others said")
    (tmp_path / "reading").mkdir()
    (tmp_path / "reading" / "other").write_bytes(b"What others uploaded")
    return tmp_path


@pytest.fixture(scope="module")
def control() -> Iterator[socket.socket]:
    with taken_over() as connection:
        yield connection


@contextmanager
def taken_over(**environment: str) -> Iterator[socket.socket]:
    """Yield the connection to such a zygote."""
    ours, theirs = socket.socketpair()
    program = [sys.executable, "-P", "-c", TAKEN_OVER, str(theirs.fileno())]
    with subprocess.Popen(
        program, pass_fds=(theirs.fileno(),), env=os.environ | environment
    ) as process:
        theirs.close()
        yield ours
        ours.close()
        assert process.wait(WAIT_SECONDS_MAX) == 0


@pytest.fixture
def obey(control: socket.socket, folder: Path) -> Obey:
    """Return what has a reading process evaluate an expression, and answers what came of it."""

    def evaluated(expression: str) -> str:
        path = folder / "reading" / "mine"
        path.write_text(expression)
        return _read(control, path).message

    return evaluated


def _read(control: socket.socket, path: Path) -> Failed:
    answer, _ = _answered(control, path)
    frame = decode_frame(answer[4:])
    assert isinstance(frame, Failed)
    return frame


def _answered(control: socket.socket, path: Path) -> tuple[bytes, bytes]:
    """Return the frames that came for a file, and the exit code."""
    request = Request(
        path=os.fsencode(path),
        filename="a.txt",
        size_tokens=100,
        overlap_tokens=0,
        limits=ReadingLimits(),
    )
    answer, frames = socket.socketpair()
    report, reports = socket.socketpair()
    with answer, report:
        with frames, reports:
            ends = [frames.fileno(), reports.fileno()]
            socket.send_fds(control, [encode_request(request)], ends)
        return _all_of(answer), _all_of(report)


def _all_of(end: socket.socket) -> bytes:
    end.settimeout(WAIT_SECONDS_MAX)
    with end.makefile("rb") as stream:
        return stream.read()


def test_its_own_file_and_its_libraries_can_be_read(obey: Obey) -> None:
    assert obey("(folder / 'mine').read_text()[:8]") == "(folder "
    assert obey("__import__('wave').__name__") == "wave"
    assert obey("__import__('PIL.FtexImagePlugin').__name__") == "PIL"
    assert obey("len(os.urandom(8))") == "8"


REACHING_FILES = {
    "read the database": "(folder.parent / 'understudy.sqlite3').read_bytes()",
    "read a neighbour's file": "(folder / 'other').read_bytes()",
    "read what the user keeps": "Path('/etc/passwd').read_bytes()",
    "look into the server": "Path(f'/proc/{server}/environ').read_bytes()",
    "look around": "os.listdir(folder)",
    "look around at the top": "os.listdir('/')",
    "unlink the database": "(folder.parent / 'understudy.sqlite3').unlink()",
    "unlink its own file": "(folder / 'mine').unlink()",
    "rename the database": "os.rename(folder.parent / 'understudy.sqlite3', folder / 'new')",
    "empty the database": "os.truncate(folder.parent / 'understudy.sqlite3', 0)",
    "make a file": "(folder / 'new').touch()",
    "make a folder": "(folder / 'new').mkdir()",
    "link the database": "os.symlink(folder.parent / 'understudy.sqlite3', folder / 'new')",
    "write into its own file": "(folder / 'mine').open('ab')",
}


@needs_landlock
@pytest.mark.parametrize("attempt", REACHING_FILES)
def test_other_files_cannot_be_reached(obey: Obey, folder: Path, attempt: str) -> None:
    assert obey(REACHING_FILES[attempt]) == "PermissionError"
    assert (folder / "understudy.sqlite3").read_bytes() == b"What others said"
    assert {path.name for path in (folder / "reading").iterdir()} == {"other", "mine"}


@needs_landlock
def test_a_folder_of_data_beside_libraries_is_none_of_them(folder: Path) -> None:
    """As when the folder of the data is in one of which modules are imported."""
    (folder / "library").mkdir()
    (folder / "library" / "__init__.py").touch()
    path = folder / "reading" / "mine"
    with taken_over(PYTHONPATH=str(folder)) as connection:
        path.write_text("__import__('library').__name__")
        assert _read(connection, path).message == "library"
        path.write_text(REACHING_FILES["read the database"])
        assert _read(connection, path).message == "PermissionError"


# Harmless to the process that runs these tests, should one of them be possible.
REACHING_PROCESSES = {
    "signal to the server": "os.kill(server, signal.SIGCONT)",
    "signal to the process that forked it": "os.kill(os.getppid(), signal.SIGCONT)",
    "ask whether the server is there": "os.kill(server, 0)",
    "signal through a descriptor": "os.pidfd_open(server)",
    "set the priority of the server": (
        "os.setpriority(os.PRIO_PROCESS, server, os.getpriority(os.PRIO_PROCESS, server))"
    ),
    "set the processors of the server": (
        "os.sched_setaffinity(server, os.sched_getaffinity(server))"
    ),
    "limit the server": "resource.prlimit(server, resource.RLIMIT_CORE)",
    "open a connection": "socket.socket(socket.AF_UNIX)",
    "start a process": "os.fork()",
    "become a program": "os.execv('/bin/true', ['true'])",
    "lock the database": "os.chmod(folder.parent / 'understudy.sqlite3', 0)",
    "give the database away": "os.chown(folder.parent / 'understudy.sqlite3', 1, 1)",
}


@pytest.mark.skipif(not seccomp.is_known(), reason="the numbers of the calls are not known")
@pytest.mark.parametrize("attempt", REACHING_PROCESSES)
def test_other_processes_cannot_be_reached(obey: Obey, folder: Path, attempt: str) -> None:
    before = (folder / "understudy.sqlite3").stat()
    assert obey(REACHING_PROCESSES[attempt]) == "PermissionError"
    after = (folder / "understudy.sqlite3").stat()
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)
    assert obey("1 + 1") == "2"


def test_it_cannot_be_looked_into(obey: Obey) -> None:
    get_dumpable = 3
    assert obey(f"ctypes.CDLL(None).prctl({get_dumpable}, 0, 0, 0, 0)") == "0"


def test_it_has_one_connection_to_answer_on(obey: Obey) -> None:
    connections = "[number for number in range(3, 64) if is_open(number)]"
    assert obey(f"len({connections})") == "1"


def test_a_crash_still_says_what_it_was(control: socket.socket, folder: Path) -> None:
    """``abort`` is a signal to itself."""
    path = folder / "reading" / "mine"
    path.write_text("os.abort()")
    assert _answered(control, path) == (b"", str(-signal.SIGABRT).encode())
