"""Assistants, and the files that v1 attached to them."""

from functools import partial

from msgspec import UNSET
from msgspec.structs import asdict, replace

from understudy.errors import InvalidRequest, NotFound
from understudy.ids import new_id
from understudy.operations.file_uses import resource_files
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import change, find, missing_files_refused, page
from understudy.operations.refusals import no_such, no_such_model, refuse_vector_stores
from understudy.storage.base import (
    Answer,
    Conflict,
    Delete,
    Insert,
    Replace,
    Row,
    Rows,
    Scope,
    Slice,
)
from understudy.wire import v1
from understudy.wire.encoding import decode_assistant, encode
from understudy.wire.objects.assistants import Assistant
from understudy.wire.objects.tools import (
    CodeInterpreterResources,
    CodeInterpreterTool,
    Tool,
    ToolResources,
)
from understudy.wire.params.assistants import AssistantChanges, NewAssistant
from understudy.wire.params.response_formats import check_response_format

V1_FILES_MAX = 20


async def create(ports: Ports, caller: Caller, new: NewAssistant) -> Row:
    """Create an assistant (ASST-03)."""
    refuse_vector_stores(new.tool_resources, new.new_vector_stores)
    if not ports.models.knows(new.model):
        raise no_such_model(new.model)
    check_response_format(new.response_format, new.tools)
    await missing_files_refused(ports, caller, resource_files(new.tool_resources) + new.file_ids)
    assistant = _assistant(new, ports.now)
    body, file_ids = encode(assistant), tuple(new.file_ids)
    await ports.storage.write(
        *caller.answers("assistant", body, file_ids, ports.now),
        Insert(
            kind="assistant",
            project_id=caller.project_id,
            id=assistant.id,
            created_at=assistant.created_at,
            body=body,
            file_ids=file_ids,
            uses=_uses(assistant, file_ids),
        ),
    )
    return Row(assistant.id, body, file_ids)


def _assistant(new: NewAssistant, now: int) -> Assistant:
    return Assistant(
        id=new_id("asst"),
        created_at=now,
        name=new.name,
        description=new.description,
        model=new.model,
        instructions=new.instructions,
        tools=new.tools,
        top_p=new.top_p,
        temperature=new.temperature,
        reasoning_effort=new.reasoning_effort,
        tool_resources=_resources(new.tools, new.tool_resources, new.file_ids),
        metadata=new.metadata,
        response_format=new.response_format,
    )


def _uses(assistant: Assistant, file_ids: tuple[str, ...]) -> tuple[str, ...]:
    return (*resource_files(assistant.tool_resources), *file_ids)


def _resources(tools: list[Tool], given: ToolResources, v1_file_ids: list[str]) -> ToolResources:
    """Show the files of the tools that are on (ASST-04); v1 files show in v2, too (V1V2-02)."""
    if not any(isinstance(tool, CodeInterpreterTool) for tool in tools):
        return given
    file_ids = dict.fromkeys([*resource_files(given), *v1_file_ids])
    return replace(given, code_interpreter=CodeInterpreterResources([*file_ids]))


async def get(ports: Ports, caller: Caller, assistant_id: str) -> Row:
    """Return an assistant."""
    return await find(ports, caller, "assistant", assistant_id)


async def list_page(ports: Ports, caller: Caller, part: Slice) -> Rows:
    """Return a part of the project's assistants."""
    return await page(ports, "assistant", Scope(project_id=caller.project_id), part)


async def modify(
    ports: Ports,
    caller: Caller,
    assistant_id: str,
    changes: AssistantChanges,
) -> Row:
    """Change what was given and keep the rest (ASST-08)."""
    if changes.model is not UNSET and not ports.models.knows(changes.model):
        raise no_such_model(changes.model)
    await _refuse_unknown_files(ports, caller, changes)

    def decide(row: Row) -> Replace:
        assistant, file_ids = _changed(decode_assistant(row.body), row.file_ids, changes)
        check_response_format(assistant.response_format, assistant.tools)
        return _replace(caller, row, assistant, file_ids)

    return await change(ports, caller, partial(get, ports, caller, assistant_id), decide)


async def _refuse_unknown_files(ports: Ports, caller: Caller, changes: AssistantChanges) -> None:
    named = [] if changes.file_ids is UNSET else [*changes.file_ids]
    if isinstance(changes.tool_resources, ToolResources):
        refuse_vector_stores(changes.tool_resources, ())
        named += resource_files(changes.tool_resources)
    await missing_files_refused(ports, caller, named)


def _changed(
    old: Assistant, old_file_ids: tuple[str, ...], changes: AssistantChanges
) -> tuple[Assistant, tuple[str, ...]]:
    """Return the changed assistant: v1 writes show in v2, v2 writes do not in v1 (V1V2-03)."""
    fields = {
        name: value
        for name, value in asdict(changes).items()
        if value is not UNSET and name not in ("file_ids", "tool_resources")
    }
    file_ids = old_file_ids if changes.file_ids is UNSET else tuple(changes.file_ids)
    resources = _changed_resources(old.tool_resources, changes.tool_resources)
    dropped = set(old_file_ids) - set(file_ids)
    if resources.code_interpreter is not None and dropped:
        left = [one for one in resource_files(resources) if one not in dropped]
        resources = replace(resources, code_interpreter=CodeInterpreterResources(left))
    new = replace(old, **fields)
    added = [one for one in file_ids if one not in old_file_ids]
    return replace(new, tool_resources=_resources(new.tools, resources, added)), file_ids


def _changed_resources(old: ToolResources, given: object) -> ToolResources:
    """Replace each named resource as a whole; null clears them all."""
    if given is None:
        return ToolResources()
    if not isinstance(given, ToolResources):
        return old
    return ToolResources(
        code_interpreter=given.code_interpreter or old.code_interpreter,
        file_search=given.file_search or old.file_search,
    )


def _replace(caller: Caller, row: Row, assistant: Assistant, file_ids: tuple[str, ...]) -> Replace:
    return Replace(
        kind="assistant",
        project_id=caller.project_id,
        id=row.id,
        read=row,
        body=encode(assistant),
        file_ids=file_ids,
        uses=_uses(assistant, file_ids),
    )


async def delete(ports: Ports, caller: Caller, assistant_id: str) -> None:
    """Delete an assistant; its threads and runs go on without it (ASST-11)."""
    order = Delete(kind="assistant", project_id=caller.project_id, id=assistant_id, now=ports.now)
    try:
        await ports.storage.write(order)
    except Conflict as conflict:
        raise no_such("assistant", assistant_id) from conflict


async def attach_file(ports: Ports, caller: Caller, assistant_id: str, file_id: str) -> Row:
    """Attach a file to a v1 assistant and return the object that stands for that (ASST-10)."""
    row = await get(ports, caller, assistant_id)
    await missing_files_refused(ports, caller, [file_id])
    created_at = decode_assistant(row.body).created_at
    body = encode(v1.assistant_file(file_id, created_at, assistant_id))

    def decide(row: Row) -> Replace:
        file_ids = [*dict.fromkeys([*row.file_ids, file_id])]
        if len(file_ids) > V1_FILES_MAX:
            raise InvalidRequest(
                "Assistant support at most 20 files, remove some files before adding new ones."
            )
        return _with_files(caller, row, file_ids)

    def answers(_: Replace) -> tuple[Answer, ...]:
        return caller.answers("assistant_file", body, (), ports.now)

    await change(ports, caller, partial(get, ports, caller, assistant_id), decide, answers)
    return Row(file_id, body)


def _with_files(caller: Caller, row: Row, file_ids: list[str]) -> Replace:
    changes = AssistantChanges(file_ids=file_ids)
    assistant, changed = _changed(decode_assistant(row.body), row.file_ids, changes)
    return _replace(caller, row, assistant, changed)


async def attached_file(ports: Ports, caller: Caller, assistant_id: str, file_id: str) -> Row:
    """Return the v1 assistant that has this file attached. Raises NotFound if it has not."""
    row = await get(ports, caller, assistant_id)
    if file_id not in row.file_ids:
        raise NotFound(f"No assistant file found with id '{file_id}'.")
    return row


async def detach_file(ports: Ports, caller: Caller, assistant_id: str, file_id: str) -> None:
    """Detach a file from a v1 assistant, in both views (V1V2-04); the file itself stays."""

    def decide(row: Row) -> Replace:
        left = [one for one in row.file_ids if one != file_id]
        return _with_files(caller, row, left)

    read = partial(attached_file, ports, caller, assistant_id, file_id)
    await change(ports, caller, read, decide)
