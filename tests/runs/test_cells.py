"""What cells have made: outputs put together, files, charts, and what the model reads."""

import pytest

from understudy.runs.cells import (
    BEGINNING_CHARACTERS_MAX,
    END_CHARACTERS_MAX,
    NOTHING_PRINTED,
    CellOutputs,
    account,
    charts,
    made_files,
)
from understudy.wire.deltas import ImageOutputDelta, LogsOutputDelta
from understudy.wire.objects.steps import (
    CodeInterpreterCall,
    CodeInterpreterToolCall,
    CreatedMessage,
    ImageOutput,
    ImageReference,
    LogsOutput,
    MadeFile,
    MessageCreationDetails,
    RunStep,
    StepDetails,
    StepStatus,
    ToolCallsDetails,
)


def step(details: StepDetails, status: StepStatus = "completed") -> RunStep:
    return RunStep(
        id="step_1",
        created_at=1,
        run_id="run_1",
        assistant_id="asst_1",
        thread_id="thread_1",
        type="tool_calls" if isinstance(details, ToolCallsDetails) else "message_creation",
        status=status,
        step_details=details,
    )


def cells(*made: CodeInterpreterCall) -> RunStep:
    calls = [CodeInterpreterToolCall(id="call_1", code_interpreter=one) for one in made]
    return step(ToolCallsDetails(tool_calls=[*calls]))


def message(status: StepStatus = "completed") -> RunStep:
    return step(MessageCreationDetails(message_creation=CreatedMessage("msg_1")), status)


def cell(*images: str, **files: str) -> CodeInterpreterCall:
    outputs = [ImageOutput(ImageReference(one)) for one in images]
    made = [MadeFile(f"{name}.csv", file_id) for name, file_id in files.items()]
    return CodeInterpreterCall(input="x", outputs=[*outputs], files=made)


def test_text_that_follows_text_is_one_output() -> None:
    """STEP-07, STR-07: an image stands between two texts as an output of its own."""
    outputs = CellOutputs()
    assert [outputs.add_text("a"), outputs.add_text("b"), outputs.add_image("file-1")] == [
        LogsOutputDelta(index=0, logs="a"),
        LogsOutputDelta(index=0, logs="b"),
        ImageOutputDelta(index=1, image=ImageReference("file-1")),
    ]
    outputs.add_text("c")
    assert outputs.whole == [
        LogsOutput("ab"),
        ImageOutput(ImageReference("file-1")),
        LogsOutput("c"),
    ]


def test_of_files_with_one_path_the_latest_counts() -> None:
    steps = [cells(cell(a="file-1"), cell(b="file-2")), message(), cells(cell(a="file-3"))]
    assert made_files(steps) == {"a.csv": "file-3", "b.csv": "file-2"}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], []),
        ([cells(cell("1"), cell("2", "3"))], ["1", "2", "3"]),
        ([cells(cell("1")), message("in_progress")], ["1"]),
        ([cells(cell("1")), message(), cells(cell("2"))], ["2"]),
        ([cells(cell("1")), message(), cells(cell("2")), message("in_progress")], ["2"]),
        ([cells(cell("1")), message()], []),
    ],
)
def test_a_message_begins_with_the_charts_that_none_has_shown(
    steps: list[RunStep], expected: list[str]
) -> None:
    """ANN-05: and one that is written again begins with the same."""
    assert charts(steps) == expected


def test_the_model_reads_text_images_and_addresses() -> None:
    call = cell("file-1", table="file-2")
    call.outputs.append(LogsOutput("after\n"))
    told = account(call)
    assert told.startswith("[The user is shown an image here.]\nafter\n\nFiles")
    assert told.endswith("\n- sandbox:/mnt/data/table.csv")
    assert account(CodeInterpreterCall(input="x")) == NOTHING_PRINTED


def test_the_model_reads_beginning_and_end_of_long_text() -> None:
    text = "a" * BEGINNING_CHARACTERS_MAX + "lost" + "z" * END_CHARACTERS_MAX
    told = account(CodeInterpreterCall(input="x", outputs=[LogsOutput(text)]))
    assert "lost" not in told
    assert "[4 characters are left out here.]" in told
    assert (told[0], told[-1]) == ("a", "z")
