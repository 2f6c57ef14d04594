"""Which files file_search can read, judged by their names (FILE-09).

What a file really is shows when it is read: then its entry in the store fails alone (VS-08).
"""

from collections.abc import Sequence

from understudy.operations.ports import Caller, Ports
from understudy.operations.vector_stores import filenames
from understudy.retrieval.parsing.kinds import SUPPORTED_EXTENSIONS, extension

_NO_EXTENSION = ""  # may be a text
_READABLE = SUPPORTED_EXTENSIONS | {_NO_EXTENSION}


async def unreadable(ports: Ports, caller: Caller, file_ids: Sequence[str]) -> dict[str, str]:
    """Return the extension of each file that file_search cannot read.

    Raises NotFound for files that the project does not have (ERR-43).
    """
    names = await filenames(ports, caller, file_ids)
    return {
        file_id: extension(filename)
        for file_id, filename in names.items()
        if extension(filename) not in _READABLE
    }
