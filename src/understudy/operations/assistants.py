"""Assistants, and the files that v1 attached to them."""

from collections.abc import Sequence
from functools import partial

from msgspec import UNSET
from msgspec.structs import asdict, replace

from understudy.errors import InvalidRequest, NotFound
from understudy.ids import new_id
from understudy.operations.ports import Caller, Ports
from understudy.operations.reading import find, missing_files_refused, page, retried
from understudy.operations.refusals import no_such, no_such_model
from understudy.operations.tool_stores import Supplied, bring, missing_stores_refused, write
from understudy.operations.v1_files import V1Files, follow
from understudy.storage.changes import Change, Delete, Insert, Replace
from understudy.storage.records import Conflict, Row, Rows, Scope, Slice
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
    if not ports.models.knows(new.model):
        raise no_such_model(new.model)
    check_response_format(new.response_format, new.tools)
    await missing_files_refused(ports, caller, new.tool_resources.file_ids + new.file_ids)
    await missing_stores_refused(ports, caller, new.tool_resources)
    return await retried(partial(_create, ports, caller, new))


async def _create(ports: Ports, caller: Caller, new: NewAssistant) -> Row:
    resources, stores = await _first_resources(ports, caller, new)
    assistant = _assistant(new, resources, ports.now)
    body, file_ids = encode(assistant), tuple(new.file_ids)
    await write(
        ports,
        *caller.answers("assistant", body, file_ids, ports.now),
        *stores,
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


async def _first_resources(ports: Ports, caller: Caller, new: NewAssistant) -> Supplied:
    """Return what the tools get: a store made for v2 (ASST-07), or the files of v1 (V1V2-02)."""
    if new.new_vector_stores:
        (store,) = new.new_vector_stores
        return await bring(ports, caller, new.tool_resources, store)
    after = V1Files(tuple(new.file_ids), new.tools)
    return await follow(ports, caller, new.tool_resources, V1Files(), after)


def _assistant(new: NewAssistant, resources: ToolResources, now: int) -> Assistant:
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
        tool_resources=_for_tools(resources, new.tools),
        metadata=new.metadata,
        response_format=new.response_format,
    )


def _uses(assistant: Assistant, file_ids: tuple[str, ...]) -> tuple[str, ...]:
    return (*assistant.tool_resources.file_ids, *file_ids)


def _for_tools(resources: ToolResources, tools: Sequence[Tool]) -> ToolResources:
    """Show a list of files, empty or not, once the code interpreter is on (ASST-04)."""
    is_on = any(isinstance(tool, CodeInterpreterTool) for tool in tools)
    if not is_on or resources.code_interpreter is not None:
        return resources
    return replace(resources, code_interpreter=CodeInterpreterResources())


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

    async def attempt() -> Row:
        row = await get(ports, caller, assistant_id)
        new, stores = await _change(ports, caller, row, changes)
        answers = caller.answers("assistant", new.body, new.file_ids, ports.now)
        await write(ports, *answers, *stores, new)
        return Row(new.id, new.body, new.file_ids)

    return await retried(attempt)


async def _refuse_unknown_files(ports: Ports, caller: Caller, changes: AssistantChanges) -> None:
    named = [] if changes.file_ids is UNSET else [*changes.file_ids]
    if isinstance(changes.tool_resources, ToolResources):
        named += changes.tool_resources.file_ids
    await missing_files_refused(ports, caller, named)


async def _change(
    ports: Ports, caller: Caller, row: Row, changes: AssistantChanges
) -> tuple[Replace, tuple[Change, ...]]:
    """Return the changed assistant, and what has to be written for its store."""
    old = decode_assistant(row.body)
    fields = {
        name: value
        for name, value in asdict(changes).items()
        if value is not UNSET and name not in ("file_ids", "tool_resources")
    }
    new = replace(old, **fields)
    check_response_format(new.response_format, new.tools)
    file_ids = row.file_ids if changes.file_ids is UNSET else tuple(changes.file_ids)
    before, after = V1Files(row.file_ids, old.tools), V1Files(file_ids, new.tools)
    resources, stores = await _changed_resources(ports, caller, old, changes, before, after)
    new = replace(new, tool_resources=_for_tools(resources, new.tools))
    return _replace(caller, row, new, file_ids), stores


async def _changed_resources(
    ports: Ports,
    caller: Caller,
    old: Assistant,
    changes: AssistantChanges,
    before: V1Files,
    after: V1Files,
) -> Supplied:
    """Return what v2 asks for, else what follows from v1's files; null clears all (V1V2-03)."""
    asked, had = changes.tool_resources, old.tool_resources
    if asked is UNSET:
        return await follow(ports, caller, had, before, after)
    if asked is None:
        return ToolResources(), ()
    await missing_stores_refused(ports, caller, asked, had)
    resources = ToolResources(
        code_interpreter=asked.code_interpreter or had.code_interpreter,
        file_search=asked.file_search or had.file_search,
    )
    return resources, ()


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
    await get(ports, caller, assistant_id)
    await missing_files_refused(ports, caller, [file_id])

    async def attempt() -> Row:
        row = await get(ports, caller, assistant_id)
        created_at = decode_assistant(row.body).created_at
        body = encode(v1.assistant_file(file_id, created_at, assistant_id))
        file_ids = [*dict.fromkeys([*row.file_ids, file_id])]
        if len(file_ids) > V1_FILES_MAX:
            raise InvalidRequest(
                "Assistant support at most 20 files, remove some files before adding new ones."
            )
        new, stores = await _change(ports, caller, row, AssistantChanges(file_ids=file_ids))
        answers = caller.answers("assistant_file", body, (), ports.now)
        await write(ports, *answers, *stores, new)
        return Row(file_id, body)

    return await retried(attempt)


async def attached_file(ports: Ports, caller: Caller, assistant_id: str, file_id: str) -> Row:
    """Return the v1 assistant that has this file attached. Raises NotFound if it has not."""
    row = await get(ports, caller, assistant_id)
    if file_id not in row.file_ids:
        raise NotFound(f"No assistant file found with id '{file_id}'.")
    return row


async def detach_file(ports: Ports, caller: Caller, assistant_id: str, file_id: str) -> None:
    """Detach a file from a v1 assistant, in both views (V1V2-04); the file itself stays."""

    async def attempt() -> None:
        row = await attached_file(ports, caller, assistant_id, file_id)
        left = [one for one in row.file_ids if one != file_id]
        new, stores = await _change(ports, caller, row, AssistantChanges(file_ids=left))
        await write(ports, *stores, new)

    await retried(attempt)
