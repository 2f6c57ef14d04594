"""A table is uploaded, a chart is asked for; chart and workbook are downloaded, bytes checked.

STEP-07, STR-07, ANN-02, ANN-04 to ANN-08, MSG-07, FILE-03, FILE-05, SDK-05, in both eras.
"""

import io
import struct
import zipfile

from common import (
    ERA,
    each,
    events_of,
    expect,
    got,
    new_assistant,
    opened,
    play,
    recorder_for,
)

CODE = {"type": "code_interpreter"}
SALES = ("sales.csv", b"month,sales\njan,10\nfeb,20\nmar,30\n")
ASKED = "Plot my sales."
AGAIN = "What was the total again?"
ADDRESS = "sandbox:/mnt/data/sales.xlsx"
ANSWER = f"📊 The total is 60: [the workbook]({ADDRESS}), for you."
PRINTED = "total 60\n"


async def asked_thread(client, file):
    if ERA == "v1":
        message = {"role": "user", "content": ASKED, "file_ids": [file.id]}
    else:
        attached = [{"file_id": file.id, "tools": [CODE]}]
        message = {"role": "user", "content": ASKED, "attachments": attached}
    thread = await got(client.beta.threads.create(messages=[message]))
    if ERA == "v2":
        resources = thread.tool_resources.code_interpreter
        expect("attached (MSG-07)", resources.file_ids, [file.id])
    return thread


async def streamed(client, assistant, thread):
    recorder = recorder_for(client)
    manager = client.beta.threads.runs.stream(
        thread_id=thread.id, assistant_id=assistant.id, event_handler=recorder
    )
    async with opened(manager) as stream:
        async for _ in events_of(stream):
            pass
        run = await got(stream.get_final_run())
        [message] = await got(stream.get_final_messages())
        steps = await got(stream.get_final_run_steps())
    expect("run", (run.status, run.last_error), ("completed", None))
    return recorder, message, steps


def check_step(recorder, steps):
    expect("steps", [step.type for step in steps], ["tool_calls", "message_creation"])
    [call] = steps[0].step_details.tool_calls
    cell = call.code_interpreter
    expect("code", "read_csv('/mnt/data/sales.csv')" in cell.input, True)
    expect("outputs (STEP-07)", [one.type for one in cell.outputs], ["logs", "image"])
    expect("logs", cell.outputs[0].logs, PRINTED)
    [(begun,)] = recorder.all_of("on_tool_call_created")
    expect("begun (STR-07)", (begun.type, begun.id), ("code_interpreter", call.id))
    # The handler calls this again at the end of the run.
    [(done,), *_] = recorder.all_of("on_tool_call_done")
    # What the client has put together from the deltas is what the server has stored (SDK-05).
    expect("code, put together", done.code_interpreter.input, cell.input)
    told = [(one.type, getattr(one, "logs", None)) for one in done.code_interpreter.outputs]
    expect("outputs, put together", told, [("logs", PRINTED), ("image", None)])
    deltas = [delta.code_interpreter for delta, _ in recorder.all_of("on_tool_call_delta")]
    pieces = [delta.input for delta in deltas if delta.input]
    expect("told as it was written", len(pieces) > 1, True)
    return cell.outputs[1].image.file_id


async def check_chart(client, message, file_id):
    picture = message.content[0]
    expect("the chart comes first (ANN-05)", picture.type, "image_file")
    expect("and is that of the step", picture.image_file.file_id, file_id)
    file = await got(client.files.retrieve(file_id))
    expect("purpose (FILE-03)", file.purpose, "assistants_output")
    data = (await got(client.files.content(file_id))).content
    expect("size", len(data), file.bytes)
    expect("a whole PNG", (data[:8], data[-8:-4]), (b"\x89PNG\r\n\x1a\n", b"IEND"))
    width, height = struct.unpack(">II", data[16:24])
    expect("with room for a chart", width > 200 and height > 200, True)


async def check_workbook(client, message):
    text = message.content[-1].text
    expect("answer", text.value, ANSWER)
    [link] = text.annotations
    expect("link (ANN-04)", (link.type, link.text), ("file_path", ADDRESS))
    # Code points, as Python counts them (ANN-02).
    expect("exact", text.value[link.start_index : link.end_index], ADDRESS)
    file = await got(client.files.retrieve(link.file_path.file_id))
    expect("file", (file.filename, file.purpose), ("sales.xlsx", "assistants_output"))
    data = (await got(client.files.content(file.id))).content
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        expect("no page is damaged", book.testzip(), None)
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    expect("values", [f"<v>{n}</v>" in sheet for n in (10, 20, 30, 60)], [True] * 4)


async def state_stays(client, assistant, thread):
    """A later run of the thread goes on with the variables of the earlier one (ANN-08)."""
    await got(client.beta.threads.messages.create(thread.id, role="user", content=AGAIN))
    _, message, steps = await streamed(client, assistant, thread)
    [call] = steps[0].step_details.tool_calls
    expect("outputs", [one.logs for one in call.code_interpreter.outputs], [PRINTED])
    [part] = message.content
    expect("and links to its file", part.text.annotations[0].text, ADDRESS)


async def scenario(client):
    file = await got(client.files.create(file=SALES, purpose="assistants"))
    assistant = await new_assistant(client, tools=[CODE])
    thread = await asked_thread(client, file)
    recorder, message, steps = await streamed(client, assistant, thread)
    image_id = check_step(recorder, steps)
    await check_chart(client, message, image_id)
    await check_workbook(client, message)
    [_, listed] = await each(client.beta.threads.messages.list(thread.id, order="asc"))
    expect("the stored message", listed.content, message.content)
    await state_stays(client, assistant, thread)


play(scenario)
