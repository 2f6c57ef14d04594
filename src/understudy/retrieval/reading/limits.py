"""What reading a file may cost."""

from msgspec import Struct

from understudy.retrieval.parsing.limits import ParsingLimits

GIBIBYTE = 1024 * 1024 * 1024


class ReadingLimits(Struct, frozen=True, kw_only=True):
    """Time is that of the processor, memory comes beside what all reading processes share."""

    seconds_max: int = 120
    memory_bytes_max: int = GIBIBYTE
    tokens_max: int = 5_000_000
    parsing: ParsingLimits = ParsingLimits()
