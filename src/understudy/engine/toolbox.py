"""The hosted tools that a run can use, and the making of their calls."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import partial

from understudy.engine.drafts import CallDraft, CodeCallDraft, SearchCallDraft
from understudy.runs.cells import made_files
from understudy.runs.citations import next_place, sources
from understudy.runs.citing import Citing
from understudy.runs.hosted import HostedType, Offers, begun_search, hosted_names, hosted_types
from understudy.runs.linking import Linking
from understudy.runs.marking import Marking
from understudy.runs.state import RunState
from understudy.storage.base import Storage
from understudy.storage.thread_steps import latest_steps
from understudy.tools.base import HostedTool, ToolUse
from understudy.wire.deltas import CellOutputDelta
from understudy.wire.objects.runs import Run
from understudy.wire.objects.steps import ToolCall

Tools = Mapping[HostedType, HostedTool]
# Tells a piece of the output of the call with that index.
TellOutput = Callable[[int, CellOutputDelta], None]


def missing_tools(run: Run, tools: Tools) -> list[HostedType]:
    """Return the types of the run's tools that this server does not have."""
    return [type_ for type_ in hosted_types(run) if type_ not in tools]


class Toolbox:
    """What the model of one run may call besides the client's functions."""

    def __init__(
        self,
        run: Run,
        project_id: str,
        storage: Storage,
        tools: Tools,
        ensure_lease: Callable[[], Awaitable[None]],
    ) -> None:
        self._run = run
        self._project_id = project_id
        self._storage = storage
        self._ensure_lease = ensure_lease
        self._tools = {name: tools[type_] for type_, name in hosted_names(run).items()}
        self._made_before: dict[str, str] = {}

    async def offers(self) -> Offers:
        """Return the tools that the run can use. Raises ToolFailed when it cannot go on."""
        if self._has("code_interpreter"):
            steps = await latest_steps(self._storage, self._project_id, self._run.thread_id)
            self._made_before = made_files(steps)
        offered = {
            tool.type: await tool.offered(self._run, self._project_id)
            for tool in self._tools.values()
        }
        return {type_: tool for type_, tool in offered.items() if tool is not None}

    def marking(self, state: RunState) -> Marking | None:
        """Return what finds marks in the model's text, or None for a run without hosted tools.

        A run that has found nothing, yet, needs it, too: its model may copy markers from older
        answers of the thread, or make them up. Its links may lead to files of earlier runs.
        """
        if not self._tools:
            return None
        made = self._made_before | made_files(state.steps)
        return Marking(
            Citing(sources(state.steps)) if self._has("file_search") else None,
            Linking(made) if made else None,
        )

    def _has(self, type_: HostedType) -> bool:
        return any(tool.type == type_ for tool in self._tools.values())

    def draft(self, call_id: str, name: str) -> CallDraft:
        """Return a call that the model begins to write."""
        tool = self._tools.get(name)
        if tool is None:
            return CallDraft(call_id, name)
        if tool.type == "code_interpreter":
            return CodeCallDraft(call_id, name)
        return SearchCallDraft(call_id, name, begun_search(self._run, call_id))

    async def finished(
        self, drafts: Sequence[CallDraft], state: RunState, tell_output: TellOutput
    ) -> AsyncGenerator[ToolCall]:
        """Yield the calls in their order, those of hosted tools with what came of them."""
        place = await self._place(drafts, state)
        for number, draft in enumerate(drafts):
            tool = self._tools.get(draft.name)
            if tool is None:
                yield draft.finished()
            else:
                use = ToolUse(
                    project_id=self._project_id,
                    run=self._run,
                    place=place + number,
                    tell_output=partial(tell_output, number),
                    ensure_lease=self._ensure_lease,
                )
                await self._ensure_lease()
                yield await tool.call(use, draft.id, draft.arguments)

    async def _place(self, drafts: Sequence[CallDraft], state: RunState) -> int:
        if not any(draft.name in self._tools for draft in drafts):
            return 0
        thread = await self._storage.thread_messages(self._run.thread_id)
        return next_place(thread, state.steps)
