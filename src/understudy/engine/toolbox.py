"""The hosted tools that a run can use, and the making of their calls."""

from collections.abc import Mapping, Sequence

from understudy.engine.drafts import CallDraft, HostedCallDraft
from understudy.runs.citations import next_place, sources
from understudy.runs.citing import Citing
from understudy.runs.hosted import HostedType, Offers, begun_search, hosted_names, hosted_types
from understudy.runs.state import RunState
from understudy.storage.base import Storage
from understudy.tools.base import HostedTool, ToolUse
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import ToolCall

Tools = Mapping[HostedType, HostedTool]


def missing_tools(run: Run, tools: Tools) -> list[HostedType]:
    """Return the types of the run's tools that this server does not have."""
    return [type_ for type_ in hosted_types(run) if type_ not in tools]


class Toolbox:
    """What the model of one run may call besides the client's functions."""

    def __init__(self, run: Run, project_id: str, storage: Storage, tools: Tools) -> None:
        self._run = run
        self._project_id = project_id
        self._storage = storage
        self._tools = {name: tools[type_] for type_, name in hosted_names(run).items()}

    async def offers(self) -> Offers:
        """Return the tools that the run can use. Raises ToolFailed when it cannot go on."""
        offered = {
            tool.type: await tool.offered(self._run, self._project_id)
            for tool in self._tools.values()
        }
        return {type_: tool for type_, tool in offered.items() if tool is not None}

    def citing(self, state: RunState) -> Citing | None:
        """Return what finds citations in the model's text, or None for a run that cannot search.

        A run that has found nothing, yet, needs it, too: its model may copy markers from older
        answers of the thread, or make them up.
        """
        can_search = any(tool.type == "file_search" for tool in self._tools.values())
        return Citing(sources(state.steps)) if can_search else None

    def draft(self, call_id: str, name: str) -> CallDraft:
        """Return a call that the model begins to write."""
        if name in self._tools:
            return HostedCallDraft(call_id, name, begun_search(self._run, call_id))
        return CallDraft(call_id, name)

    async def finished(self, drafts: Sequence[CallDraft], state: RunState) -> tuple[ToolCall, ...]:
        """Return the calls in their order, those of hosted tools with what came of them."""
        place = await self._place(drafts, state)
        calls: list[ToolCall] = []
        for number, draft in enumerate(drafts):
            tool = self._tools.get(draft.name)
            if tool is None:
                calls.append(draft.finished())
            else:
                use = ToolUse(project_id=self._project_id, run=self._run, place=place + number)
                calls.append(await tool.call(use, draft.id, draft.arguments))
        return tuple(calls)

    async def _place(self, drafts: Sequence[CallDraft], state: RunState) -> int:
        if not any(draft.name in self._tools for draft in drafts):
            return 0
        thread = await self._storage.thread_messages(self._run.thread_id)
        return next_place(thread, state.steps)
