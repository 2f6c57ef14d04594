"""The refusals that operations share, in the words of the hosted API (contract section 3)."""

from collections.abc import Sequence

from understudy.errors import InvalidRequest, NotFound
from understudy.storage.base import Kind
from understudy.wire import v1
from understudy.wire.era import Era
from understudy.wire.objects.runs import RunStatus
from understudy.wire.objects.tools import ToolResources
from understudy.wire.params.vector_stores import NewVectorStore

_NOUNS: dict[Kind, str] = {
    "assistant": "assistant",
    "thread": "thread",
    "message": "message",
    "run": "run",
    "run_step": "run step",
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


def refuse_vector_stores(resources: ToolResources, new: Sequence[NewVectorStore]) -> None:
    """Refuse what this release cannot keep, rather than forget it (ERR-41)."""
    if resources.file_search is not None and resources.file_search.vector_store_ids:
        store_id = resources.file_search.vector_store_ids[0]
        raise NotFound(f"No vector store found with id '{store_id}'.")
    if new:
        raise InvalidRequest(
            "Vector stores are not available on this server.",
            param="tool_resources.file_search",
            code="unsupported_parameter",
        )
