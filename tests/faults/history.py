"""The history of a fault run: one line of JSON for each thing that was seen, in the order it was.

Whoever takes part writes here: the clients, the model, the one who makes the faults. The checker
reads nothing else. Every line has a number ``n``, the wall clock ``at`` and one of these ``what``:

    began        mode, seed, lease_seconds
    asked        ask, job, api, method, path, body, key, headers
    answered     ask, status, body                            its whole answer
    unanswered   ask, cause                                   it broke off: nobody knows what it did
    opened       reader, connection, ask, after               the answer is a stream of events
    event        reader, connection, id, name, data
    closed       reader, connection, how                      done | left | broken
    job          job, kind, thread                            a client sets out
    job_over     job, run                                     it has what it wanted
    gave_up      job, cause                                   it was not served in time
    model_asked  call, by, job, turn, context, answer         by: the process that asks
    model_told   call, how                                    whole | refused | broken | left
    executed     tool, job, by                                 a hosted tool does its work
    function     job, run, call, output                       the client does a function's work
    fault        fault, kind, target
    fault_over   fault
    final        thread, runs, steps, messages                as the API tells them at the end
    final_store  store, body, files, chunks, text
    ended

A ``reader`` is somebody who follows one run from its first event on; when a connection breaks, it
comes back on the next one with the last id that it saw. A ``job`` is a label that stands in the
run's metadata, in the message that it answers and in every word of the model's answer.
"""

import itertools
import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class History:
    """Appends lines; each is written through, so that they survive their writer."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)
        self._numbers = itertools.count()
        self._calls = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def new_number(self) -> int:
        """Return a number for a request, a connection, a fault or a model's call."""
        return next(self._calls)

    def note(self, what: str, **fields: Any) -> None:
        """Write one line."""
        line = {"n": next(self._numbers), "at": time.time(), "what": what, **fields}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
