"""The refusals that operations share, in the words of the hosted API (contract section 3)."""

from collections.abc import Sequence

from understudy.errors import InvalidRequest, NotFound
from understudy.storage.records import Kind
from understudy.wire import v1
from understudy.wire.era import Era
from understudy.wire.objects.runs import RunStatus

_NOUNS: dict[Kind, str] = {
    "assistant": "assistant",
    "thread": "thread",
    "message": "message",
    "run": "run",
    "run_step": "run step",
    "vector_store": "vector store",
}


def status_shown(status: RunStatus, era: Era) -> str:
    """Return the status as the era knows it (RUN-1E)."""
    return v1.status(status) if era == "v1" else status


def no_such(kind: Kind, object_id: str) -> NotFound:
    """ERR-40, and ERR-42 for files."""
    if kind == "file":
        return NotFound(f"No such File object: {object_id}", param="id")
    return NotFound(f"No {_NOUNS[kind]} found with id '{object_id}'.")


def files_not_found(file_ids: Sequence[str]) -> NotFound:
    """ERR-43."""
    return NotFound(f"Files [{', '.join(file_ids)}] were not found")


def no_such_entry(store_id: str, file_id: str) -> NotFound:
    """ERR-41, for a file that is not in the store."""
    return NotFound(f"No file found with id '{file_id}' in vector store '{store_id}'.")


def no_such_batch(store_id: str, batch_id: str) -> NotFound:
    """ERR-41, for a batch."""
    return NotFound(f"No file batch found with id '{batch_id}' in vector store '{store_id}'.")


def store_expired(store_id: str) -> InvalidRequest:
    """Say that a store is over for ever (VS-03)."""
    return InvalidRequest(f"Vector store '{store_id}' has expired.", code="vector_store_expired")


def store_is_full(store_id: str, files_max: int) -> InvalidRequest:
    """Say that a store takes no more files (VS-14)."""
    return InvalidRequest(
        f"Vector store '{store_id}' can have at most {files_max} files.",
        code="vector_store_files_limit_exceeded",
    )


def thread_has_active_run(thread_id: str, run_id: str) -> InvalidRequest:
    """ERR-51."""
    return InvalidRequest(f"Thread {thread_id} already has an active run {run_id}.")


def thread_is_locked(thread_id: str, run_id: str) -> InvalidRequest:
    """ERR-50."""
    return InvalidRequest(f"Can't add messages to {thread_id} while a run {run_id} is active.")


def run_takes_no_outputs(status: RunStatus, era: Era) -> InvalidRequest:
    """ERR-52."""
    shown = status_shown(status, era)
    return InvalidRequest(f'Runs in status "{shown}" do not accept tool outputs.')


def run_cannot_be_cancelled(status: RunStatus, era: Era) -> InvalidRequest:
    """ERR-53."""
    return InvalidRequest(f"Cannot cancel run with status '{status_shown(status, era)}'.")


def wrong_tool_outputs(expected: Sequence[str], got: Sequence[str]) -> InvalidRequest:
    """ERR-55."""
    return InvalidRequest(f"Expected tool outputs for call_ids {[*expected]}, got {[*got]}")


def nothing_to_go_on() -> InvalidRequest:
    """ERR-56."""
    return InvalidRequest(
        "Run creation requires a Thread with a user message or an assistant with instructions.",
        code="invalid_thread",
    )


def no_such_model(model: str) -> InvalidRequest:
    """ERR-58, with what to do about it here."""
    return InvalidRequest(
        f"The requested model '{model}' does not exist. Attach an endpoint that serves it "
        "(UNDERSTUDY_UPSTREAM_URL), or add an alias for it to understudy.toml.",
        param="model",
        code="model_not_found",
    )


def not_for_retrieval(extensions: Sequence[str]) -> InvalidRequest:
    """ERR-62."""
    return InvalidRequest(
        f"Files with extensions [{', '.join(extensions)}] are not supported for retrieval. See "
        "https://platform.openai.com/docs/assistants/tools/file-search/supported-files",
        param="file_ids",
        code="unsupported_file",
    )


def cannot_index(file_id: str, extension: str) -> InvalidRequest:
    """ERR-63; the end of the hosted text is unknown."""
    return InvalidRequest(f"Failed to index file: Unsupported file {file_id} type: {extension}")
