"""The reader for zip archives: archives of real tools are read; bombs and archives with two meanings are refused, at once."""

from __future__ import annotations

import bz2
import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from everywheel.archives.refusal import ArchiveError, BrokenArchive, UnsafeArchive
from everywheel.archives.zip_reader import ZipArchive, ZipLimits, open_zip

OTHER = "has another name, size or method in front of its data than in the directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A member with the fields of its headers; `local` replaces the fields in front of the data."""

    name: bytes = b"a"
    data: bytes = b"text"
    packed: bytes | None = None
    method: int = 0
    flags: int = 0
    size: int | None = None
    crc: int | None = None
    mode: int = 0o100644
    extra: bytes = b""
    offset: int | None = None
    local: dict[str, object] | None = None
    after: bytes = b""

    def fields(self) -> tuple[int, ...]:
        packed = self.data if self.packed is None else self.packed
        crc = zlib.crc32(self.data) if self.crc is None else self.crc
        size = len(self.data) if self.size is None else self.size
        return 20, self.flags, self.method, 0, 33, crc, len(packed), size, len(self.name), len(self.extra)


def build(*entries: Entry, count: int | None = None, before: bytes = b"", tail: bytes = b"", comment: int = 0) -> bytes:
    body, directory = bytearray(before), bytearray()
    for entry in entries:
        offset = len(body) if entry.offset is None else entry.offset
        local = replace(entry, **(entry.local or {}))  # type: ignore[arg-type]
        if entry.offset is None:
            body += struct.pack("<4s5H3L2H", b"PK\3\4", *local.fields()) + local.name + local.extra
            body += (entry.data if entry.packed is None else entry.packed) + entry.after
        central = (b"PK\1\2", 3 << 8 | 20, *entry.fields(), 0, 0, 0, entry.mode << 16, offset)
        directory += struct.pack("<4s6H3L5H2L", *central) + entry.name + entry.extra
    total = len(entries) if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, total, total, len(directory), len(body), comment)
    return bytes(body + directory + end + tail)


def deflate(data: bytes) -> bytes:
    return zlib.compress(data, 9, -15)


def read_all(path: Path, limits: ZipLimits | None = None) -> dict[str, bytes]:
    with open_zip(path, limits) as archive:
        for name, fault in archive.find_faults():
            raise UnsafeArchive(f"{name!r}: {fault}")
        return {member.name: archive.read(member) for member in archive.files}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


class Unseekable(io.BytesIO):
    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise OSError


@pytest.mark.parametrize("stream", [io.BytesIO, Unseekable], ids=["file", "stream"])
def test_archives_of_zipfile_are_read(tmp_path: Path, stream: Callable[[], io.BytesIO]) -> None:
    """zipfile writes the sizes behind the data when it cannot seek."""
    file, contents = stream(), {"a.txt": b"", "d/ü.txt": b"x" * 700_000, "d/b": bytes(range(256)) * 900}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d/", b"")
        for name, content in contents.items():
            archive.writestr(name, content)
        with archive.open(zipfile.ZipInfo("long"), "w", force_zip64=True) as member:
            member.write(b"y")
    path = write(tmp_path / "a.zip", file.getvalue())

    assert read_all(path) == {**contents, "long": b"y"}


def test_an_archive_is_unpacked_with_executable_bits(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.zip", build(Entry(name=b"d/run", mode=0o100755), Entry(name=b"e/", data=b"", mode=0o40755))
    )

    with open_zip(path) as archive:
        archive.extract_all(tmp_path / "out")

    assert (tmp_path / "out" / "d" / "run").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out" / "e").is_dir()


LATER: dict[str, object] = {"crc": 0, "size": 0, "data": b""}
UNICODE_NAME = struct.pack("<2HBL", 0x7075, 6, 1, 0) + b"b"
STRUCTURE = [
    (b"", "it has no directory at its end"),
    (b"text", "it has no directory at its end"),
    (build(Entry())[:-1], "it has no directory at its end"),
    (build(Entry(), tail=b"x"), "the archive has data after its directory"),
    (build(Entry(), before=b"MZ"), "the archive has data before its first member"),
    (b"MZ" + build(Entry()), "the archive has data before its first member, or a directory of another size"),
    (build(Entry()) + build(Entry()), "the archive has data before its first member, or a directory of another size"),
    (build(Entry(after=b"x")), "the archive has data between 'a' and the next member"),
    (build(Entry(), Entry(name=b"b", offset=0)), "'a' overlaps with the next member"),
    (build(Entry(), Entry(offset=0)), "'a' overlaps with the next member"),
    (build(Entry(), Entry(name=b"b", offset=7)), "'a' overlaps with the next member"),
    (build(Entry()).replace(b"PK\3\4", b"PK\3\5"), "'a' is not at its offset in the directory"),
    (build(Entry(local={"name": b"b"})), f"'a' {OTHER}"),
    (build(Entry(local={"method": 8})), f"'a' {OTHER}"),
    (build(Entry(local={"size": 5})), f"'a' {OTHER}"),
    (
        build(Entry(flags=8, local=LATER, after=b"PK\7\x08" + bytes(12))),
        "the archive has data between 'a' and the next member",
    ),
    (build(Entry(flags=1)), "'a' is encrypted"),
    (build(Entry(flags=1 << 13)), "'a' has the flags 0x2000"),
    (build(Entry(extra=UNICODE_NAME)), "'a' has a second name in an extra field"),
    (build(Entry(extra=b"\1\0\xff\0")), "'a' has a damaged extra field"),
    (build(Entry(size=0xFFFFFFFF)), "'a' has 64-bit sizes, which an archive below 4 GiB does not need"),
    (build(Entry(), count=2), "its directory is damaged"),
    (build(Entry(), Entry(name=b"b"), count=1), "the directory has more than the 1 members that it declares"),
    (build(Entry(), count=0xFFFF), "the archive has a 64-bit directory, which an archive below 4 GiB does not need"),
    (build(Entry(size=1 << 30)), f"the archive would unpack to {1 << 30} bytes, which is over 100 times its own size"),
]


@pytest.mark.parametrize(("content", "reason"), STRUCTURE, ids=[reason for _, reason in STRUCTURE])
def test_an_archive_that_tools_would_read_differently_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        read_all(write(tmp_path / "a.zip", content))

    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ([Entry(), Entry()], "'a': 2 members have this name"),
        ([Entry(), Entry(name=b"a/", data=b"")], "'a': 2 members have this name"),
        ([Entry(), Entry(name=b"a/b")], "'a/b': is below 'a', which is a file"),
        ([Entry(name=b"/etc/x")], "'/etc/x': the path is absolute"),
        ([Entry(name=b"../x")], "'../x': the path leads out of the directory"),
        ([Entry(name=b"a\\..\\x")], "'a\\\\..\\\\x': the path leads out of the directory"),
        ([Entry(name=b"C:x")], "'C:x': the path leads out of the directory"),
        ([Entry(name=b"a//b")], "'a//b': the path has an empty part"),
        ([Entry(name=b"")], "'': the path has an empty part"),
        ([Entry(name=b"a\0b")], "'a\\x00b': the path contains control characters"),
        ([Entry(name=b"\x1b[2J")], "'\\x1b[2J': the path contains control characters"),
        ([Entry(name="a\u202eb".encode(), flags=1 << 11)], "'a\\u202eb': the path contains control characters"),
        ([Entry(name=b"\xff", flags=1 << 11)], "'\\\\xff': the path leads out of the directory"),
        ([Entry(name=b"\x81")], "'ü': the path is not in UTF-8"),
        ([Entry(name=b"x" * 256)], f"'{'x' * 256}': the path has a part of over 255 bytes"),
        ([Entry(name=b"x/" * 100 + b"x")], f"'{'x/' * 100}x': the path is over 100 directories deep"),
        (
            [Entry(name=b"/".join([b"x" * 255] * 5))],
            f"'{'/'.join(['x' * 255] * 5)}': the path is over 1,024 bytes long",
        ),
        ([Entry(mode=0o120777)], "'a': a symbolic link, which installers write as a regular file"),
        ([Entry(mode=0o010644)], "'a': its mode is that of a special file (prw-r--r--)"),
        ([Entry(name=b"d/", mode=0o40755)], "'d/': a directory with content"),
    ],
)
def test_a_member_that_must_not_be_unpacked_is_named(entries: list[Entry], fault: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", build(*entries))

    with pytest.raises(UnsafeArchive) as caught:
        read_all(path)
    assert str(caught.value) == fault
    with pytest.raises(UnsafeArchive), open_zip(path) as archive:
        archive.extract_all(tmp_path / "out")
    assert not (tmp_path / "out").exists()


INVALID = "error -3 while decompressing data: invalid block type"
ZEROS = bytes(40 << 20)
BOMBS = [
    (Entry(data=ZEROS[:9], packed=deflate(ZEROS), method=8), "it unpacks to more than the 9 bytes that it declares"),
    (
        Entry(packed=bz2.compress(ZEROS), method=12),
        "it has compression method 12, but only 0 and 8 (deflate) are portable",
    ),
    (Entry(packed=deflate(b"text")[:-1], method=8), "its compressed data ends too early"),
    (Entry(packed=deflate(b"text") + b"more", method=8), "it has data after the end of its compressed data"),
    (Entry(packed=b"\xff" * 9, method=8), f"its compressed data is damaged ({INVALID})"),
    (Entry(packed=deflate(b"tex"), method=8), "it unpacks to 3 bytes, but declares 4"),
    (Entry(packed=b"te"), "it unpacks to 2 bytes, but declares 4"),
    (Entry(crc=1), "its checksum is wrong"),
]


@pytest.mark.parametrize(("entry", "reason"), BOMBS)
def test_content_that_differs_from_the_directory_is_refused_in_bounded_memory(
    entry: Entry, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.zip", build(entry))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError) as caught:
            read_all(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert str(caught.value) == reason
    assert peak < 3 << 20


def test_five_thousand_overlapping_members_are_refused_at_once(tmp_path: Path) -> None:
    packed = deflate(bytes(100_000))
    first = Entry(packed=packed, method=8, size=100_000, crc=zlib.crc32(bytes(100_000)))
    path = write(tmp_path / "a.zip", build(first, *[replace(first, offset=0)] * 5000))

    with pytest.raises(UnsafeArchive, match="the archive would unpack to 500100000 bytes"):
        read_all(path)
    with pytest.raises(UnsafeArchive, match="'a' overlaps with the next member"):
        read_all(path, ZipLimits(always=1 << 40))


def test_the_count_of_members_is_bounded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", build(Entry(), Entry(name=b"b")))

    with pytest.raises(UnsafeArchive, match="the archive has 2 members, with a directory of 94 bytes"):
        read_all(path, ZipLimits(members=1))


def test_a_damaged_byte_never_raises_another_exception() -> None:
    """Each byte of an archive is changed in turn; what can still be read has the same content."""
    content = build(Entry(), Entry(name=b"b", data=b"y" * 20, packed=deflate(b"y" * 20), method=8))
    for position in range(len(content)):
        for change in (1, 0xFF):
            damaged = content[:position] + bytes([content[position] ^ change]) + content[position + 1 :]
            try:
                archive = ZipArchive(io.BytesIO(damaged), ZipLimits())
                contents = [archive.read(member) for member in archive.files]
            except (UnsafeArchive, BrokenArchive):
                continue
            assert contents == [b"text", b"y" * 20]
