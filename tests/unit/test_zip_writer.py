"""Zip archives: reproducible bytes, which other programs can read."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from everywheel.errors import BuildError
from everywheel.wheels.zip_writer import ZipEntry, pack_zip

EPOCH = 1577836800
ENTRIES = (
    ZipEntry(name="demo/__init__.py", data=b"print('hello')\n" * 50),
    ZipEntry(name="demo/run", data=bytes(range(256)), executable=True),
    ZipEntry(name="demo/empty", data=b""),
    ZipEntry(name="demo/größe.txt", data=b"12\n"),
)


def test_the_standard_library_reads_the_archive() -> None:
    archive = zipfile.ZipFile(io.BytesIO(pack_zip(ENTRIES, epoch=EPOCH)))

    assert archive.testzip() is None
    assert [(info.filename, archive.read(info)) for info in archive.infolist()] == [(e.name, e.data) for e in ENTRIES]


def test_times_and_modes_do_not_depend_on_the_machine() -> None:
    archive = zipfile.ZipFile(io.BytesIO(pack_zip(ENTRIES, epoch=EPOCH)))

    assert {info.date_time for info in archive.infolist()} == {(2020, 1, 1, 0, 0, 0)}
    assert [oct(info.external_attr >> 16) for info in archive.infolist()] == [
        "0o100644",
        "0o100755",
        "0o100644",
        "0o100644",
    ]


def test_only_files_that_get_smaller_are_compressed() -> None:
    archive = zipfile.ZipFile(io.BytesIO(pack_zip(ENTRIES, epoch=EPOCH)))

    assert [info.compress_type for info in archive.infolist()] == [
        zipfile.ZIP_DEFLATED,
        zipfile.ZIP_STORED,
        zipfile.ZIP_STORED,
        zipfile.ZIP_STORED,
    ]


def test_a_library_in_two_wheels_at_the_same_time_is_compressed_once(tmp_path: Path) -> None:
    library = ZipEntry(
        name="demo.libs/libdemo.so", data=b"".join(bytes([number % 251]) * 9 for number in range(50_000))
    )

    def measure() -> tuple[bytes, float]:
        began = time.thread_time()
        return pack_zip([library], epoch=EPOCH, kept=tmp_path), time.thread_time() - began

    with ThreadPoolExecutor(2) as threads:
        (first, longer), (second, shorter) = sorted(
            (future.result() for future in [threads.submit(measure) for _ in range(2)]), key=lambda result: -result[1]
        )

    assert first == second
    assert zipfile.ZipFile(io.BytesIO(first)).read(library.name) == library.data
    assert shorter < longer / 2


def test_the_compressed_data_of_large_files_is_kept_and_used_again(tmp_path: Path) -> None:
    data = b"".join(bytes([number % 247]) * 9 for number in range(50_000))
    plain = pack_zip([ZipEntry(name="demo.libs/libdemo.so", data=data)], epoch=EPOCH)
    entries = [*ENTRIES, ZipEntry(name="demo.libs/libdemo.so", data=data)]
    kept = tmp_path / "compressed"

    first = pack_zip(entries, epoch=EPOCH, kept=kept)
    (file,) = kept.iterdir()
    os.utime(file, (EPOCH, EPOCH))

    assert file.name.startswith(hashlib.sha256(data).hexdigest())
    assert pack_zip(entries, epoch=EPOCH, kept=kept) == first == pack_zip(entries, epoch=EPOCH)
    assert file.stat().st_mtime > EPOCH, "it was not used"
    assert file.read_bytes() in plain


@pytest.mark.parametrize("damage", [b"", b"text", None], ids=["empty", "text", "other"])
def test_compressed_data_that_is_not_that_of_the_file_is_made_again(tmp_path: Path, damage: bytes | None) -> None:
    data = b"".join(bytes([number % 241]) * 9 for number in range(50_000))
    entry = ZipEntry(name="demo.libs/libdemo.so", data=data)
    expected = pack_zip([entry], epoch=EPOCH, kept=tmp_path)
    (file,) = tmp_path.iterdir()
    undamaged = file.read_bytes()
    other = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    file.write_bytes(other.compress(data[:-1]) + other.flush() if damage is None else damage)

    assert pack_zip([entry], epoch=EPOCH, kept=tmp_path) == expected
    assert file.read_bytes() == undamaged


def test_a_large_file_is_not_kept_after_it_was_compressed() -> None:
    data = b"".join(bytes([number % 249]) * 9 for number in range(50_000))
    entry = ZipEntry(name="demo.libs/libdemo.so", data=data)
    before = sys.getrefcount(data)

    pack_zip([entry], epoch=EPOCH)

    assert sys.getrefcount(data) == before


def test_the_bytes_are_pinned() -> None:
    """A change of this hash changes the hash of every wheel; only a new version of libdeflate may cause it."""
    like_code = b"".join(hashlib.sha256(str(i // 3).encode()).digest()[: i % 29] for i in range(20_000))
    packed = pack_zip([*ENTRIES, ZipEntry(name="code", data=like_code)], epoch=EPOCH)

    assert hashlib.sha256(packed).hexdigest() == "c94a58dc73fd7c824ccdcd264447ef6086f839492bdc53f7c6d43f97e573ba3c"


def test_a_time_before_1980_becomes_the_first_that_the_format_has() -> None:
    archive = zipfile.ZipFile(io.BytesIO(pack_zip(ENTRIES[:1], epoch=0)))

    assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


def test_an_archive_of_too_many_files_is_refused() -> None:
    entries = (ZipEntry(name=f"{number}", data=b"") for number in range(65_535))

    with pytest.raises(BuildError) as caught:
        pack_zip(entries, epoch=EPOCH)

    assert caught.value.render() == "error: 65534: the archive would be over 4 GiB or 65,534 files"
