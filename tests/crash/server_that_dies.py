"""`understudy serve`, in a process that kills itself at the commit that it is told.

It is a commit of the rows, or of the index of chunks, which has files of its own. Only commits that
changed something count, so that the count is the same in every run. What the sweeper does without
finding anything changes nothing.
"""

import os
import signal
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from understudy.cli.main import main
from understudy.storage.sqlite import chunk_files, database


@dataclass(frozen=True)
class Death:
    """When the process shall die: just before or just after its commit of that number."""

    when: Literal["before", "after"]
    commit: int
    of: Literal["rows", "index"] = "rows"

    def __str__(self) -> str:
        return f"{self.when}-{self.commit}"


class _MortalConnection(sqlite3.Connection):
    """A connection that kills its process with SIGKILL, which nothing can catch."""

    death: Death | None = None
    commits = 0
    _changes_before = 0

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql == "BEGIN IMMEDIATE":
            self._changes_before = self.total_changes
        if sql != "COMMIT" or self.total_changes == self._changes_before:
            return super().execute(sql, parameters)
        _MortalConnection.commits += 1
        self._die_if_it_is_time("before")
        cursor = super().execute(sql, parameters)
        self._die_if_it_is_time("after")
        return cursor

    def _die_if_it_is_time(self, when: str) -> None:
        if self.death is not None and (when, self.commits) == (self.death.when, self.death.commit):
            os.kill(os.getpid(), signal.SIGKILL)


class _Sqlite(ModuleType):
    """The sqlite3 module as the database module shall see it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)

    def connect(self, path: Path | str, **options: Any) -> sqlite3.Connection:
        of = "index" if "/indexes/" in str(path) else "rows"
        death = _MortalConnection.death
        if death is not None and death.of == of:
            options["factory"] = _MortalConnection
        connection: sqlite3.Connection = sqlite3.connect(path, **options)
        return connection


def serve(arguments: list[str], settings: dict[str, str], log: Path, death: Death | None) -> None:
    """Run the ordinary command in this process, with its output in the log."""
    with log.open("ab") as sink:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
    for name in [name for name in os.environ if name.startswith("UNDERSTUDY_")]:
        del os.environ[name]
    os.environ.update(settings)
    if death is not None:
        _MortalConnection.death = death
        for module in (database, chunk_files):
            vars(module)["sqlite3"] = _Sqlite("sqlite3")
    sys.argv = ["understudy", "serve", *arguments]
    main()
