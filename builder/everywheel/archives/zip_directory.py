"""The directory of a zip archive, and the checks that every tool reads the same members from it.

Every byte of an archive must belong to one member or to the directory at its end: nothing before, between or after them, and
no two members that share bytes. The header in front of each member must repeat its entry in the directory. PyPI and uv refuse
the same archives, since installers that follow the one or the other would install different files (CVE-2025-54368).
The format is APPNOTE 6.3.3 without encryption and without 64-bit directories.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from everywheel.archives.refusal import BrokenArchive, UnsafeArchive
from everywheel.execution.cancellation import check_cancellation

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LONG_SIZES = struct.Struct("<2Q")
_ENCRYPTED, _DESCRIPTOR, _UTF8_NAME = 1 << 0, 1 << 3, 1 << 11
_ALLOWED_FLAGS = 0b110 | _DESCRIPTOR | _UTF8_NAME  # bits 1 and 2 are the effort of the compressor
_LONG, _UNICODE_PATH = 0x0001, 0x7075  # extra fields
_NEWEST_VERSION = 63  # of the format, multiplied by 10
_MAX_16, _MAX_32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipLimits:
    """The bounds of one archive.

    An archive may unpack to `always` bytes, or to `ratio` times its own size if that is more: real wheels unpack to three or
    four times their size. `directory` is the size of the directory in bytes; `members` is the largest count that a
    directory without 64-bit fields has.
    """

    members: int = 65_534
    directory: int = 32 << 20
    always: int = 64 << 20
    ratio: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipMember:
    """A member as the directory describes it; `packed` and `size` are its compressed and declared sizes in bytes.

    `mode` are the type and permissions of Unix, 0 if the archive has none.
    """

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    offset: int
    extra: bytes

    @property
    def is_directory(self) -> bool:
        return self.name.endswith("/")

    @property
    def is_executable(self) -> bool:
        return bool(self.mode & stat.S_IXUSR)


def read_directory(file: BinaryIO, size: int, limits: ZipLimits) -> tuple[int, int, bytes]:
    """Return the number of members, the offset of the directory, and its bytes."""
    tail_start = max(0, size - _END.size - _MAX_16)
    file.seek(tail_start)
    tail = file.read()
    position = tail.rfind(b"PK\x05\x06")
    if position < 0 or len(tail) < position + _END.size:
        raise BrokenArchive("it has no directory at its end")
    _, disk, first_disk, here, count, length, start, comment = _END.unpack_from(tail, position)
    if (
        tail[max(0, position - 20) :].startswith(b"PK\x06\x07")
        or _MAX_16 in (here, count)
        or _MAX_32 in (length, start)
    ):
        raise UnsafeArchive("the archive has a 64-bit directory, which an archive below 4 GiB does not need")
    if position + _END.size + comment != len(tail):
        raise UnsafeArchive("the archive has data after its directory")
    if disk or first_disk or here != count:
        raise UnsafeArchive("the file is one part of a divided archive")
    if count > limits.members or length > limits.directory:
        raise UnsafeArchive(f"the archive has {count} members, with a directory of {length} bytes")
    if start + length != tail_start + position:
        raise UnsafeArchive("the archive has data before its first member, or a directory of another size")
    file.seek(start)
    return count, start, file.read(length)


def parse_directory(directory: bytes, count: int) -> Iterator[ZipMember]:
    position = 0
    for _ in range(count):
        if directory[position : position + 4] != b"PK\x01\x02" or len(directory) < position + _CENTRAL.size:
            raise BrokenArchive("its directory is damaged")
        fields = _CENTRAL.unpack_from(directory, position)
        flags, method, crc, packed, size = fields[3], fields[4], *fields[7:10]
        name_length, extra_length, comment_length, disk = fields[10:14]
        position += _CENTRAL.size
        raw_name = directory[position : position + name_length]
        extra = directory[position + name_length : position + name_length + extra_length]
        position += name_length + extra_length + comment_length
        name = raw_name.decode("utf-8" if flags & _UTF8_NAME else "cp437", errors="backslashreplace")
        if _MAX_32 in (packed, size, fields[16]) or disk:
            raise UnsafeArchive(f"'{name}' has 64-bit sizes, which an archive below 4 GiB does not need")
        if fields[2] & 0xFF > _NEWEST_VERSION:
            raise UnsafeArchive(f"'{name}' requires version {(fields[2] & 0xFF) / 10} of the format")
        if flags & ~_ALLOWED_FLAGS:
            raise UnsafeArchive(
                f"'{name}' is encrypted" if flags & _ENCRYPTED else f"'{name}' has the flags {flags:#x}"
            )
        yield ZipMember(
            name=name,
            raw_name=raw_name,
            flags=flags,
            method=method,
            crc=crc,
            packed=packed,
            size=size,
            mode=fields[15] >> 16,
            offset=fields[16],
            extra=extra,
        )
    if position != len(directory):
        raise UnsafeArchive(f"the directory has more than the {count} members that it declares")


def check_layout(file: BinaryIO, members: tuple[ZipMember, ...], end: int) -> Iterator[tuple[ZipMember, int]]:
    """Yield each member with the offset of its data, after checking that the members fill the archive without gaps."""
    ordered = sorted(members, key=lambda member: member.offset)
    bounds = [member.offset for member in ordered] + [end]
    if bounds[0] != 0:
        raise UnsafeArchive("the archive has data before its first member")
    for member, following in zip(ordered, bounds[1:], strict=True):
        check_cancellation()
        data = _check_local_header(file, member)
        rest = following - data - member.packed
        if rest < 0:
            raise UnsafeArchive(f"'{member.name}' overlaps with the next member")
        file.seek(data + member.packed)
        if not (
            rest in (12, 16, 20, 24) and _is_descriptor(file.read(rest), member) if member.flags & 8 else rest == 0
        ):
            raise UnsafeArchive(f"the archive has data between '{member.name}' and the next member")
        yield member, data


def _check_local_header(file: BinaryIO, member: ZipMember) -> int:
    """Return the offset of a member's data; raise ArchiveError when the header in front of it differs from the directory."""
    file.seek(member.offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        raise BrokenArchive(f"'{member.name}' is not at its offset in the directory")
    fields = _LOCAL.unpack(header)
    flags, method, crc, packed, size = *fields[2:4], *fields[6:9]
    name, extra = file.read(fields[9]), file.read(fields[10])
    local, central = dict(_parse_extra(member, extra)), dict(_parse_extra(member, member.extra))
    if _UNICODE_PATH in local or _UNICODE_PATH in central:
        raise UnsafeArchive(f"'{member.name}' has a second name in an extra field")
    if packed == size == _MAX_32 and len(local.get(_LONG, b"")) >= _LONG_SIZES.size:
        size, packed = _LONG_SIZES.unpack_from(local[_LONG])
    described = (crc, packed, size) == (member.crc, member.packed, member.size)
    later = bool(flags & _DESCRIPTOR) and (crc, packed, size) == (0, 0, 0)
    if (name, flags, method) != (member.raw_name, member.flags, member.method) or not (described or later):
        raise UnsafeArchive(
            f"'{member.name}' has another name, size or method in front of its data than in the directory"
        )
    return member.offset + _LOCAL.size + len(name) + len(extra)


def _is_descriptor(data: bytes, member: ZipMember) -> bool:
    """Return whether the bytes after a member repeat its checksum and sizes (APPNOTE 4.3.9)."""
    fields = data.removeprefix(b"PK\x07\x08") if len(data) in (16, 24) else data
    layout = "<3L" if len(fields) == 12 else "<L2Q"
    return len(fields) == struct.calcsize(layout) and struct.unpack(layout, fields) == (
        member.crc,
        member.packed,
        member.size,
    )


def _parse_extra(member: ZipMember, extra: bytes) -> Iterator[tuple[int, bytes]]:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if len(extra) < 4 + length:
            raise BrokenArchive(f"'{member.name}' has a damaged extra field")
        yield kind, extra[4 : 4 + length]
        extra = extra[4 + length :]
