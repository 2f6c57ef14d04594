"""What a session does for whoever holds it."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.sandbox.client import SandboxFull, SandboxUnavailable
from understudy.sandbox.inside.kernel import EMPTY_SECONDS_MAX
from understudy.sandbox.outputs import CellEnded, ProducedFile, TextOutput
from understudy.sandbox.runner import RunnerSettings

from .station import BOUND, Identity, Station, eventually, run, station


@pytest.fixture(scope="module")
def brief(environment: Path, identity: Identity, open_folder: Path) -> Iterator[Station]:
    """A runner with two sessions, none of which stays idle for long."""
    options = ("--sessions-max", "2", "--warm", "0", "--idle-seconds", "0.4")
    with station(open_folder / f"{identity}-brief", environment, identity, *options) as running:
        yield running


async def test_state_and_files_stay_from_cell_to_cell_and_holder_to_holder(small: Station) -> None:
    session, fresh = await small.sandbox.acquire("thread-1")
    assert fresh
    await run(session, "x = 41\nopen('/mnt/data/kept.txt', 'w').write('kept')")
    await session.release()
    session, fresh = await small.sandbox.acquire("thread-1")
    assert not fresh
    transcript = await run(session, "print(x + 1, open('kept.txt').read())")
    assert transcript.text == "42 kept\n"
    await session.end()
    session, fresh = await small.sandbox.acquire("thread-1")
    assert fresh
    assert "NameError" in (await run(session, "x")).of("traceback")
    await session.end()


async def test_outputs_come_in_order_with_their_kinds(small: Station) -> None:
    transcript = await small.run(
        """
import sys
print("one")
display("two")
print("three", file=sys.stderr)
import subprocess; subprocess.run(["echo", "four"])
raise SystemError("five")
"""
    )
    said = [(one.source, one.text) for one in transcript.texts]
    assert said[:2] == [("stdout", "one\n"), ("result", "'two'\n")]
    assert ("stderr", "three\n") in said
    assert ("stdout", "four\n") in said
    assert said[-1][0] == "traceback"
    assert "SystemError: five" in said[-1][1]
    assert transcript.end == CellEnded("failed")


async def test_outputs_are_streamed_while_the_cell_runs(small: Station) -> None:
    async with small.session() as session:
        outputs = session.run("import time\nprint('first')\nwhile True: time.sleep(0.01)")
        first = await asyncio.wait_for(anext(outputs), BOUND)
        assert first == TextOutput("stdout", "first\n")
        await session.interrupt()
        *_, end = [output async for output in outputs]
        assert end == CellEnded("interrupted", "request")
        assert (await run(session, "print('goes on')")).text == "goes on\n"


async def test_nothing_is_lost_when_the_runner_stands_still(small: Station) -> None:
    """A machine that is suspended, or has other things to do, for longer than a kernel waits."""
    lines = [f"{n}\n" for n in range(20)]
    async with small.session() as session:
        outputs = session.run(
            "import time\nfor n in range(20): print(n); time.sleep(0.01)\n'the last one'"
        )
        told = [await asyncio.wait_for(anext(outputs), BOUND)]
        small.process.send_signal(signal.SIGSTOP)
        # Until the kernel has given up waiting twice: before the result, and before its end.
        await asyncio.sleep(20 * 0.01 + 2 * EMPTY_SECONDS_MAX + 0.5)
        small.process.send_signal(signal.SIGCONT)
        told += [output async for output in outputs]
    assert told.pop() == CellEnded("done")
    texts = [one for one in told if isinstance(one, TextOutput)]
    assert "".join(one.text for one in texts if one.source == "stdout") == "".join(lines)
    assert [one.text for one in texts if one.source == "result"] == ["'the last one'\n"]


async def test_ipython_as_users_know_it(small: Station) -> None:
    async with small.session() as session:
        assert (await run(session, "1 + 1")).of("result") == "2\n"
        assert (await run(session, "_ * 2")).of("result") == "4\n"
        assert (await run(session, "5;")).text == ""
        assert (await run(session, "import asyncio\nawait asyncio.sleep(0, 'awaited')")).of(
            "result"
        ) == "'awaited'\n"
        assert (await run(session, "!echo shell")).text == "shell\n"
        assert (await run(session, "x = !echo caught\nx[0]")).of("result") == "'caught'\n"
        assert "Wall time" in (await run(session, "%time sum(range(10))")).text
        assert "SyntaxError" in (await run(session, "1 +")).of("traceback")
        assert "EOFError" in (await run(session, "input('?')")).of("traceback")
        assert (await run(session, "exit()")).end.status in {"done", "failed"}


async def test_figures_become_images_without_being_asked_for(small: Station) -> None:
    transcript = await small.run(
        """
import matplotlib.pyplot as plt
plt.plot([1, 2, 3]); plt.title("a")
print("drawn")
"""
    )
    assert "drawn\n" in transcript.text
    assert [image.type for image in transcript.images] == ["png"]
    assert transcript.images[0].data.startswith(b"\x89PNG\r\n\x1a\n")


async def test_shown_pictures_and_jpegs_become_images(small: Station) -> None:
    transcript = await small.run(
        """
import io
from PIL import Image as Pictures
from IPython.display import Image
stream = io.BytesIO(); Pictures.new("RGB", (8, 8)).save(stream, "JPEG")
display(Image(data=stream.getvalue(), format="jpeg"))
Pictures.new("RGB", (8, 8), "red")
"""
    )
    assert [image.type for image in transcript.images] == ["jpeg", "png"]


async def test_an_interrupt_ends_a_cell_at_once(small: Station) -> None:
    async with small.session() as session:
        outputs = session.run("print('on')\nwhile True: pass")
        await asyncio.wait_for(anext(outputs), BOUND)
        asked = time.monotonic()
        await session.interrupt(grace_seconds=0.15)
        *_, end = [output async for output in outputs]
        assert isinstance(end, CellEnded)
        assert end.reason == "request"
        # Within its grace if it obeys, and not long after that if it must be killed.
        assert time.monotonic() - asked < 2.0


async def test_a_kernel_that_does_not_obey_is_killed_after_the_grace(small: Station) -> None:
    async with small.session("deaf") as session:
        outputs = session.run(
            "from signal import *; signal(SIGINT, SIG_IGN); print('on')\nwhile True: pass"
        )
        await asyncio.wait_for(anext(outputs), BOUND)
        await session.interrupt(grace_seconds=0.05)
        *_, end = [output async for output in outputs]
        assert end == CellEnded("died", "request")
    session, fresh = await small.sandbox.acquire("deaf")
    assert fresh
    await session.end()


async def test_files_of_a_session_that_died_can_still_be_fetched(small: Station) -> None:
    async with small.session() as session:
        died = await run(
            session, "import os\nopen('/mnt/data/last.txt', 'w').write('words')\nos._exit(3)"
        )
        assert died.end == CellEnded("died", "exit")
        assert await session.changed_files() == [ProducedFile("last.txt", 5)]
        assert b"".join([piece async for piece in session.get_file("last.txt", 100)]) == b"words"
        assert (await run(session, "1")).end == CellEnded("died", "exit")


async def test_a_holder_that_breaks_off_interrupts_its_cell(small: Station) -> None:
    session, _ = await small.sandbox.acquire("broken-off")
    outputs = session.run("x = 1\nprint('on')\nimport time; time.sleep(1000)")
    await asyncio.wait_for(anext(outputs), BOUND)
    await outputs.aclose()
    session, fresh = await small.sandbox.acquire("broken-off")
    transcript = await run(session, "print(x)")
    assert not fresh
    assert transcript.text == "1\n"
    await session.end()


async def test_who_acquires_last_has_the_session(small: Station) -> None:
    first, _ = await small.sandbox.acquire("contested")
    await run(first, "x = 1")
    second, fresh = await small.sandbox.acquire("contested")
    assert not fresh
    with pytest.raises(SandboxUnavailable):
        await run(first, "x = 2")
    assert (await run(second, "print(x)")).text == "1\n"
    await second.end()


async def test_idle_sessions_end_and_held_ones_stay(brief: Station) -> None:
    """ANN-08: after an hour, where nobody asks for less."""
    assert RunnerSettings("").idle_seconds == 3600
    held, _ = await brief.sandbox.acquire("held")
    idle, _ = await brief.sandbox.acquire("idle")
    await run(held, "x = 1")
    await idle.release()
    await eventually(lambda: len(brief.processes()) <= 2 + 2, "the idle session did not end")
    assert (await run(held, "print(x)")).text == "1\n"
    await held.end()


async def test_when_all_are_held_nobody_else_gets_one(brief: Station) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for number in range(2):
            await stack.enter_async_context(brief.session(f"held-{number}"))
        with pytest.raises(SandboxFull):
            await brief.sandbox.acquire("one-more")
    async with brief.session("one-more") as session:
        assert (await run(session, "print(1)")).text == "1\n"


@pytest.fixture
def four(
    environment: Path, identity: Identity, open_folder: Path, request: pytest.FixtureRequest
) -> Iterator[Station]:
    """A runner with four sessions."""
    folder = open_folder / f"{identity}-{request.node.originalname[-20:]}"
    with station(folder, environment, identity, "--sessions-max", "4", "--warm", "0") as running:
        yield running


async def is_there(runner: Station, *keys: str) -> list[bool]:
    """Say which sessions still have their state."""
    there = []
    for key in keys:
        session, fresh = await runner.sandbox.acquire(key, key[0])
        there.append(not fresh)
        await session.release()
    return there


async def open_idle(runner: Station, *keys: str) -> None:
    for key in keys:
        session, _ = await runner.sandbox.acquire(key, key[0])
        await session.release()


async def test_who_holds_most_makes_room(four: Station) -> None:
    await open_idle(four, "a1", "b1", "b2", "b3", "c1")
    assert await is_there(four, "a1", "b3", "b2", "c1") == [True] * 4
    await open_idle(four, "c2")
    assert await is_there(four, "a1", "c2", "c1") == [True] * 3, "b had most"


async def test_nobody_drives_out_one_who_holds_fewer(four: Station) -> None:
    await open_idle(four, "a1")
    held = [await four.sandbox.acquire(f"b{number}", "b") for number in range(3)]
    with pytest.raises(SandboxFull):
        await four.sandbox.acquire("b3", "b")
    assert await is_there(four, "a1") == [True]
    for session, _ in held:
        await session.release()
    await open_idle(four, "b3", "b4")
    assert await is_there(four, "a1", "b4", "b3") == [True] * 3, "b made room for itself"


async def test_a_session_can_be_forgotten_by_its_key(small: Station) -> None:
    session, _ = await small.sandbox.acquire("forgotten")
    outputs = session.run("print('on')\nwhile True: pass")
    await asyncio.wait_for(anext(outputs), BOUND)
    await small.sandbox.forget("forgotten")
    await small.sandbox.forget("never heard of")
    with pytest.raises(SandboxUnavailable):
        async for _ in outputs:
            pass
    again, fresh = await small.sandbox.acquire("forgotten")
    assert fresh
    await again.end()
    await session.release()


async def test_many_sessions_at_once_keep_apart(small: Station) -> None:
    async def own(number: int) -> str:
        async with small.session() as session:
            await run(session, f"x = {number}")
            return (await run(session, "print(x, len(__import__('os').listdir('/mnt/data')))")).text

    said = await asyncio.gather(*(own(number) for number in range(10)))
    assert said == [f"{number} 0\n" for number in range(10)]


async def test_random_numbers_differ_from_session_to_session(small: Station) -> None:
    code = "import random, numpy, uuid; print(random.random(), numpy.random.rand(), uuid.uuid4())"
    one, other = [(await small.run(code)).text.split() for _ in range(2)]
    assert not set(one) & set(other)
