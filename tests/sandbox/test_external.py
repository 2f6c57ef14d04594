"""isolation=external: the pod is the sandbox, and its runner is good for one session."""

from pathlib import Path

import pytest

from understudy.sandbox.client import SandboxFull

from .station import BOUND, run, station


async def test_one_session_and_then_the_runner_ends(environment: Path, open_folder: Path) -> None:
    options = ("--isolation", "external", "--scratch", str(open_folder / "pod" / "scratch"))
    with station(open_folder / "pod", environment, "user", *options) as pod:
        assert pod.report["ok"], pod.report
        assert pod.report["isolation"] == "external"
        session, fresh = await pod.sandbox.acquire("thread")
        assert fresh
        await session.put_file("in.csv", b"a\n1\n")
        transcript = await run(
            session,
            """
import pandas, socket
print(pandas.read_csv("in.csv").a.sum())
try:
    socket.socket()
except OSError as error:
    print(type(error).__name__)
open("out.txt", "w").write("out")
""",
        )
        assert transcript.text == "1\nOSError\n3\n", transcript
        assert [file.path for file in await session.changed_files()] == ["out.txt"]
        # A second one is refused, and does not take the place of the first.
        await session.release()
        with pytest.raises(SandboxFull):
            await pod.sandbox.acquire("another thread")
        session, fresh = await pod.sandbox.acquire("thread")
        assert not fresh
        await session.end()
        assert pod.process.wait(BOUND) == 0
