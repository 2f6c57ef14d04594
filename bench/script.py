"""What the bench's model does, spelled in the model's name.

``m-d200-ttft100-rate20-stamp`` sends 200 deltas, the first after 100 ms, then 20 a second, and
writes the moment of sending into each. What a name leaves out is 1 delta, no delay, everything at
once, plain words. ``m-tool`` calls the function ``lookup`` until it has seen an output.
"""

import re
from dataclasses import dataclass
from functools import cache

TOOL_NAME = "lookup"
TOOL_ARGUMENTS = '{"city":"Bern"}'

_NUMBER = re.compile(r"-(d|ttft|rate)(\d+)")


@dataclass(frozen=True)
class Script:
    """One behaviour of the model."""

    deltas: int = 1
    ttft_ms: int = 0
    rate_per_second: int = 0
    stamped: bool = False
    calls_tool: bool = False

    @property
    def name(self) -> str:
        """Return the model name that asks for this behaviour."""
        numbers = f"-d{self.deltas}-ttft{self.ttft_ms}-rate{self.rate_per_second}"
        return "m" + numbers + "-stamp" * self.stamped + "-tool" * self.calls_tool

    @property
    def text(self) -> str:
        """Return the whole answer of a script that is not stamped."""
        return "".join(word(index) for index in range(self.deltas))


@cache
def parse(name: str) -> Script:
    """Return the behaviour that a model name asks for."""
    found = {key: int(number) for key, number in _NUMBER.findall(name)}
    return Script(
        deltas=found.get("d", 1),
        ttft_ms=found.get("ttft", 0),
        rate_per_second=found.get("rate", 0),
        stamped="-stamp" in name,
        calls_tool="-tool" in name,
    )


def word(index: int) -> str:
    """Return the text of one plain delta."""
    return f"word{index} "
