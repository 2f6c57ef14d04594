"""Zip archives, looked over before a library unpacks them.

What an archive says of itself is not believed: a member is inflated here once, by small pieces, to
see that it does not grow beyond the size that is declared for it.
"""

import zlib
from pathlib import Path
from struct import unpack_from
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from understudy.retrieval.parsing.limits import ParsingLimits
from understudy.retrieval.parsing.refusals import encrypted, invalid, too_large

_ENCRYPTED_FLAG = 0x1
_HEADER_BYTES = 30
_NAME_AND_EXTRA_LENGTHS_AT = 26
_PIECE_BYTES = 256 * 1024


def check(path: Path, limits: ParsingLimits) -> None:
    """Raise Unreadable when the archive is encrypted, damaged, or too large unpacked."""
    with ZipFile(path) as archive, path.open("rb") as file:
        members = archive.infolist()
        if len(members) > limits.archive_members_max:
            raise too_large()
        if sum(member.file_size for member in members) > limits.expanded_bytes_max:
            raise too_large()
        for member in members:
            _check_member(file, member)


def _check_member(file: IO[bytes], member: ZipInfo) -> None:
    if member.flag_bits & _ENCRYPTED_FLAG:
        raise encrypted()
    if member.compress_type == ZIP_STORED:
        return  # it cannot grow
    if member.compress_type != ZIP_DEFLATED:
        raise invalid("it uses a compression that is not supported.")
    if _inflates_beyond(file, member):
        raise too_large()


def _inflates_beyond(file: IO[bytes], member: ZipInfo) -> bool:
    """Return whether a member is larger than it is declared to be."""
    _seek_content(file, member)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    left, room = member.compress_size, member.file_size
    while left > 0 and room >= 0 and not inflater.eof:
        piece = file.read(min(_PIECE_BYTES, left))
        if not piece:
            break
        left -= len(piece)
        while piece and room >= 0:
            room -= len(inflater.decompress(piece, _PIECE_BYTES))
            piece = inflater.unconsumed_tail
    return room < 0


def _seek_content(file: IO[bytes], member: ZipInfo) -> None:
    file.seek(member.header_offset)
    name, extra = unpack_from("<HH", file.read(_HEADER_BYTES), _NAME_AND_EXTRA_LENGTHS_AT)
    file.seek(name + extra, 1)
