"""Zip archives whose bytes depend only on names and contents, not on the machine.

The compression is that of `compression`. zipfile cannot be used: it always compresses with the zlib of the interpreter, which
differs between machines. The format is APPNOTE 6.3.3 without its 64-bit extensions.
"""

from __future__ import annotations

import stat
import struct
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from everywheel.errors import BuildError
from everywheel.execution.cancellation import until_canceled
from everywheel.wheels.compression import STORED, compress_data

_VERSION = 20  # 2.0: deflate and directories
_UNIX = 3
_UTF8_NAME = 1 << 11
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_MAX_ENTRIES = 0xFFFF
_MAX_BYTES = 0xFFFFFFFF
_OLDEST = 315532800  # 1980-01-01, the first date that a zip archive can contain


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipEntry:
    """A file of an archive; its mode in the archive is 0755 or 0644."""

    name: str
    data: bytes
    executable: bool = False


def pack_zip(entries: Iterable[ZipEntry], *, epoch: int, compress: bool = True, kept: Path | None = None) -> bytes:
    """Return an archive of the entries in their order; `epoch` is the time of every file, in seconds since 1970.

    Without `compress`, the entries are stored as they are. `kept` is the directory of `compression.compress_data`.
    Raises BuildError when the entries exceed the limits of the format without 64-bit extensions: 65,534 files and 4 GiB.
    """
    day, clock = _dos_time(epoch)
    body, directory, count = bytearray(), bytearray(), 0
    for entry in until_canceled(entries):
        name = entry.name.encode()
        flags = 0 if entry.name.isascii() else _UTF8_NAME
        method, packed = compress_data(entry.data, kept) if compress else (STORED, entry.data)
        offset, count = len(body), count + 1
        if count >= _MAX_ENTRIES or max(len(entry.data), offset + len(packed)) >= _MAX_BYTES:
            raise BuildError(f"{entry.name}: the archive would be over 4 GiB or 65,534 files")
        crc = zlib.crc32(entry.data)
        shared = (_VERSION, flags, method, clock, day, crc, len(packed), len(entry.data), len(name), 0)
        mode = (stat.S_IFREG | (0o755 if entry.executable else 0o644)) << 16
        body += _LOCAL.pack(b"PK\x03\x04", *shared) + name + packed
        directory += _CENTRAL.pack(b"PK\x01\x02", _UNIX << 8 | _VERSION, *shared, 0, 0, 0, mode, offset) + name
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + end)


def _dos_time(epoch: int) -> tuple[int, int]:
    """Return date and time in the format of MS-DOS, in UTC with a resolution of two seconds."""
    year, month, day, hour, minute, second, *_ = time.gmtime(max(epoch, _OLDEST))
    return (year - 1980) << 9 | month << 5 | day, hour << 11 | minute << 5 | second // 2
