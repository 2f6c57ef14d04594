"""What the doctor asks the machine: Python, SQLite, the data folder, the port."""

import json
import os
import platform
import shutil
import sqlite3
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from understudy.cli.finding import Finding, ok, problem, warning
from understudy.cli.listening import listen
from understudy.errors import Misconfigured
from understudy.settings import Settings

PYTHON_NEEDED = (3, 11)
SQLITE_NEEDED = (3, 37, 0)
MEBIBYTE = 1024 * 1024
FREE_MEBIBYTES_GOOD = 1024
FREE_MEBIBYTES_MIN = 64
PROBE_SECONDS = 5.0


def check_python() -> Finding:
    """Look at the version of Python."""
    if sys.version_info < PYTHON_NEEDED:
        return problem("Python", f"{platform.python_version()} is too old.", "Use 3.11 or newer.")
    return ok("Python", platform.python_version())


def check_sqlite() -> Finding:
    """Look at the version of SQLite that this Python was built with."""
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < SQLITE_NEEDED:
        mend = "Use a Python that is built with SQLite 3.37 or newer."
        return problem("SQLite", f"{version} is too old.", mend)
    return ok("SQLite", version)


def check_folder(folder: Path) -> Finding:
    """Look whether the data folder can be written, and whether its disk has room."""
    shown = folder.absolute()
    if (told := _why_not_writable(shown)) is not None:
        mend = "Give this user the right to write there, or choose another folder: --data-dir."
        return problem("Data", told, mend)
    return _check_room(shown, _nearest_existing(shown))


def check_search_folders(settings: Settings) -> Finding:
    """Look whether what makes files searchable can be written: indexes, and files being read."""
    indexes = () if settings.is_shared else (settings.indexes_folder,)
    folders = (*indexes, settings.reading_folder)
    for told in map(_why_not_writable, folders):
        if told is not None:
            return problem("Search", told, "Make it a folder that this user can write to.")
    return ok("Search", f"{' and '.join(folder.name for folder in folders)} can be written")


def _why_not_writable(folder: Path) -> str | None:
    """Return why the folder could not be used or made, or None."""
    nearest = _nearest_existing(folder.absolute())
    if not nearest.is_dir():
        return f"{nearest} is not a folder."
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"User {os.getuid()} cannot write to {nearest}."
    return None


def _check_room(folder: Path, nearest: Path) -> Finding:
    free = shutil.disk_usage(nearest).free // MEBIBYTE
    told = f"{folder}, {free:,} MiB free"
    if not folder.exists():
        told += "; the first start makes it"
    if free < FREE_MEBIBYTES_MIN:
        return problem("Data", told, "Make room on that disk, or move the folder: --data-dir.")
    if free < FREE_MEBIBYTES_GOOD:
        return warning("Data", told, "Make room on that disk before it is full.")
    return ok("Data", told)


def _nearest_existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def check_port(settings: Settings) -> Finding:
    """Look whether the address is free, or our server is the one that listens there."""
    where = f"{settings.host}:{settings.port}"
    parts = _parts_of_server(settings.host, settings.port) if settings.port else None
    if parts is not None:
        return _check_answer(where, parts)
    try:
        listen(settings.host, settings.port).close()
    except Misconfigured as error:
        return problem("Port", str(error), "Set UNDERSTUDY_PORT or --port, or stop what is there.")
    return ok("Port", f"{where} is free")


def _check_answer(where: str, parts: dict[str, str]) -> Finding:
    down = [f"{name}: {told}" for name, told in parts.items() if told != "ok"]
    if down:
        mend = "Mend what it names; the server needs no restart."
        return problem("Port", f"A server on {where} is not ready. {'; '.join(down)}", mend)
    return ok("Port", f"{where}, an Understudy server is ready there")


def _parts_of_server(host: str, port: int) -> dict[str, str] | None:
    """Return the parts of a server of ours that answers there, or None when there is none."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - only compared
    connection = HTTPConnection(everywhere.get(host, host), port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer: Any = json.loads(connection.getresponse().read())
        parts = answer["parts"]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
    return parts if isinstance(parts, dict) and "database" in parts else None
