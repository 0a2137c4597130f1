"""Compression of files in wheels with libdeflate, from the package `deflate`, which is pinned.

The large files of a wheel are mostly libraries: the wheels for several Pythons contain the same ones, and so do those of the
next build if only the extension was changed. Their compressed data is kept in the store, and used only if
it is decompressed to the bytes of the file: a damaged one is written again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock

import deflate

STORED, DEFLATED = 0, 8
"""The methods of zip archives."""
_LEVEL = 12  # the highest of libdeflate: the result is as small as that of zopfli, in a twentieth of the time
_LARGE = 1 << 18  # bytes


def compress_data(data: bytes, kept: Path | None = None) -> tuple[int, bytes]:
    """Return the method and the compressed data; `kept` is the directory of the store with the data of large files."""
    if len(data) < _LARGE:
        return _deflate(data)
    digest = hashlib.sha256(data).hexdigest()
    with _find_lock(digest):  # of two wheels at the same time with one file, the second one waits
        file = None if kept is None else kept / f"{digest}-{version('deflate')}-{_LEVEL}"
        packed = b"" if file is None else _read(file, data)
        if packed:
            return DEFLATED, packed
        method, packed = _deflate(data)
        if file is not None and method == DEFLATED:
            _write(file, packed)
        return method, packed


@cache
def _find_lock(digest: str) -> Lock:
    return Lock()


def _read(file: Path, data: bytes) -> bytes:
    """Return the compressed data in a file; empty if the file does not exist or contains anything but `data`."""
    try:
        packed = file.read_bytes()
        unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
        is_same = unpacking.decompress(packed, len(data) + 1) == data and unpacking.eof and not unpacking.unused_data
    except (OSError, zlib.error):
        return b""
    if is_same:
        with contextlib.suppress(OSError):
            os.utime(file)  # `everywheel store gc` keeps what was used recently
    return packed if is_same else b""


def _write(file: Path, packed: bytes) -> None:
    with contextlib.suppress(OSError):  # a store that cannot be written is an error of the build's own files
        file.parent.mkdir(exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=file.parent, prefix=".")
        with os.fdopen(handle, "wb") as out:
            out.write(packed)
        Path(unfinished).replace(file)


def _deflate(data: bytes) -> tuple[int, bytes]:
    packed = bytes(deflate.deflate_compress(data, _LEVEL)) if data else b""
    return (DEFLATED, packed) if 0 < len(packed) < len(data) else (STORED, data)
