"""A reader for tar archives that bounds what it reads, and unpacks nothing outside of one directory.

Archives are read once, from start to end, with or without compression. The headers are parsed by tarfile, block by block; its
other parts are not used: they read extended headers of any size into memory, and their extraction filters have had
vulnerabilities (https://github.com/python/cpython/issues/135034) or are missing in older versions of Python (PEP 706).
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from everywheel.archives.decompression import DecompressedFile
from everywheel.archives.refusal import BrokenArchive, UnsafeArchive
from everywheel.execution.cancellation import check_cancellation

_BLOCK = tarfile.BLOCKSIZE
_PIECE = 1 << 18  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TarLimits:
    """The bounds of one archive.

    The unpacked archive may have `always` bytes, or `ratio` times the size of the file if that is more, but never over
    `size` bytes. `header` is the size of an extended header in bytes. It may have `few` members, or one for each
    `member_size` bytes of the file if that is more, but never over `members`: creating a file takes much more time than
    reading the few bytes that it has in a compressed archive.
    """

    members: int = 250_000
    few: int = 5_000
    member_size: int = 64
    header: int = 1 << 20
    always: int = 256 << 20
    ratio: int = 100
    size: int = 16 << 30


class TarKind(StrEnum):
    """The kinds of members; the last one are devices and named pipes, which are never unpacked."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    HARD_LINK = "hard link"
    SPECIAL = "special file"


@dataclass(frozen=True, slots=True, kw_only=True)
class TarMember:
    """A member: its `name` as it is written in the archive, `size` in bytes, the `target` of a link, and
    the time when it was `modified` in seconds since 1970."""

    name: str
    kind: TarKind
    size: int
    is_executable: bool
    target: str
    modified: int = 0


class TarArchive:
    """An open archive; iterating over it yields each member, whose content can be read until the next one."""

    def __init__(self, stream: DecompressedFile, limits: TarLimits, members: int) -> None:
        self._stream = stream
        self._limits = limits
        self._most_members = members
        self._left = 0  # bytes of the current member that were not read
        self._padding = 0

    @property
    def is_compressed(self) -> bool:
        return self._stream.is_compressed

    def __iter__(self) -> Iterator[TarMember]:
        count, extended = 0, dict[str, str]()
        common = dict[str, str]()
        while (header := self._read_header(first=count == 0)) is not None:
            check_cancellation()
            count += 1
            if count > self._most_members:
                raise UnsafeArchive(f"has more than {self._most_members:,} members")
            if header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                extended |= _parse_pax(self._read_extension(header))
            elif header.type == tarfile.XGLTYPE:
                common |= _parse_pax(self._read_extension(header))
            elif header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
                key = "path" if header.type == tarfile.GNUTYPE_LONGNAME else "linkpath"
                extended[key] = _decode(self._read_extension(header).rstrip(b"\0"))
            else:
                member = _make_member(header, {**common, **extended})
                extended = {}
                self._begin(member.size)
                yield member
                self._skip()
        while self._stream.read(_PIECE):  # the checksum of a compressed file is at its end
            check_cancellation()

    def read(self, limit: int) -> bytes:
        """Return the content of the current member; raise UnsafeArchive when it has over `limit` bytes."""
        if self._left > limit:
            raise UnsafeArchive(f"a member has {self._left} bytes, but at most {limit} are expected")
        return b"".join(self._read_pieces())

    def copy(self, file: BinaryIO) -> None:
        """Write the content of the current member to a file."""
        for piece in self._read_pieces():
            file.write(piece)

    def _read_pieces(self) -> Iterator[bytes]:
        while self._left:
            check_cancellation()
            piece = self._read_exactly(min(self._left, _PIECE))
            self._left -= len(piece)
            yield piece

    def _read_header(self, *, first: bool) -> tarfile.TarInfo | None:
        """Return the next header; None at the end of the archive."""
        block = self._stream.read(_BLOCK)
        if first and not block:
            raise BrokenArchive("empty file")
        if not block.strip(b"\0"):
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError, OverflowError) as error:
            raise BrokenArchive(str(error).lower()) from None
        if header.size < 0:
            raise BrokenArchive(f"'{header.name}' has a negative size")
        return header

    def _read_extension(self, header: tarfile.TarInfo) -> bytes:
        if header.size > self._limits.header:
            raise UnsafeArchive(f"has an extended header of {header.size} bytes")
        self._begin(header.size)
        content = b"".join(self._read_pieces())
        self._skip()
        return content

    def _begin(self, size: int) -> None:
        self._left, self._padding = size, -size % _BLOCK

    def _skip(self) -> None:
        check_cancellation()
        if not self._stream.skip(self._left + self._padding):
            raise BrokenArchive("unexpected end of data")
        self._left = self._padding = 0

    def _read_exactly(self, size: int) -> bytes:
        content = self._stream.read(size)
        if len(content) < size:
            raise BrokenArchive("unexpected end of data")
        return content


@contextmanager
def open_tar(path: Path, limits: TarLimits | None = None) -> Iterator[TarArchive]:
    """Open an archive for reading; this and reading it raise ArchiveError when it is damaged or beyond a limit, or OSError."""
    limits = limits or TarLimits()
    file_size = path.stat().st_size
    size = min(limits.size, max(limits.always, limits.ratio * file_size))
    members = min(limits.members, max(limits.few, file_size // limits.member_size))
    with DecompressedFile(path, size) as stream:
        yield TarArchive(stream, limits, members)


def _parse_pax(content: bytes) -> dict[str, str]:
    """Return the records of an extended header (POSIX, pax: `<length> <key>=<value>\\n`)."""
    records: dict[str, str] = {}
    while content.strip(b"\0"):
        length, blank, _ = content.partition(b" ")
        if not blank or not length.isdigit() or len(length) > 7 or not len(length) < int(length) <= len(content):
            raise BrokenArchive("has a damaged extended header")
        key, equal, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        if not equal or content[int(length) - 1 : int(length)] != b"\n":
            raise BrokenArchive("has a damaged extended header")
        records[_decode(key)] = _decode(value)
        content = content[int(length) :]
    return records


def _decode(value: bytes) -> str:
    return value.decode(errors="surrogateescape")


def _make_member(header: tarfile.TarInfo, records: dict[str, str]) -> TarMember:
    """Return a member from its header and the records of the extended headers before it."""
    name = records.get("path", header.name)
    if header.type == tarfile.GNUTYPE_SPARSE or any(key.startswith("GNU.sparse") for key in records):
        raise UnsafeArchive(f"'{name}' is a sparse file")
    size = records.get("size", str(header.size))
    if not (size.isascii() and size.isdigit() and len(size) <= 15):
        raise BrokenArchive(f"'{name}' has the size '{size[:20]}'")
    if header.isreg():
        # Before 1988, a directory was a file whose name ended with a slash.
        kind = TarKind.DIRECTORY if header.type == tarfile.AREGTYPE and name.endswith("/") else TarKind.FILE
    elif header.isdir():
        kind = TarKind.DIRECTORY
    elif header.issym():
        kind = TarKind.LINK
    elif header.islnk():
        kind = TarKind.HARD_LINK
    else:
        kind = TarKind.SPECIAL
    return TarMember(
        name=name,
        kind=kind,
        size=int(size) if kind is TarKind.FILE else 0,
        is_executable=bool(header.mode & 0o100),
        target=records.get("linkpath", header.linkname),
        modified=int(header.mtime),
    )
