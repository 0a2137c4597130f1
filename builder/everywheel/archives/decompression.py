"""Compressed files as streams that are read from start to end, in pieces of a bounded size."""

from __future__ import annotations

import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from everywheel.archives.lzma_compat import LZMAError
from everywheel.archives.refusal import BrokenArchive, UnsafeArchive

_PIECE = 1 << 16  # bytes
_XZ_MEMORY = 256 << 20  # bytes; `xz -9` needs 65 MiB


class _Decompressor(Protocol):
    """One compressed stream; the decompressors of bz2 and lzma are such objects."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """A member of a gzip file (RFC 1952)."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + data, max_length)


class DecompressedFile:
    """A file that is plain or compressed with gzip, bzip2 or xz, and its content up to `limit` bytes.

    `limit` bounds a decompression bomb. Raises BrokenArchive for damaged data, UnsafeArchive beyond the limit, and OSError.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._file: BinaryIO = path.open("rb")
        start = self._file.read(6)
        self._file.seek(0)
        try:
            self._decompressor = _make_decompressor(start)
        except BaseException:
            self._file.close()
            raise
        self._start = start
        self._file_size = path.stat().st_size
        self._buffer = b""

    @property
    def is_compressed(self) -> bool:
        return self._decompressor is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        """Return the next bytes, exactly `size` unless the content ends before."""
        pieces, missing = [], size
        while missing and (piece := self._read_some(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def skip(self, size: int) -> bool:
        """Continue after the next `size` bytes; return whether the content has so many."""
        if self._decompressor is None:
            return self._file.seek(size, 1) <= self._file_size
        while size and (piece := self._read_some(size)):
            size -= len(piece)
        return size == 0

    def _read_some(self, size: int) -> bytes:
        if self._decompressor is None:
            return self._file.read(min(size, _PIECE))
        piece = self._decompress(size)
        self._size += len(piece)
        if self._size > self._limit:
            raise UnsafeArchive(f"unpacks to more than {self._limit} bytes")
        return piece

    def _decompress(self, size: int) -> bytes:
        assert self._decompressor is not None
        while True:
            if self._decompressor.eof and not self._begin_next_stream():
                return b""
            needs_input = self._decompressor.needs_input
            data = (self._buffer or self._file.read(_PIECE)) if needs_input else b""
            self._buffer = b"" if needs_input else self._buffer
            try:
                piece = self._decompressor.decompress(data, min(size, _PIECE))
            except (zlib.error, LZMAError, OSError, ValueError) as error:
                raise BrokenArchive(str(error).lower()) from None
            if piece:
                return piece
            if needs_input and not data and not self._decompressor.eof:
                raise BrokenArchive("compressed file ended before the end-of-stream marker was reached")

    def _begin_next_stream(self) -> bool:
        """Begin the stream behind one that ended, if there is one: these formats are concatenable."""
        assert self._decompressor is not None
        rest = (self._decompressor.unused_data or self._buffer or self._file.read(_PIECE)).lstrip(b"\0")
        while not rest and (piece := self._file.read(_PIECE)):
            rest = piece.lstrip(b"\0")
        if not rest:
            self._buffer = b""
            return False
        self._decompressor, self._buffer = _make_decompressor(self._start), rest
        return True


def _make_decompressor(start: bytes) -> _Decompressor | None:
    """Return the decompressor for a file that begins with `start`; None for a file without compression.

    bz2 and lzma are imported when they are needed: the Python of some build images does not have them.
    """
    if start.startswith(b"\x1f\x8b"):
        return _Gzip()
    if start.startswith(b"BZh"):
        import bz2

        return bz2.BZ2Decompressor()
    if start == b"\xfd7zXZ\x00":
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    return None
