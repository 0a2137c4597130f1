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
    at = len(AR_MAGIC)
    while data.startswith(AR_MAGIC) and at + _HEADER_SIZE <= len(data):
        size = int(data[at + 48 : at + 58])
        if data[at : at + 16].strip() not in _INDEXES:
            yield data[at + _HEADER_SIZE : at + _HEADER_SIZE + size]
        at += _HEADER_SIZE + size + size % 2


def find_first_object(data: bytes, magic: bytes) -> bytes | None:
    """Return the first member that begins with `magic`, from there on, or None if there is none."""
    for member in list_members(data):
        start = member.find(magic, 0, 256)  # after BSD's long member name
        if start >= 0:
            return member[start:]
    return None
