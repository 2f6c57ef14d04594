"""What the doctor asks the parts of the server: database, files, dispatch, keys.

They are asked as the readiness probe asks them.
"""

from collections.abc import Iterator

import msgspec

from understudy.api.health import ready
from understudy.cli.finding import Finding, ok, problem, warning
from understudy.cli.loopback import is_loopback
from understudy.operations.ports import Ports

_NAMES = {"database": "Database", "files": "Files", "dispatch": "Dispatch"}
_FINE = {
    "database": "can be read and written",
    "files": "can be read and written",
    "dispatch": "carries offers and events",
}
_MENDS = {
    "database": "Look at the disk and at who may write the file, or restore a backup.",
    "files": "Look at files_url, its credentials, and the room on its disk.",
    "dispatch": "Look at nats_url and at the NATS server; runs go on, only later.",
}


async def check_parts(ports: Ports) -> Iterator[Finding]:
    """Return what the readiness probe says about each part."""
    told = msgspec.json.decode((await ready(ports)).body)["parts"]
    return (_part(name, state) for name, state in told.items())


def _part(name: str, state: str) -> Finding:
    what = _NAMES.get(name, name)
    if state != "ok":
        return problem(what, state, _MENDS.get(name, "Look at the log of the server."))
    return ok(what, _FINE[name])


def check_vectors(ports: Ports) -> Iterator[Finding]:
    """Return a warning when vectors of an embedding model would have no place."""
    if ports.embedder is not None and ports.chunks.only_words is not None:
        mend = "Then run understudy migrate, and start the servers again."
        yield warning("Search", f"It is {ports.chunks.only_words}", mend)


async def check_keys(ports: Ports) -> Finding:
    """Look whether anybody could use the server."""
    keys = await ports.storage.list_keys()
    active = sum(key.revoked_at is None for key in keys)
    if active:
        return ok("Keys", f"{active} active, {len(keys) - active} revoked")
    mend = "understudy keys create --name first"
    if is_loopback(ports.settings.host):
        return warning("Keys", "There is no active key; the next start makes one.", mend)
    told = f"There is no active key, and {ports.settings.host} is reachable from outside."
    return problem("Keys", told, mend)
