"""The file search tutorial of the official documentation, as its readers typed it in.

Only the model, the files and the question are others, and what it prints is looked at in the end.
"""

import contextlib
import io
import tempfile
from pathlib import Path

from citing import ANSWER
from common import MODEL, expect
from documents import GUEST, MENU, PRICES, SOUP, hours
from openai import AssistantEventHandler, OpenAI

client = OpenAI()
# Until 2025 the page had `client.beta.vector_stores` here (VS-15).
vector_stores = getattr(client, "vector_stores", None) or client.beta.vector_stores


def tutorial(folder):
    assistant = client.beta.assistants.create(
        name="Waiter",
        instructions="You know this restaurant. Use your knowledge base to answer questions.",
        model=MODEL,
        tools=[{"type": "file_search"}],
    )

    # Create a vector store called "Restaurant"
    vector_store = vector_stores.create(name="Restaurant")

    # Ready the files for upload
    file_paths = [folder / name for name in ("menu.md", "prices.txt", "hours.docx")]
    file_streams = [open(path, "rb") for path in file_paths]

    # Use the upload and poll SDK helper to upload the files, add them to the vector store,
    # and poll the status of the file batch for completion.
    file_batch = vector_stores.file_batches.upload_and_poll(
        vector_store_id=vector_store.id, files=file_streams
    )

    # You can print the status and the file counts of the batch to see the result of this operation.
    print(file_batch.status)
    print(file_batch.file_counts)

    assistant = client.beta.assistants.update(
        assistant_id=assistant.id,
        tool_resources={"file_search": {"vector_store_ids": [vector_store.id]}},
    )

    # Upload the user provided file
    message_file = client.files.create(file=open(folder / "guest.html", "rb"), purpose="assistants")

    # Create a thread and attach the file to the message
    thread = client.beta.threads.create(
        messages=[
            {
                "role": "user",
                "content": SOUP,
                # Attach the new file to the message.
                "attachments": [{"file_id": message_file.id, "tools": [{"type": "file_search"}]}],
            }
        ]
    )

    # The thread now has a vector store with that file in its tool resources.
    print(thread.tool_resources.file_search)

    # Then, we use the stream SDK helper with the EventHandler class to create the Run and stream
    # the response.
    with client.beta.threads.runs.stream(
        thread_id=thread.id,
        assistant_id=assistant.id,
        instructions="Please address the user as Jane Doe. The user has a premium account.",
        event_handler=EventHandler(),
    ) as stream:
        stream.until_done()

    # Use the create and poll SDK helper to create a run and poll the status of the run until it's
    # in a terminal state.
    client.beta.threads.messages.create(thread_id=thread.id, role="user", content=SOUP)
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    messages = list(client.beta.threads.messages.list(thread_id=thread.id, run_id=run.id))

    message_content = messages[0].content[0].text
    annotations = message_content.annotations
    citations = []
    for index, annotation in enumerate(annotations):
        message_content.value = message_content.value.replace(annotation.text, f"[{index}]")
        if file_citation := getattr(annotation, "file_citation", None):
            cited_file = client.files.retrieve(file_citation.file_id)
            citations.append(f"[{index}] {cited_file.filename}")

    print(message_content.value)
    print("\n".join(citations))


class EventHandler(AssistantEventHandler):
    def on_text_created(self, text) -> None:
        print(f"\nassistant > ", end="", flush=True)

    def on_tool_call_created(self, tool_call):
        print(f"\nassistant > {tool_call.type}\n", flush=True)

    def on_message_done(self, message) -> None:
        # print a citation to the file searched
        message_content = message.content[0].text
        annotations = message_content.annotations
        citations = []
        for index, annotation in enumerate(annotations):
            message_content.value = message_content.value.replace(annotation.text, f"[{index}]")
            if file_citation := getattr(annotation, "file_citation", None):
                cited_file = client.files.retrieve(file_citation.file_id)
                citations.append(f"[{index}] {cited_file.filename}")

        print(message_content.value)
        print("\n".join(citations))


def printed():
    """Return the lines that the tutorial prints."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as out:
        for name, content in (MENU, PRICES, GUEST, hours()):
            (Path(folder) / name).write_bytes(content)
        tutorial(Path(folder))
    return [line for line in out.getvalue().splitlines() if line]


CITED = ["[0] menu.md", "[1] prices.txt", "[2] guest.html"]

status, counts, resources, *told = printed()
expect("batch (VS-09)", status, "completed")
expect("all are read", "completed=3, failed=0, in_progress=0, total=3" in counts, True)
expect("the thread's store (MSG-07)", "vector_store_ids=['vs_" in resources, True)
expect("streamed", told[:5], ["assistant > file_search", f"assistant > {ANSWER}", *CITED])
expect("polled", told[5:], [ANSWER, *CITED])
print('{"passed": true}')
