"""Static archives in the common `ar` format: 60-byte member headers at even offsets (System V, BSD and Windows variants)."""

from __future__ import annotations

from collections.abc import Iterator

AR_MAGIC = b"!<arch>\n"
_HEADER_SIZE = 60
_INDEXES = (b"/", b"//", b"/SYM64/")


def list_members(data: bytes) -> Iterator[bytes]:
    """Yield the contents of an archive's members without its tables of symbols and long names.

    In BSD's variant a long member name precedes the contents. Yields nothing for data that is not an archive.
    """
    offset = len(AR_MAGIC)
    while data.startswith(AR_MAGIC) and offset + _HEADER_SIZE <= len(data):
        size = int(data[offset + 48 : offset + 58])
        if data[offset : offset + 16].strip() not in _INDEXES:
            yield data[offset + _HEADER_SIZE : offset + _HEADER_SIZE + size]
        offset += _HEADER_SIZE + size + size % 2


def find_first_object(data: bytes, magic: bytes) -> bytes | None:
    """Return the contents of the first member that begins with `magic`, or None if there is none."""
    for member in list_members(data):
        start = member.find(magic, 0, 256)  # after BSD's long member name
        if start >= 0:
            return member[start:]
    return None
