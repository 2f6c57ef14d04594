"""Where v2 finds the files of a v1 assistant (V1V2-02 to V1V2-05).

v1 has one list of files, and v2 a list for each tool. A change of v1 is followed in v2: files that
come join the tools that are on, files that go leave both, and a tool that is switched on gets all
of them. The code interpreter loses them when it is switched off; the vector store keeps them, for
nobody searches it meanwhile, and to read them again would take time. Nothing goes the other way.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from understudy.operations.ports import Caller, Ports
from understudy.operations.refusals import cannot_index
from understudy.operations.searchable import unreadable
from understudy.operations.tool_stores import Supplied, join, leave
from understudy.wire.objects.tools import (
    CodeInterpreterResources,
    CodeInterpreterTool,
    FileSearchTool,
    Tool,
    ToolResources,
)


class V1Files(Struct, frozen=True):
    """The files of an assistant as v1 knows them, and which tools are on."""

    file_ids: tuple[str, ...] = ()
    tools: Sequence[Tool] = ()

    def has_on(self, tool: type[CodeInterpreterTool | FileSearchTool]) -> bool:
        """Return whether the tool is on."""
        return any(isinstance(one, tool) for one in self.tools)

    def used_by(self, tool: type[CodeInterpreterTool | FileSearchTool]) -> tuple[str, ...]:
        """Return the files that the tool gets: all or none."""
        return self.file_ids if self.has_on(tool) else ()


async def follow(
    ports: Ports, caller: Caller, resources: ToolResources, before: V1Files, after: V1Files
) -> Supplied:
    """Return the resources as they follow from what v1 changed.

    Raises InvalidRequest for a file that only ``retrieval`` would use and cannot read (ERR-63).
    """
    dropped = _missing(before.file_ids, after.file_ids)
    left = await leave(ports, caller, resources, dropped)
    resources = _with_code_files(resources, before, after)
    searched = await _searched(ports, caller, before, after)
    resources, joined = await join(ports, caller, resources, searched)
    return resources, (*left, *joined)


def _with_code_files(resources: ToolResources, before: V1Files, after: V1Files) -> ToolResources:
    old, new = before.used_by(CodeInterpreterTool), after.used_by(CodeInterpreterTool)
    leaving = {*_missing(old, new), *_missing(before.file_ids, after.file_ids)}
    held = resources.file_ids
    kept = [one for one in held if one not in leaving]
    file_ids = [*dict.fromkeys([*kept, *_missing(new, old)])]
    if file_ids == held:
        return resources
    shown = CodeInterpreterResources(file_ids) if file_ids else None
    return replace(resources, code_interpreter=shown)


async def _searched(ports: Ports, caller: Caller, before: V1Files, after: V1Files) -> list[str]:
    """Return the files that file_search gets now and did not have before."""
    joining = _missing(after.used_by(FileSearchTool), before.used_by(FileSearchTool))
    unread = await unreadable(ports, caller, joining)
    if unread and caller.era == "v1" and not after.has_on(CodeInterpreterTool):
        raise cannot_index(*next(iter(unread.items())))
    return [one for one in joining if one not in unread]


def _missing(these: Sequence[str], those: Sequence[str]) -> list[str]:
    """Return those of the first that are not in the second, in their order."""
    return [one for one in these if one not in those]
