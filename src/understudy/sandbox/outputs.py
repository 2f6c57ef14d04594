"""What a session gives back, as the rest of the server sees it."""

from dataclasses import dataclass
from typing import Literal

TextSource = Literal["stdout", "stderr", "result", "traceback"]
ImageType = Literal["png", "jpeg"]
EndStatus = Literal["done", "failed", "interrupted", "died"]
EndReason = Literal["", "time", "memory", "output", "request", "protocol", "exit", "closed"]


@dataclass(frozen=True, slots=True)
class TextOutput:
    """A piece of text. It has no NUL and no lone surrogates; escape sequences pass."""

    source: TextSource
    text: str


@dataclass(frozen=True, slots=True)
class ImageOutput:
    """A whole image as the cell made it; only its first bytes were looked at."""

    type: ImageType
    data: bytes


@dataclass(frozen=True, slots=True)
class CellEnded:
    """The last of a cell's outputs.

    ``failed`` means that it raised. ``interrupted`` gives the reason, and the session goes on with
    its state. After ``died`` the state is lost and the session must be acquired again; its files
    can still be fetched until then. ``truncated`` says that not all output was kept.
    """

    status: EndStatus
    reason: EndReason = ""
    truncated: bool = False


Output = TextOutput | ImageOutput | CellEnded


@dataclass(frozen=True, slots=True)
class ProducedFile:
    """A plain file below /mnt/data; the path is relative to that."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class AbsentFiles:
    """Names that no plain file in /mnt/data has, and those for which there was no room before."""

    gone: frozenset[str]
    unfit: frozenset[str]
