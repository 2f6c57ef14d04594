"""What can happen to a run: facts, named in the past tense, complete in themselves."""

from collections.abc import Mapping

from msgspec import Struct

from understudy.wire.objects.messages import Content
from understudy.wire.objects.runs import LastError, RunIncompleteReason
from understudy.wire.objects.steps import ToolCall
from understudy.wire.objects.usage import Usage


class Happening(Struct, frozen=True, kw_only=True):
    """Anything that can happen to a run."""


class Claimed(Happening, frozen=True, kw_only=True):
    """A worker took the run for a new attempt and holds it until ``lease_until`` (Unix seconds)."""

    lease_until: float


class MessageStarted(Happening, frozen=True, kw_only=True):
    """The model wrote the first piece of a message (STEP-04)."""

    message_id: str
    step_id: str


class MessageAbandoned(Happening, frozen=True, kw_only=True):
    """A message that an earlier attempt had begun will not be written after all."""


class ToolCallsStarted(Happening, frozen=True, kw_only=True):
    """The model wrote the first piece of a tool call (STEP-05).

    ``content`` is what it said before in the same turn, if it said anything.
    """

    step_id: str
    content: tuple[Content, ...] = ()


class LastWords(Struct, frozen=True, kw_only=True):
    """A message that the model wrote behind its calls, which hardly any model does."""

    message_id: str
    step_id: str
    content: tuple[Content, ...]


class HostedToolsRan(Happening, frozen=True, kw_only=True):
    """The model's turn ended with calls of hosted tools only, and these have done their work."""

    calls: tuple[ToolCall, ...]
    usage: Usage
    last_words: LastWords | None = None


class FunctionsCalled(Happening, frozen=True, kw_only=True):
    """The model's turn ended with calls of the client's functions (RUN-12).

    Calls of hosted tools among them have done their work already.
    """

    calls: tuple[ToolCall, ...]
    usage: Usage
    last_words: LastWords | None = None


class Answered(Happening, frozen=True, kw_only=True):
    """The model's turn ended with a message and nothing more to do (RUN-15)."""

    content: tuple[Content, ...]
    usage: Usage


class BudgetSpent(Happening, frozen=True, kw_only=True):
    """A token budget ran out, or the model's content filter stopped it (RUN-16)."""

    reason: RunIncompleteReason
    content: tuple[Content, ...]
    usage: Usage | None
    calls: tuple[ToolCall, ...] = ()


class ToolOutputsSubmitted(Happening, frozen=True, kw_only=True):
    """The client sent the output of every pending call, by call id (RUN-13)."""

    outputs: Mapping[str, str]


class CancelRequested(Happening, frozen=True, kw_only=True):
    """The client asked for an end (RUN-17)."""


class Cancelled(Happening, frozen=True, kw_only=True):
    """The work has stopped (RUN-18). ``content`` is what the open message holds (MSG-14).

    ``calls`` are those of the open step, as far as clients were told of them. ``unheld`` as for
    Expired.
    """

    content: tuple[Content, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    unheld: bool = False


class Expired(Happening, frozen=True, kw_only=True):
    """The time for the run is over (RUN-19).

    ``unheld`` when no worker has the run: this is then an attempt of its own, so that its events
    come behind whatever a worker that died had told.
    """

    content: tuple[Content, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    unheld: bool = False


class Failed(Happening, frozen=True, kw_only=True):
    """The model, a tool or the server made an error (RUN-1A)."""

    error: LastError
    content: tuple[Content, ...] = ()
    calls: tuple[ToolCall, ...] = ()
