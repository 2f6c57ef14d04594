"""``understudy sandbox``, and what doctor, banner and demo say about the sandbox."""

import json
import os
import re
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cli.command import SECONDS_MAX, serving, understudy
from tests.cli.test_doctor import doctor, line
from tests.sandbox.station import as_it_is, station
from tests.services.kernels import kernels
from understudy.cli.check_sandbox import Standing, _of_all
from understudy.sandbox.socket_owner import NobodyOfThatName, SocketOwner

pytestmark = pytest.mark.timeout(600)
NOT_INSTALLED = "not installed (understudy sandbox install)"


@pytest.fixture(scope="module")
def environment() -> Path:
    """The packages of the demo, on a host that can isolate; else the tests are skipped."""
    built = kernels("minimal")
    with TemporaryDirectory() as folder, station(Path(folder), built, "root", enter=as_it_is):
        return built


def uses(environment: Path) -> dict[str, str]:
    return {"UNDERSTUDY_SANDBOX_ENVIRONMENT": str(environment)}


def test_an_installed_environment_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "kernels").symlink_to(kernels("minimal"))
    done = understudy("sandbox", "install", "kernels", "--size", "minimal", folder=tmp_path)
    assert done.code == 0, done.err
    assert "up to date" in done.out
    assert f"UNDERSTUDY_SANDBOX_ENVIRONMENT={tmp_path / 'kernels'}" in done.out


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear all")
    understudy("sandbox", "install", tmp_path, folder=tmp_path).refused("holds something else")


def test_a_probe_says_what_it_found(tmp_path: Path, environment: Path) -> None:
    done = understudy("sandbox", "probe", environment, folder=tmp_path)
    assert done.code == 0, done.out + done.err
    assert "ready: namespaces" in done.out
    assert "Landlock" in done.out


def test_a_probe_that_fails_names_stage_error_and_remedy(tmp_path: Path) -> None:
    done = understudy("sandbox", "probe", "nowhere", folder=tmp_path)
    assert done.code == 1
    assert "(errno 2)" in done.out
    assert "environment" in done.out
    assert "understudy sandbox install" in done.out


def test_serve_has_help_of_its_own_and_wants_a_door(tmp_path: Path) -> None:
    assert "--socket-owner" in understudy("sandbox", "serve", "--help", folder=tmp_path).out
    assert "--listen" in understudy("sandbox", "serve", folder=tmp_path).err


def test_serve_gives_the_socket_to_a_group(tmp_path: Path, environment: Path) -> None:
    socket = tmp_path / "door" / "runner.sock"
    group = 1501 if os.geteuid() == 0 else os.getegid()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "understudy.sandbox", "--environment", environment),
            *("--socket", socket, "--socket-owner", f":{group}", "--warm", "0", "--lifeline"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout
        assert process.stdout.readline()
        assert stat.S_IMODE(socket.stat().st_mode) == 0o660
        assert socket.stat().st_gid == group
        assert socket.parent.stat().st_uid == os.geteuid()
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o711
    finally:
        process.communicate(timeout=SECONDS_MAX)


def test_owners_are_users_groups_or_both() -> None:
    assert SocketOwner.parse("root:root") == SocketOwner(0, 0)
    assert SocketOwner.parse(":7") == SocketOwner(group=7)
    assert SocketOwner.parse("7") == SocketOwner(user=7)
    for nobody in ("no-such-user", ":no-such-group"):
        with pytest.raises(NobodyOfThatName, match="no-such-"):
            SocketOwner.parse(nobody)


def test_the_doctor_says_that_nothing_is_installed(tmp_path: Path) -> None:
    ended = doctor(tmp_path)
    assert ended.code == 0
    assert line(ended, "Sandbox").startswith("warning")
    assert "understudy sandbox install" in line(ended, "Sandbox")
    assert line(doctor(tmp_path, UNDERSTUDY_SANDBOX="off"), "Sandbox").startswith("ok")


def test_the_doctor_tests_this_host(tmp_path: Path, environment: Path) -> None:
    ended = doctor(tmp_path, **uses(environment))
    assert ended.code == 0, ended.out
    assert line(ended, "Sandbox").startswith("ok")
    assert "ready: namespaces" in line(ended, "Sandbox")


def test_the_doctor_names_options_that_no_runner_takes(tmp_path: Path, environment: Path) -> None:
    wrong = {"UNDERSTUDY_SANDBOX_OPTIONS": '["--memory-mib", "much"]'}
    ended = doctor(tmp_path, **uses(environment), **wrong)
    assert ended.code == 1
    assert "--memory-mib" in line(ended, "Sandbox")


def test_the_doctor_says_that_no_runner_answers(tmp_path: Path) -> None:
    remote = {
        "UNDERSTUDY_SANDBOX": "remote",
        "UNDERSTUDY_SANDBOX_RUNNERS": '["http://127.0.0.1:1"]',
    }
    ended = doctor(tmp_path, **remote)
    assert ended.code == 1
    assert "no answer" in line(ended, "Sandbox")
    assert "understudy sandbox serve" in line(ended, "Sandbox")


def test_of_several_runners_the_best_one_counts() -> None:
    refusal = {"stage": "userns", "errno": 1, "detail": "", "remedy": "Allow it."}
    refused = {"ok": False, "refusal": refusal}
    ready = {"ok": True, "refusal": None, "isolation": "namespaces", "cgroups": "cgroup v2"}
    assert _of_all([refused]) == Standing(
        "refused", "stage userns: Operation not permitted (errno 1)", "Allow it."
    )
    assert str(_of_all([refused, ready])).startswith("ready: 1 of 2 runners; namespaces")


def test_the_banner_says_what_is_missing(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        assert NOT_INSTALLED in server.banner


def test_the_banner_is_there_at_once_and_the_sandbox_follows(
    tmp_path: Path, environment: Path
) -> None:
    with serving(tmp_path, **uses(environment)) as server:
        assert "code_interpreter: starting" in server.banner
        assert server.process.stdout is not None
        assert "code_interpreter is ready: namespaces" in server.process.stdout.readline()
        ended = doctor(tmp_path, "--data-dir", "data", **uses(environment))
        assert line(ended, "Sandbox").startswith("ok")


def test_a_runner_that_hangs_does_not_hold_the_server_up(short_folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(short_folder / "hung.sock"))
        hung.listen()
        runners = json.dumps([f"unix:{short_folder / 'hung.sock'}"])
        remote = {"UNDERSTUDY_SANDBOX": "remote", "UNDERSTUDY_SANDBOX_RUNNERS": runners}
        with serving(short_folder, **remote) as server:
            assert "code_interpreter: starting" in server.banner


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder below which the path of a socket is not too long."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def test_the_demo_shows_a_chart(short_folder: Path, environment: Path) -> None:
    started = time.time()
    done = understudy("demo", folder=short_folder, TMPDIR=str(short_folder), **uses(environment))
    assert done.code == 0, done.err
    shown = re.search(
        r"\n  The chart, ([\d,]+) bytes, until you delete it:\n  file://(\S+)", done.out
    )
    assert shown, done.out
    chart = Path(shown[2])
    assert chart.stat().st_size == int(shown[1].replace(",", ""))
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert chart.stat().st_mtime >= started - 1
    assert "summary.xlsx" in done.out
    assert [*short_folder.iterdir()] == [chart], "nothing else is left behind"


def test_the_demo_leaves_the_chart_out_where_there_is_no_sandbox(tmp_path: Path) -> None:
    done = understudy("demo", folder=tmp_path, TMPDIR=str(tmp_path))
    assert done.code == 0, done.err
    assert "Left out: The code interpreter is not available" in done.out
    assert "understudy sandbox install" in done.out
