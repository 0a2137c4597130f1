"""The reader for tar archives: bounds, names, links and times; bombs end at once and in little memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from everywheel.archives.refusal import ArchiveError
from everywheel.archives.tar_reader import TarKind, TarLimits, open_tar
from everywheel.archives.tar_unpacking import UNPACKED_TIME, unpack_tar

PACKERS = {"plain": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
ZEROS = bytes(8 << 20)
Entry = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"x", **fields: object) -> Entry:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    return member, content


def other(name: str, kind: bytes, target: str = "") -> Entry:
    return file(name, b"", type=kind, linkname=target)


def pack(*entries: Entry, format: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format) as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def raw(kind: bytes, content: bytes, size: int | None = None) -> bytes:
    """Return a member of any kind with its content and a size that may differ."""
    member = tarfile.TarInfo("a")
    member.type, member.size = kind, len(content) if size is None else size
    return member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def read(path: Path, content: bytes, limits: TarLimits | None = None) -> dict[str, bytes]:
    path.write_bytes(content)
    with open_tar(path, limits) as archive:
        return {m.name: archive.read(1 << 50) for m in archive if m.kind is TarKind.FILE}


@pytest.mark.parametrize("packer", PACKERS.values(), ids=PACKERS)
@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_tarfile_are_read(packer: Callable[[bytes], bytes], format: int, tmp_path: Path) -> None:
    long = "/".join(["d" * 40] * 4)
    contents = {"a": b"", "b/c": bytes(range(256)) * 900, long: b"z"}
    packed = packer(pack(*[file(*item) for item in contents.items()], format=format))

    assert read(tmp_path / "a", packed) == contents


@pytest.mark.parametrize("packer", [gzip.compress, bz2.compress, lzma.compress])
def test_concatenated_streams_are_one_archive(packer: Callable[[bytes], bytes], tmp_path: Path) -> None:
    content = pack(file("a", b"1" * 5000))

    assert read(tmp_path / "a", packer(content[:700]) + packer(content[700:]) + bytes(9)) == {"a": b"1" * 5000}


def pax(**records: str) -> bytes:
    lines = b""
    for key, value in records.items():
        text = f" {key.replace('_', '.')}={value}\n".encode()
        size = len(text) + 2 if len(text) < 98 else len(text) + 3
        lines += str(size).encode() + text
    return raw(b"x", lines)


BROKEN = [
    (b"", "empty file"),
    (b"text", "truncated header"),
    (b"x" * 2048, "invalid header"),
    (pack(file("a", b"x" * 5000))[:3000], "unexpected end of data"),
    (raw(b"0", b"", 1 << 40), "unexpected end of data"),
    (raw(b"0", b"", -512), "'a' has a negative size"),
    (raw(b"x", ZEROS), f"has an extended header of {len(ZEROS)} bytes"),
    (raw(b"L", b"", 1 << 40), f"has an extended header of {1 << 40} bytes"),
    (raw(b"x", b"99 path=a\n"), "has a damaged extended header"),
    (raw(b"x", b"0 path=a\n"), "has a damaged extended header"),
    (raw(b"x", b"x" * 40), "has a damaged extended header"),
    (pax(size="-1") + raw(b"0", b""), "'a' has the size '-1'"),
    (pax(size="9" * 30) + raw(b"0", b""), f"'a' has the size '{'9' * 20}'"),
    (pax(GNU_sparse_major="1") + raw(b"0", b"1\n" * 200), "'a' is a sparse file"),
    (raw(b"S", b""), "'a' is a sparse file"),
    (
        gzip.compress(pack(file("a", ZEROS)))[:-3000],
        "compressed file ended before the end-of-stream marker was reached",
    ),
    (gzip.compress(pack(file("a", bytes(range(256)) * 100)))[:60] + b"\xff" * 900, "error -3 while decompressing data"),
]


@pytest.mark.parametrize(("content", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_a_damaged_archive_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        read(tmp_path / "a", content)

    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(("packer", "window"), [(gzip.compress, 0), (bz2.compress, 0), (lzma.compress, 8 << 20)])
def test_a_bomb_is_refused_in_bounded_memory(packer: Callable[[bytes], bytes], window: int, tmp_path: Path) -> None:
    packed = packer(pack(file("a", ZEROS)))
    (tmp_path / "a").write_bytes(packed)
    (tmp_path / "out").mkdir()
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match=r"^unpacks to more than 1000000 bytes$"):
            unpack_tar(tmp_path / "a", tmp_path / "out", TarLimits(always=1_000_000, ratio=1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < window + (2 << 20)


def test_a_small_compressed_archive_has_few_members(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.xz"
    archive.write_bytes(lzma.compress(pack(*[file(f"{number}") for number in range(300)])))
    limits = TarLimits(few=200)

    assert archive.stat().st_size < 200 * limits.member_size
    with pytest.raises(ArchiveError, match=r"^has more than 200 members$"):
        read(tmp_path / "a", archive.read_bytes(), limits)


def test_the_count_of_members_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"^has more than 2 members$"):
        read(tmp_path / "a", pack(*[file(name) for name in "abc"]), TarLimits(members=2))


DEEP = "/".join(["d"] * 3000)
HOSTILE: list[tuple[Sequence[Entry], str]] = [
    ([file(DEEP)], f"path '{DEEP}' is over 1,024 bytes long"),
    ([file("d/" * 100 + "x")], f"path '{'d/' * 100}x' is over 100 directories deep"),
    ([file("x" * 256)], f"path '{'x' * 256}' has a part of over 255 bytes"),
    ([file("a\x1b[2J")], "path 'a\x1b[2J' contains control characters"),
    ([file("a"), file("a")], "path 'a' is that of another member, or below a file"),
    ([file("a"), file("a/b")], "path 'a/b' is that of another member, or below a file"),
    ([file("a/b"), file("a")], "path 'a' is that of another member, or below a file"),
    (
        [other("d", tarfile.DIRTYPE), other("d", tarfile.SYMTYPE, "e")],
        "path 'd' is that of another member, or below a file",
    ),
    ([file("./")], "path './' is that of the directory"),
    ([other("a", tarfile.LNKTYPE, "b")], "hard link 'a' leads to 'b', which is not a file"),
    ([other("a", tarfile.SYMTYPE, "b\x07")], "the target of link 'a' contains control characters"),
    ([other("a", tarfile.BLKTYPE)], "'a' is neither a file, a directory nor a link"),
]


@pytest.mark.parametrize(
    ("entries", "reason"), HOSTILE, ids=[reason[:60].encode("unicode_escape").decode() for _, reason in HOSTILE]
)
def test_a_hostile_member_is_refused(entries: Sequence[Entry], reason: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pack(*entries))
    (tmp_path / "out").mkdir()

    with pytest.raises(ArchiveError) as caught:
        unpack_tar(tmp_path / "a", tmp_path / "out")

    assert str(caught.value) == reason


@pytest.mark.parametrize("clock", [UNPACKED_TIME + 10, 86400.0])
def test_all_files_get_one_time_that_is_not_in_the_future(
    clock: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [file("d/new", mtime=4_000_000_000), file("d/old", mtime=0), other("d/link", tarfile.SYMTYPE, "old")]
    (tmp_path / "a").write_bytes(pack(*entries))
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(time, "time", lambda: clock)

    unpack_tar(tmp_path / "a", tmp_path / "out")

    times = {path.lstat().st_mtime for path in (tmp_path / "out").rglob("*")}
    assert times == {min(clock, UNPACKED_TIME)}


def test_the_times_of_a_program_are_kept_unless_they_are_in_the_future(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pack(file("new", mtime=40_000_000_000), file("old", mtime=1_500_000_000)))
    (tmp_path / "out").mkdir()

    unpack_tar(tmp_path / "a", tmp_path / "out", keep_times=True)

    assert (tmp_path / "out" / "old").stat().st_mtime == 1_500_000_000
    assert (tmp_path / "out" / "new").stat().st_mtime <= time.time()


def test_special_modes_are_removed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pack(file("run", mode=0o6777), file("text", mode=0o222)))
    (tmp_path / "out").mkdir()

    unpack_tar(tmp_path / "a", tmp_path / "out")

    assert [(tmp_path / "out" / name).stat().st_mode & 0o7777 for name in ("run", "text")] == [0o755, 0o644]
