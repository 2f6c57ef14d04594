"""Whole runs that run code in a real sandbox: what is told, kept, made, and lost."""

import errno
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.engine.puppet import BOUND, Call, Puppet
from tests.engine.stage import ME, Client, F, Stage, staged
from tests.engine.test_workers import kill, lose_lease
from tests.sandbox.station import IDENTITIES, Station, eventually, station
from tests.sandbox.test_refusals import MOUNT, without
from tests.services.kernels import kernels
from understudy.clock import Clock, ManualClock, SystemClock
from understudy.operations import files, messages, threads
from understudy.operations.files import Received
from understudy.sandbox.client import Sandbox
from understudy.storage.thread_steps import BYTES_MAX, latest_steps
from understudy.tools.code_interpreter import STATE_GONE, CodeInterpreter
from understudy.wire.deltas import CodeInterpreterToolCallDelta, LogsOutputDelta, StepDelta
from understudy.wire.events import RunEvent
from understudy.wire.objects.files import File
from understudy.wire.objects.messages import (
    Attachment,
    AttachmentTool,
    Content,
    FilePathAnnotation,
    ImageFile,
    ImageFileContent,
    Message,
    Text,
    TextContent,
)
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import (
    CodeInterpreterCall,
    CodeInterpreterToolCall,
    ImageOutput,
    LogsOutput,
    RunStep,
    ToolCallsDetails,
)
from understudy.wire.objects.tools import (
    CodeInterpreterResources,
    CodeInterpreterTool,
    ToolResources,
)
from understudy.wire.params.files import NewFile
from understudy.wire.params.messages import NewMessage
from understudy.wire.params.threads import NewThread

CODE = CodeInterpreterTool()
FOR_EVER = "print('on', flush=True)\nimport time\nwhile True: time.sleep(0.01)"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()\nprint('drawn')"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def model() -> Puppet:
    """Give a model that waits for the test."""
    return Puppet()


@pytest.fixture
async def stage(tmp_path: Path, model: Puppet, sandbox: Station) -> AsyncIterator[Stage]:
    """Give a stage with one worker who can run code."""
    async with running_code(tmp_path, model, sandbox.sandbox) as stage:
        yield stage


@asynccontextmanager
async def running_code(
    folder: Path,
    model: Puppet,
    sandbox: Sandbox,
    clock: Clock | None = None,
    *,
    patience_seconds: float = BOUND,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Open a stage; its tool needs the ports that are opened with it."""
    clock = clock or SystemClock()
    async with staged(folder, model, clock=clock, workers=0, **settings) as stage:
        ports = stage.ports
        tool = CodeInterpreter(
            sandbox,
            ports.storage,
            ports.files,
            clock,
            ports.settings,
            patience_seconds=patience_seconds,
        )
        stage.tools = {"code_interpreter": tool}
        stage.hire()
        yield stage


async def upload(stage: Stage, name: str, data: bytes) -> str:
    """Store a file for the code to read."""

    async def receive(key: str) -> Received:
        async def pieces() -> AsyncIterator[bytes]:
            yield data

        size = await stage.ports.files.write(key, pieces())
        return Received(filename=name, size=size, new=NewFile(purpose="assistants"))

    return (await files.create(stage.ports, ME, receive)).id


async def thread_with(stage: Stage, *file_ids: str) -> str:
    resources = ToolResources(code_interpreter=CodeInterpreterResources([*file_ids]))
    return (await threads.create(stage.ports, ME, NewThread(tool_resources=resources))).id


async def asked(stage: Stage, thread_id: str | None = None, **more: Any) -> Client:
    return await stage.ask("Compute.", tools=[CODE], thread_id=thread_id, **more)


async def ran(model: Puppet, *cells: str) -> Call:
    """Let the model run these cells, and return its next call."""
    (await model.called()).run(*cells).finish("tool_calls")
    return await model.called()


async def cells_of(stage: Stage, client: Client) -> list[CodeInterpreterCall]:
    return [call for step in await stage.steps(client) for call in in_step(step)]


def in_step(step: RunStep) -> list[CodeInterpreterCall]:
    if not isinstance(step.step_details, ToolCallsDetails):
        return []
    calls = step.step_details.tool_calls
    return [one.code_interpreter for one in calls if isinstance(one, CodeInterpreterToolCall)]


def logs(cell: CodeInterpreterCall) -> str:
    return "".join(one.logs for one in cell.outputs if isinstance(one, LogsOutput))


def told_cells(events: list[RunEvent]) -> list[tuple[str, list[Any]]]:
    """Put together what the deltas tell, as clients do: code and outputs, call by call."""
    cells: dict[int, tuple[list[str], dict[int, Any]]] = {}
    for event in events:
        if not isinstance(event.data, StepDelta):
            continue
        for call in event.data.delta.step_details.tool_calls:
            if not isinstance(call, CodeInterpreterToolCallDelta):
                continue
            code, outputs = cells.setdefault(call.index, ([], {}))
            piece = call.code_interpreter
            code.append(piece.input or "")
            for one in piece.outputs or ():
                if isinstance(one, LogsOutputDelta):
                    outputs[one.index] = LogsOutput(
                        getattr(outputs.get(one.index), "logs", "") + one.logs
                    )
                else:
                    assert one.index not in outputs
                    outputs[one.index] = ImageOutput(one.image)
    return [
        ("".join(code), [outputs[at] for at in sorted(outputs)]) for code, outputs in cells.values()
    ]


async def downloaded(stage: Stage, file_id: str) -> tuple[File, bytes]:
    file, pieces = await files.content(stage.ports, ME, file_id)
    return file, b"".join([piece async for piece in pieces])


async def answered(stage: Stage, client: Client) -> Message:
    *_, answer = await stage.messages(client)
    assert answer.role == "assistant"
    return answer


def reason_of(run: Run) -> str:
    assert run.status == "failed"
    assert run.last_error is not None
    return run.last_error.message


async def test_a_model_runs_code_and_reads_what_it_prints(stage: Stage, model: Puppet) -> None:
    """STEP-07, STR-07: the code is told as it is written, and the output while it runs."""
    client = await asked(stage)
    code = "print('né', end='')\nprint('🙂')\n6 * 7"
    call = await ran(model, code)
    calling, read = call.request.messages[-2:]
    assert calling["tool_calls"][0]["function"]["name"] == "code_interpreter"
    assert read["content"] == "né🙂\n42"
    call.say("It is 42.").finish()
    run = await client.stops()
    assert run.status == "completed"
    (cell,) = await cells_of(stage, client)
    assert cell.input == code
    assert cell.outputs == [LogsOutput("né🙂\n42\n")]
    assert told_cells(client.events) == [(code, cell.outputs)]
    first = next(event.data for event in client.events if isinstance(event.data, StepDelta))
    (begun,) = first.delta.step_details.tool_calls
    assert isinstance(begun, CodeInterpreterToolCallDelta)
    assert (begun.id, begun.code_interpreter.input, begun.code_interpreter.outputs) == (
        *("call_0", ""),
        [],
    )


async def test_a_run_is_retold_as_it_was_told(stage: Stage, model: Puppet) -> None:
    """Two cells in one turn, an image and a link: positions and contents are the same."""
    client = await asked(stage)
    writes = "open('a.txt', 'w').write('a');"
    (await ran(model, PLOT, writes)).say("See [a](sandbox:/mnt/", "data/a.txt).").finish()
    await client.stops()
    again = await stage.watch(client)
    await again.stops()
    assert again.names == client.names
    assert told_cells(again.events) == told_cells(client.events)
    assert again.text == client.text
    whole = [event for event in client.events if not event.width]
    assert [event for event in again.events if not event.width] == whole


async def test_nothing_printed_is_no_output(stage: Stage, model: Puppet) -> None:
    """STEP-07."""
    client = await asked(stage)
    call = await ran(model, "x = 1")
    assert "printed nothing" in call.request.messages[-1]["content"]
    call.say("Done.").finish()
    await client.stops()
    assert [cell.outputs for cell in await cells_of(stage, client)] == [[]]


async def test_a_traceback_is_an_output_and_no_failure(stage: Stage, model: Puppet) -> None:
    client = await asked(stage)
    call = await ran(model, "1 / 0")
    assert "ZeroDivisionError: division by zero" in call.request.messages[-1]["content"]
    assert "\x1b" not in call.request.messages[-1]["content"]
    call.say("It cannot be done.").finish()
    assert (await client.stops()).status == "completed"


async def test_code_that_is_no_json_is_run_too(stage: Stage, model: Puppet) -> None:
    client = await asked(stage)
    (await model.called())._call("code_interpreter", ["print('plain')"]).finish("tool_calls")
    call = await model.called()
    assert call.request.messages[-1]["content"] == "plain"
    call.say("Done.").finish()
    await client.stops()
    assert told_cells(client.events) == [("print('plain')", [LogsOutput("plain\n")])]


async def test_state_and_files_stay_from_run_to_run_of_a_thread(
    stage: Stage, model: Puppet
) -> None:
    """ANN-08."""
    thread = await stage.thread()
    for code, expected in [
        ("x = 41\nopen('kept.txt', 'w').write('kept');", "made"),
        ("print(x + 1, open('/mnt/data/kept.txt').read())", "42 kept"),
    ]:
        client = await asked(stage, thread)
        call = await ran(model, code)
        assert expected in call.request.messages[-1]["content"]
        call.say("Yes.").finish()
        await client.stops()
    other = await asked(stage)
    call = await ran(model, "print(x)")
    assert "NameError" in call.request.messages[-1]["content"]
    call.say("No.").finish()
    await other.stops()


async def test_a_new_session_says_that_the_old_state_is_gone(
    stage: Stage, model: Puppet, sandbox: Station
) -> None:
    client = await asked(stage)
    call = await ran(model, "x = 1\nprint(x)")
    session, fresh = await sandbox.sandbox.acquire(f"{ME.project_id}/{client.thread_id}")
    assert not fresh
    await session.end()
    call.run("print('x' in globals())").finish("tool_calls")
    (await model.called()).say("Gone.").finish()
    await client.stops()
    first, second = await cells_of(stage, client)
    assert logs(first) == "1\n"
    assert logs(second) == f"{STATE_GONE}False\n"


async def test_input_files_lie_under_their_ids_and_names(stage: Stage, model: Puppet) -> None:
    """ANN-06, MSG-07: of two files of one name the second gets another."""
    one = await upload(stage, "data.csv", b"a,b\n1,2\n")
    two = await upload(stage, "data.csv", b"a,b\n3,4\n")
    odd = await upload(stage, "../o\nd/d", b"odd")
    client = await asked(stage, await thread_with(stage, one, two, odd))
    call = await model.called()
    offered = call.request.tools[0]["function"]["description"]
    assert f"- /mnt/data/data_2.csv (also /mnt/data/{two})" in offered
    call.run(
        f"print(open('/mnt/data/{one}').read() == open('data.csv').read())\n"
        f"print(open('data_2.csv').read())\nprint(open('{odd}').read())\n"
        "import os; print(len(os.listdir('/mnt/data')))"
    ).finish("tool_calls")
    call = await model.called()
    assert call.request.messages[-1]["content"] == "True\na,b\n3,4\n\nodd\n6"
    call.say("Read.").finish()
    await client.stops()
    (cell,) = await cells_of(stage, client)
    assert not cell.files


async def test_an_input_without_room_is_sent_once_and_told_of_each_time(
    tmp_path: Path, model: Puppet
) -> None:
    options = ("--warm", "0", "--disk-mib", "8")
    with station(tmp_path / "s", kernels("minimal"), IDENTITIES[0], *options) as small:
        async with running_code(tmp_path, model, small.sandbox) as stage:
            big = await upload(stage, "big.bin", bytes(10 << 20))
            fits = await upload(stage, "fits.txt", b"fits")
            client = await asked(stage, await thread_with(stage, big, fits))
            call = await ran(model, "print(open('fits.txt').read())")
            # Whoever read it again would find nothing, and so nothing to tell.
            await stage.ports.files.delete(big)
            call.run("import os; print(sorted(os.listdir()))").finish("tool_calls")
            (await model.called()).say("Read.").finish()
            await client.stops()
            told = [logs(cell) for cell in await cells_of(stage, client)]
    no_room = "[There is no room for the uploaded file 'big.bin'.]\n"
    assert told == [f"{no_room}fits\n", f"{no_room}['{fits}', 'fits.txt']\n"]


async def test_a_picture_in_a_message_is_no_input_unless_it_is_attached(
    stage: Stage, model: Puppet
) -> None:
    """ANN-08."""
    picture = await upload(stage, "picture.png", PNG)
    thread = await stage.thread()
    shown: list[Content] = [ImageFileContent(ImageFile(picture)), TextContent(Text("Look."))]
    for attachments in ([], [Attachment(picture, [AttachmentTool("code_interpreter")])]):
        new = NewMessage(role="user", content=shown, attachments=attachments)
        await messages.create(stage.ports, ME, thread, new)
        client = await asked(stage, thread)
        call = await ran(model, "import os; print(len(os.listdir()))")
        assert call.request.messages[-1]["content"] == ("2" if attachments else "0")
        call.say("Seen.").finish()
        await client.stops()


async def test_what_is_deleted_goes_from_the_sandbox(
    tmp_path: Path, model: Puppet, sandbox: Station
) -> None:
    """THR-05, FILE-07: the session of the thread, and the copies of a file under both names."""
    async with running_code(tmp_path, model, sandbox.sandbox) as stage:
        tool = stage.tools["code_interpreter"]
        assert isinstance(tool, CodeInterpreter)
        one, two = [await upload(stage, f"{name}.csv", b"a") for name in ("one", "two")]
        client = await asked(stage, await thread_with(stage, one, two))
        (await ran(model, "open('one.txt', 'w').write('one')")).say("Read.").finish()
        await client.stops()
        await files.delete(stage.ports, ME, one)
        await tool.deletions.follow()
        key = f"{ME.project_id}/{client.thread_id}"
        session, fresh = await sandbox.sandbox.acquire(key)
        assert not fresh
        assert {file.path for file in await session.files()} == {two, "two.csv", "one.txt"}
        await session.release()
        await threads.delete(stage.ports, ME, client.thread_id)
        await tool.deletions.follow()
        session, fresh = await sandbox.sandbox.acquire(key)
        assert fresh
        await session.end()


async def test_a_runner_that_is_gone_does_not_keep_deletions_from_the_others(
    tmp_path: Path, model: Puppet, sandbox: Station
) -> None:
    """Of two threads that are deleted, each is told to the runner that is there."""
    both = Sandbox([f"unix:{tmp_path}/nobody.sock", f"unix:{sandbox.socket}"])
    async with running_code(tmp_path, model, both) as stage:
        tool = stage.tools["code_interpreter"]
        assert isinstance(tool, CodeInterpreter)
        clients = []
        for _ in range(2):
            clients.append(await asked(stage))
            (await ran(model, "x = 1")).say("Done.").finish()
            await clients[-1].stops()
        for client in clients:
            await threads.delete(stage.ports, ME, client.thread_id)
        await tool.deletions.follow()
        for client in clients:
            session, fresh = await both.acquire(f"{ME.project_id}/{client.thread_id}")
            assert fresh
            await session.end()


async def test_charts_and_files_are_made_for_the_user(stage: Stage, model: Puppet) -> None:
    """ANN-04, ANN-05, FILE-03, FILE-05, STEP-07, STR-10: images first, links annotated."""
    client = await asked(stage)
    makes = "import os; os.mkdir('out'); open('out/my table.csv', 'w').write('a,b');"
    call = await ran(model, PLOT, makes)
    assert "sandbox:/mnt/data/out/my table.csv" in call.request.messages[-1]["content"]
    assert "shown an image" in call.request.messages[-2]["content"]
    text = "Né: [table](sandbox:/mnt/data/out/my table.csv), not sandbox:/mnt/data/no.csv"
    call.say(text[:20], text[20:33], text[33:]).finish()
    await client.stops()
    drawn, _ = await cells_of(stage, client)
    (image,) = [one.image.file_id for one in drawn.outputs if isinstance(one, ImageOutput)]
    chart, body = (await answered(stage, client)).content
    assert isinstance(chart, ImageFileContent)
    assert chart.image_file.file_id == image
    assert isinstance(body, TextContent)
    assert body.text.value == text
    (link,) = body.text.annotations
    assert isinstance(link, FilePathAnnotation)
    assert link.text == text[link.start_index : link.end_index]
    assert link.text == "sandbox:/mnt/data/out/my table.csv"
    file, data = await downloaded(stage, link.file_path.file_id)
    assert (file.filename, file.purpose, data) == ("my table.csv", "assistants_output", b"a,b")
    file, data = await downloaded(stage, image)
    assert (file.purpose, data[:8], file.bytes) == ("assistants_output", PNG, len(data))
    assert client.text == text


async def test_files_of_a_cell_have_a_bound_in_all(
    tmp_path: Path, model: Puppet, sandbox: Station
) -> None:
    """Sparse files take no room in the sandbox, and all of their size where they are kept."""
    async with running_code(tmp_path, model, sandbox.sandbox, file_bytes_max=1_000_000) as stage:
        client = await asked(stage)
        makes = "[open(f'{n}.bin', 'wb').truncate(600_000) for n in range(3)];"
        (await ran(model, makes)).say("Made.").finish()
        await client.stops()
        (cell,) = await cells_of(stage, client)
    assert isinstance(cell.files, list)
    assert len(cell.files) == 1
    assert logs(cell).count("is too large to be kept") == 2


async def test_a_later_run_links_to_files_of_an_earlier_one(stage: Stage, model: Puppet) -> None:
    """ANN-04: the latest file of that name is meant."""
    thread = await stage.thread()
    for content in ("old", "new"):
        client = await asked(stage, thread)
        (await ran(model, f"open('a.txt', 'w').write('{content}');")).say("Made.").finish()
        await client.stops()
    client = await asked(stage, thread)
    (await model.called()).say("Here: sandbox:/mnt/data/a.txt").finish()
    await client.stops()
    (body,) = (await answered(stage, client)).content
    assert isinstance(body, TextContent)
    (link,) = body.text.annotations
    assert isinstance(link, FilePathAnnotation)
    assert (await downloaded(stage, link.file_path.file_id))[1] == b"new"


async def test_what_is_read_of_earlier_steps_is_bounded(stage: Stage, model: Puppet) -> None:
    """The latest are read, as many as can be decoded in passing."""
    thread = await stage.thread()
    for run in range(3):
        client = await asked(stage, thread)
        for number in range(6):
            call = await model.called()
            call.run(f"print({run}, {number}, 'x' * 250_000)").finish("tool_calls")
        (await model.called()).say("Long.").finish()
        await client.stops()
    steps = await latest_steps(stage.ports.storage, ME.project_id, thread)
    cells = [cell for step in steps for cell in in_step(step)]
    assert logs(cells[-1]).startswith("2 5 ")
    assert BYTES_MAX // 2 < sum(len(logs(cell)) for cell in cells) <= BYTES_MAX


async def test_cells_and_functions_of_one_turn_share_a_step(stage: Stage, model: Puppet) -> None:
    """STEP-05, STR-07, RUN-12: each call is told with its output before the next one begins."""
    client = await stage.ask("Compute.", tools=[CODE, F])
    (await model.called()).run("print('one')").call('{"a": 1}').run("print('two')").finish(
        "tool_calls"
    )
    run = await client.stops()
    assert run.status == "requires_action"
    order = [
        event.data.delta.step_details.tool_calls[0].index
        for event in client.events
        if isinstance(event.data, StepDelta)
    ]
    assert order == sorted(order)
    assert set(order) == {0, 1, 2}
    assert [logs(cell) for cell in await cells_of(stage, client)] == ["one\n", "two\n"]
    again = await stage.watch(client)
    await again.stops()
    assert again.names == client.names
    assert told_cells(again.events) == told_cells(client.events)
    await stage.submit(client, call_1="3")
    call = await model.called()
    assert [one["content"] for one in call.request.messages[-3:]] == ["one", "3", "two"]
    call.say("Done.").finish()
    assert (await client.stops(times=2)).status == "completed"


async def _in_mid_cell(model: Puppet, client: Client, code: str = FOR_EVER) -> None:
    (await model.called()).run(code).finish("tool_calls")
    await client._until(lambda: any(outputs for _, outputs in told_cells(client.events)))


async def test_a_cancel_interrupts_the_cell_and_keeps_the_state(
    stage: Stage, model: Puppet
) -> None:
    """STEP-11, STR-13: what the code had done stays, and the next run finds it."""
    client = await asked(stage)
    await _in_mid_cell(model, client, f"x = 41\n{FOR_EVER}")
    await stage.cancel(client)
    run = await client.stops()
    assert run.status == "cancelled"
    assert [step.status for step in await stage.steps(client)] == ["cancelled"]
    client = await asked(stage, client.thread_id)
    call = await ran(model, "print(x + 1)")
    assert call.request.messages[-1]["content"] == "42"
    call.say("Goes on.").finish()
    assert (await client.stops()).status == "completed"


async def test_an_expiry_interrupts_the_cell(
    tmp_path: Path, model: Puppet, sandbox: Station
) -> None:
    """STEP-11, STR-13, RUN-19."""
    async with running_code(tmp_path, model, sandbox.sandbox, expires_after_seconds=3) as stage:
        client = await asked(stage)
        await _in_mid_cell(model, client)
        assert (await client.stops()).status == "expired"
        assert [step.status for step in await stage.steps(client)] == ["expired"]


async def test_a_successor_runs_the_turn_again_under_the_same_step(
    tmp_path: Path, model: Puppet, sandbox: Station
) -> None:
    """The first worker died in mid-cell; its session is taken over, with what is in it."""
    clock = ManualClock()
    async with running_code(tmp_path, model, sandbox.sandbox, clock) as stage:
        client = await asked(stage)
        await _in_mid_cell(model, client, f"x = 41\n{FOR_EVER}")
        await kill(stage.workers[0], stage)
        stage.hire()
        await lose_lease(stage, clock)
        call = await ran(model, "print(x + 1)")
        assert call.request.messages[-1]["content"] == "42"
        call.say("Done.").finish()
        assert (await client.stops()).status == "completed"
        tool_step, _ = await stage.steps(client)
        (cell,) = in_step(tool_step)
        assert cell.outputs == [LogsOutput("42\n")]
        assert client.names.count("run.step.created") == 2
        assert (await stage.record(client)).state.attempt == 2


async def test_what_was_recorded_is_not_run_again(
    tmp_path: Path, model: Puppet, sandbox: Station
) -> None:
    """The first worker died after the step was complete."""
    clock = ManualClock()
    async with running_code(tmp_path, model, sandbox.sandbox, clock) as stage:
        client = await asked(stage)
        count = "n = globals().get('n', 0) + 1\nprint(n)"
        await ran(model, count)
        await kill(stage.workers[0], stage)
        stage.hire()
        await lose_lease(stage, clock)
        call = await model.called()
        assert call.request.messages[-1]["content"] == "1"
        call.run("print(n)").finish("tool_calls")
        call = await model.called()
        assert call.request.messages[-1]["content"] == "1"
        call.say("Once.").finish()
        assert (await client.stops()).status == "completed"


async def test_a_kernel_that_dies_takes_its_state_and_not_the_run(
    stage: Stage, model: Puppet
) -> None:
    client = await asked(stage)
    call = await ran(model, "x = 1\nimport os; os.kill(os.getpid(), 9)")
    assert "its variables are gone" in call.request.messages[-1]["content"]
    call.run("print('x' in globals())").finish("tool_calls")
    (await model.called()).say("Gone.").finish()
    assert (await client.stops()).status == "completed"
    assert logs((await cells_of(stage, client))[1]) == f"{STATE_GONE}False\n"


async def test_a_runner_that_dies_in_mid_cell_ends_the_cell_and_not_the_run(
    tmp_path: Path, model: Puppet
) -> None:
    with station(tmp_path / "s", kernels("minimal"), IDENTITIES[0], "--warm", "0") as running:
        async with running_code(tmp_path, model, running.sandbox) as stage:
            client = await asked(stage)
            await _in_mid_cell(model, client)
            os.kill(running.process.pid, signal.SIGKILL)
            call = await model.called()
            assert "sandbox broke off" in call.request.messages[-1]["content"]
            call.say("Broken.").finish()
            assert (await client.stops()).status == "completed"
        await eventually(lambda: not running.processes(), "no process is left")


async def test_a_host_that_cannot_isolate_fails_the_run_at_once(
    tmp_path: Path, model: Puppet
) -> None:
    """The message names stage, error number and remedy; no model is asked."""
    filtered = without((MOUNT, errno.EACCES))
    environment = kernels("minimal")
    with station(tmp_path / "s", environment, IDENTITIES[0], enter=filtered) as running:
        async with running_code(tmp_path, model, running.sandbox) as stage:
            run = await (await asked(stage)).stops()
            for part in ("'mount'", f"errno {errno.EACCES}", "apparmor=unconfined"):
                assert part in reason_of(run)
            assert model.calls == 0


async def test_what_clients_are_told_of_a_refusal_names_no_path_of_the_host(
    tmp_path: Path, model: Puppet
) -> None:
    """The doctor and the log name it; the message has stage, error number and remedy."""
    environment = kernels("minimal")
    nowhere = ("--environment", f"{tmp_path}/nowhere", "--warm", "0")
    own_fault = lambda: None  # noqa: E731 - the host is as it is, and the test is not skipped
    broken = station(tmp_path / "s", environment, IDENTITIES[0], *nowhere, enter=own_fault)
    with broken as running, capture_logs() as logged:
        assert str(tmp_path) in running.report["refusal"]["detail"]
        async with running_code(tmp_path, model, running.sandbox) as stage:
            reason = reason_of(await (await asked(stage)).stops())
    for part in ("'environment'", f"errno {errno.ENOENT}", "understudy sandbox install"):
        assert part in reason
    assert str(tmp_path) not in reason
    assert any(str(tmp_path) in str(entry.get("reason")) for entry in logged)


async def test_no_runner_fails_the_run(tmp_path: Path, model: Puppet) -> None:
    nobody = Sandbox([f"unix:{tmp_path}/nobody.sock"])
    async with running_code(tmp_path, model, nobody, patience_seconds=0) as stage:
        client = await asked(stage)
        with capture_logs() as logged:
            reason = reason_of(await client.stops())
        assert "No sandbox runner" in reason
        assert str(tmp_path) not in reason
        assert any(str(tmp_path) in str(entry.get("reason")) for entry in logged)
        assert model.calls == 0
