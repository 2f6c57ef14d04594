"""The cells of the load, and who sends them to a runner.

A cell cannot reach out of its sandbox to say that it runs. So it bears the label of its job, and
the wire from each worker to the runner is listened to.
"""

import re
from collections.abc import Callable

from .history import History

PRINT_SECONDS = 0.03
_LABEL = re.compile(rb"# cell of \[([\w.-]+)\]")
_CODE = """# cell of [{job}]
import time
for n in range({lines}):
    print("{job}", n)
    time.sleep({pause})
"""
# A runner for a machine of two cores, on which everything else is running, too.
ROOM = ("--sessions-max", "12", "--warm", "1", "--memory-mib", "256", "--cell-seconds", "20")


def cell(job: str, lines: int) -> str:
    """Return code that prints so many lines, one after the other."""
    return _CODE.format(job=job, lines=lines, pause=PRINT_SECONDS)


def listener(history: History, by: str) -> Callable[[bytes], None]:
    """Return what notes the cells among the bytes that this process sends.

    A label that falls on the border of two pieces is missed, which accuses nobody.
    """

    def hear(piece: bytes) -> None:
        for label in _LABEL.findall(piece):
            history.note("executed", tool="code_interpreter", job=label.decode(), by=by)

    return hear
