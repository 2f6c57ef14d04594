"""Builds the request for the next model call of a run from its rows."""

from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from mimetypes import guess_type

from understudy.files.base import Files
from understudy.runs.context import assemble, image_file_ids
from understudy.runs.planning import Plan
from understudy.runs.state import RunState
from understudy.storage.base import Storage
from understudy.storage.records import Scope
from understudy.upstream.base import ModelRequest
from understudy.wire.encoding import decode_file
from understudy.wire.objects.messages import Message


async def build_request(
    storage: Storage, files: Files, project_id: str, state: RunState, plan: Plan
) -> ModelRequest:
    """Return the request: thread, own steps, tools and what is left of the budgets."""
    run = state.run
    messages = await storage.thread_messages(run.thread_id)
    images = await _images(storage, files, project_id, messages)
    chat = assemble(run, messages, state.steps, images, prompt_tokens_max=plan.prompt_tokens_max)
    return ModelRequest(
        model=run.model,
        messages=chat,
        tools=plan.tools,
        tool_choice=plan.tool_choice,
        parallel_tool_calls=plan.parallel_tool_calls,
        temperature=_unless_default(run.temperature),
        top_p=_unless_default(run.top_p),
        max_completion_tokens=plan.completion_tokens_max,
        response_format=plan.response_format,
        reasoning_effort=run.reasoning_effort,
    )


def _unless_default(value: float | None) -> float | None:
    """Leave out the default: some models refuse the parameter altogether (ERR-59)."""
    return None if value == 1.0 else value


async def _images(
    storage: Storage, files: Files, project_id: str, messages: Sequence[Message]
) -> dict[str, str]:
    """Return the uploaded pictures of the thread as data URLs; a deleted one is left out."""
    images: dict[str, str] = {}
    for file_id in image_file_ids(messages):
        row = await storage.fetch("file", Scope(project_id=project_id), file_id)
        if row is not None:
            with suppress(KeyError):  # deleted a moment ago
                images[file_id] = await _data_url(files, file_id, decode_file(row.body).filename)
    return images


async def _data_url(files: Files, file_id: str, name: str) -> str:
    data = b"".join([chunk async for chunk in files.read(file_id)])
    kind = guess_type(name)[0] or "image/png"
    return f"data:{kind};base64,{b64encode(data).decode()}"
