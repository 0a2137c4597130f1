"""A reader for zip archives that bounds what it reads, by the sizes that the archive declares and by limits.

zipfile trusts these sizes, and accepts archives whose members overlap. Only deflate is read: other methods compress a
thousand times better, and not every installer has them.
"""

from __future__ import annotations

import stat
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from everywheel.archives.refusal import BrokenArchive, UnsafeArchive, find_name_fault
from everywheel.archives.zip_directory import (
    ZipLimits,
    ZipMember,
    check_layout,
    parse_directory,
    read_directory,
)
from everywheel.execution.cancellation import check_cancellation

_STORED, _DEFLATED = 0, 8
_PIECE = 1 << 18  # bytes


class ZipArchive:
    """An open archive whose structure was checked; `members` are in the order of the directory."""

    def __init__(self, file: BinaryIO, limits: ZipLimits) -> None:
        self._file = file
        size = file.seek(0, 2)
        count, start, directory = read_directory(file, size, limits)
        self.members = tuple(parse_directory(directory, count))
        unpacked = sum(member.size for member in self.members)
        if unpacked > max(limits.always, limits.ratio * size):
            raise UnsafeArchive(
                f"the archive would unpack to {unpacked} bytes, which is over {limits.ratio} times its own size"
            )
        self._data = dict(check_layout(file, self.members, start))

    @property
    def files(self) -> tuple[ZipMember, ...]:
        """The members that are not directories."""
        return tuple(member for member in self.members if not member.is_directory)

    def find_faults(self) -> Iterator[tuple[str, str]]:
        """Yield the name of each member that must not be unpacked, with the reason as a phrase for messages."""
        for name, times in Counter(member.name.removesuffix("/") for member in self.members).items():
            if times > 1:
                yield name, f"{times} members have this name"
        files = {member.name for member in self.files}
        for member in self.members:
            above = next((name for name in _list_parents(member.name) if name in files), None)
            if above is not None:
                yield member.name, f"is below '{above}', which is a file"
            if fault := find_name_fault(member.name, windows=True):
                yield member.name, f"the path {fault}"
            if not member.raw_name.isascii() and member.raw_name != member.name.encode():
                yield member.name, "the path is not in UTF-8"
            kind = stat.S_IFMT(member.mode)
            if kind == stat.S_IFLNK:
                yield member.name, "a symbolic link, which installers write as a regular file"
            elif kind not in (0, stat.S_IFDIR if member.is_directory else stat.S_IFREG):
                yield member.name, f"its mode is that of a special file ({stat.filemode(member.mode)})"
            elif member.is_directory and member.size:
                yield member.name, "a directory with content"

    def read(self, member: ZipMember) -> bytes:
        """Return the content of a member; raise ArchiveError when it differs from its entry in the directory."""
        return b"".join(self._read_pieces(member))

    def extract(self, member: ZipMember, path: Path) -> None:
        """Write the content of a member to a new file, with its executable bit; raise ArchiveError as `read` does."""
        with path.open("xb") as file:
            for piece in self._read_pieces(member):
                file.write(piece)
        path.chmod(0o755 if member.is_executable else 0o644)

    def extract_all(self, directory: Path) -> None:
        """Write all members below a directory; raise ArchiveError when one is damaged or must not be unpacked."""
        for name, fault in self.find_faults():
            raise UnsafeArchive(f"'{name}': {fault}")
        for member in self.members:
            path = directory / member.name
            (path if member.is_directory else path.parent).mkdir(parents=True, exist_ok=True)
            if not member.is_directory:
                self.extract(member, path)

    def _read_pieces(self, member: ZipMember) -> Iterator[bytes]:
        if member.method not in (_STORED, _DEFLATED):
            raise UnsafeArchive(f"it has compression method {member.method}, but only 0 and 8 (deflate) are portable")
        self._file.seek(self._data[member])
        size, crc = 0, 0
        for piece in _inflate(self._file, member) if member.method == _DEFLATED else _copy(self._file, member):
            check_cancellation()
            size += len(piece)
            if size > member.size:
                raise UnsafeArchive(f"it unpacks to more than the {member.size} bytes that it declares")
            crc = zlib.crc32(piece, crc)
            yield piece
        if size != member.size:
            raise BrokenArchive(f"it unpacks to {size} bytes, but declares {member.size}")
        if crc != member.crc:
            raise BrokenArchive("its checksum is wrong")


@contextmanager
def open_zip(path: Path, limits: ZipLimits | None = None) -> Iterator[ZipArchive]:
    """Open an archive for reading; raise ArchiveError when its structure is damaged or beyond a limit, or OSError.

    Members that must not be unpacked are not an error here: `ZipArchive.find_faults` lists them.
    """
    with path.open("rb") as file:
        yield ZipArchive(file, limits or ZipLimits())


def _list_parents(name: str) -> Iterator[str]:
    parts = name.removesuffix("/").split("/")
    for end in range(1, len(parts)):
        yield "/".join(parts[:end])


def _copy(file: BinaryIO, member: ZipMember) -> Iterator[bytes]:
    left = member.packed
    while left:
        piece = file.read(min(left, _PIECE))
        if not piece:
            raise BrokenArchive("it is truncated")
        left -= len(piece)
        yield piece


def _inflate(file: BinaryIO, member: ZipMember) -> Iterator[bytes]:
    """Yield the decompressed data of a member in pieces of a bounded size."""
    decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
    packed = _copy(file, member)
    try:
        while not decompressor.eof:
            data = decompressor.unconsumed_tail or next(packed, b"")
            piece = decompressor.decompress(data, _PIECE)
            if not data and not piece:
                raise BrokenArchive("its compressed data ends too early")
            if piece:
                yield piece
    except zlib.error as error:
        raise BrokenArchive(f"its compressed data is damaged ({str(error).lower()})") from None
    if decompressor.unused_data or next(packed, b""):
        raise UnsafeArchive("it has data after the end of its compressed data")
