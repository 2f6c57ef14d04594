"""The one table of all routes.

A row is method, path, handler, and what the request body is. Paths stand below each of the
prefixes in ``server.py``. Rows that are asked for most stand first, since they are tried in order.
"""

from typing import Literal

from msgspec import Struct

from understudy.api import (
    assistants,
    files,
    messages,
    models,
    run_steps,
    runs,
    threads,
    uploads,
    vector_store_batches,
    vector_store_files,
    vector_stores,
)
from understudy.api.endpoint import Body, Handler
from understudy.wire.era import Era

Method = Literal["GET", "POST", "DELETE"]


class Row(Struct, frozen=True):
    """One operation; ``needs_beta`` rows want an OpenAI-Beta header (GEN-15, GEN-16)."""

    method: Method
    path: str
    handler: Handler
    body: Body = "none"
    needs_beta: bool = True
    only_era: Era | None = None


RUNS = "/threads/{thread_id}/runs"
RUN = RUNS + "/{run_id}"
MESSAGES = "/threads/{thread_id}/messages"
MESSAGE = MESSAGES + "/{message_id}"
ASSISTANT = "/assistants/{assistant_id}"
UPLOAD = "/uploads/{upload_id}"
STORE = "/vector_stores/{vector_store_id}"
STORE_FILE = STORE + "/files/{file_id}"
BATCH = STORE + "/file_batches/{batch_id}"

TABLE: tuple[Row, ...] = (
    Row("GET", RUN, runs.retrieve),
    Row("POST", RUNS, runs.create, "json"),
    Row("POST", "/threads/runs", runs.create_with_thread, "json"),
    Row("POST", MESSAGES, messages.create, "json"),
    Row("GET", MESSAGES, messages.list_),
    Row("POST", "/threads", threads.create, "json"),
    Row("POST", RUN + "/submit_tool_outputs", runs.submit_tool_outputs, "json"),
    Row("GET", RUN + "/events", runs.events),
    Row("GET", RUN + "/steps", run_steps.list_),
    Row("GET", RUN + "/steps/{step_id}", run_steps.retrieve),
    Row("GET", RUNS, runs.list_),
    Row("POST", RUN, runs.modify, "json"),
    Row("POST", RUN + "/cancel", runs.cancel, "json"),
    Row("GET", "/threads", threads.list_),
    Row("GET", "/threads/{thread_id}", threads.retrieve),
    Row("POST", "/threads/{thread_id}", threads.modify, "json"),
    Row("DELETE", "/threads/{thread_id}", threads.delete),
    Row("GET", MESSAGE, messages.retrieve),
    Row("POST", MESSAGE, messages.modify, "json"),
    Row("DELETE", MESSAGE, messages.delete),
    Row("GET", MESSAGE + "/files", messages.list_files, only_era="v1"),
    Row("GET", MESSAGE + "/files/{file_id}", messages.retrieve_file, only_era="v1"),
    Row("GET", "/assistants", assistants.list_),
    Row("POST", "/assistants", assistants.create, "json"),
    Row("GET", ASSISTANT, assistants.retrieve),
    Row("POST", ASSISTANT, assistants.modify, "json"),
    Row("DELETE", ASSISTANT, assistants.delete),
    Row("GET", ASSISTANT + "/files", assistants.list_files, only_era="v1"),
    Row("POST", ASSISTANT + "/files", assistants.create_file, "json", only_era="v1"),
    Row("GET", ASSISTANT + "/files/{file_id}", assistants.retrieve_file, only_era="v1"),
    Row("DELETE", ASSISTANT + "/files/{file_id}", assistants.delete_file, only_era="v1"),
    Row("GET", "/files", files.list_, needs_beta=False),
    Row("POST", "/files", files.create, "stream", needs_beta=False),
    Row("GET", "/files/{file_id}", files.retrieve, needs_beta=False),
    Row("DELETE", "/files/{file_id}", files.delete, needs_beta=False),
    Row("GET", "/files/{file_id}/content", files.content, needs_beta=False),
    Row("POST", UPLOAD + "/parts", uploads.add_part, "stream", needs_beta=False),
    Row("POST", "/uploads", uploads.create, "json", needs_beta=False),
    Row("POST", UPLOAD + "/complete", uploads.complete, "json", needs_beta=False),
    Row("POST", UPLOAD + "/cancel", uploads.cancel, "json", needs_beta=False),
    Row("GET", STORE, vector_stores.retrieve, needs_beta=False),
    Row("GET", STORE_FILE, vector_store_files.retrieve, needs_beta=False),
    Row("GET", BATCH, vector_store_batches.retrieve, needs_beta=False),
    Row("POST", STORE + "/search", vector_stores.search, "json", needs_beta=False),
    Row("POST", "/vector_stores", vector_stores.create, "json", needs_beta=False),
    Row("GET", "/vector_stores", vector_stores.list_, needs_beta=False),
    Row("POST", STORE, vector_stores.modify, "json", needs_beta=False),
    Row("DELETE", STORE, vector_stores.delete, needs_beta=False),
    Row("POST", STORE + "/files", vector_store_files.create, "json", needs_beta=False),
    Row("GET", STORE + "/files", vector_store_files.list_, needs_beta=False),
    Row("POST", STORE_FILE, vector_store_files.modify, "json", needs_beta=False),
    Row("DELETE", STORE_FILE, vector_store_files.delete, needs_beta=False),
    Row("GET", STORE_FILE + "/content", vector_store_files.content, needs_beta=False),
    Row("GET", STORE_FILE + "/chunks", vector_store_files.chunks, needs_beta=False),
    Row("POST", STORE + "/file_batches", vector_store_batches.create, "json", needs_beta=False),
    Row("POST", BATCH + "/cancel", vector_store_batches.cancel, "json", needs_beta=False),
    Row("GET", BATCH + "/files", vector_store_batches.list_files, needs_beta=False),
    Row("GET", "/models", models.list_, needs_beta=False),
    Row("GET", "/models/{model:path}", models.retrieve, needs_beta=False),
)
