"""Reading frames of clients and runners, who are no enemies but may be broken off."""

import asyncio

from understudy.sandbox.frames import HEADER, Kind


class Malformed(Exception):
    """What came is no frame, or a longer one than is taken."""


async def read_frame(reader: asyncio.StreamReader, body_bytes_max: int) -> tuple[Kind, bytes]:
    """Read a frame of a client or a runner. Raises EOFError at the end, Malformed for nonsense."""
    try:
        length, number = HEADER.unpack(await reader.readexactly(HEADER.size))
        if length > body_bytes_max:
            raise Malformed(f"a frame of {length} bytes")
        return Kind(number), await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError) as over:
        raise EOFError from over
    except ValueError as unknown:
        raise Malformed(str(unknown)) from unknown
