"""Hiding symbols on macOS: zig's linker there reads lists of exports and ignores them, so objects are told before a link.

This file is also a program, run by the compiler wrapper with a Python that has nothing else of the toolkit:
`python hiding.py PATTERN… -- WORD…` marks, in every object and archive that the words of a link name, each external
symbol that matches no pattern as private to the library (N_PEXT), which is what `-exported_symbols_list` does.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

_ARCHIVE = b"!<arch>\n"
_OBJECT = b"\xcf\xfa\xed\xfe"  # Mach-O of 64 bits, little endian: all that macOS of today has
_LC_SYMTAB = 2
_N_STAB, _N_PEXT, _N_TYPE, _N_EXT = 0xE0, 0x10, 0x0E, 0x01


def hide_symbols(data: bytes, patterns: Sequence[str]) -> bytes:
    """Return an object, or an archive of objects, in which only symbols that match a pattern can leave a library.

    Nothing moves: one bit of each symbol changes. Anything but Mach-O is returned as it is.
    """
    changed = bytearray(data)
    for start in _objects(data):
        for entry, name in _defined_symbols(data, start):
            if not any(fnmatchcase(name, pattern) for pattern in patterns):
                changed[entry + 4] |= _N_PEXT
    return bytes(changed)


def _objects(data: bytes) -> Iterator[int]:
    """Yield where each object starts: members of archives have 60-byte headers at even offsets, long names before them."""
    at = len(_ARCHIVE)
    if not data.startswith(_ARCHIVE):
        yield from [0] if data.startswith(_OBJECT) else []
        return
    while at + 60 <= len(data):
        size, start = int(data[at + 48 : at + 58]), at + 60
        if data[at : at + 3] == b"#1/":
            start += int(data[at + 3 : at + 16])
        if data.startswith(_OBJECT, start):
            yield start
        at += 60 + size + size % 2


def _defined_symbols(data: bytes, start: int) -> Iterator[tuple[int, str]]:
    """Yield where each external symbol that an object defines stands in its table, and the name as C spells it."""
    (commands,) = struct.unpack_from("<I", data, start + 16)
    at = start + 32
    for _ in range(commands):
        command, size = struct.unpack_from("<II", data, at)
        if command == _LC_SYMTAB:
            symbols, count, names, _ = struct.unpack_from("<IIII", data, at + 8)
            for entry in range(start + symbols, start + symbols + 16 * count, 16):
                name, kind = struct.unpack_from("<IB", data, entry)
                if kind & _N_EXT and kind & _N_TYPE and not kind & _N_STAB:
                    begin = start + names + name
                    yield entry, data[begin : data.index(0, begin)].decode().removeprefix("_")
        at += size


def _linked_files(words: Sequence[str]) -> Iterator[Path]:
    """Yield the objects and archives that the words of a link name, those in response files and of `-l` as well."""
    folders = [word[2:] for word in words if word.startswith("-L")]
    for word in words:
        if word.startswith("@") and Path(word[1:]).is_file():  # not @rpath/…
            yield from _linked_files([w.strip("'\"") for w in Path(word[1:]).read_text().split()])
        elif word.startswith("-l"):
            archives = [Path(folder, f"lib{word[2:]}.a") for folder in folders]
            yield from [path for path in archives if path.is_file()][:1]
        elif word.endswith((".o", ".a")):
            path = Path(word.rpartition(",")[2])  # -Wl,-force_load,x.a
            yield from [path] if path.is_file() else []


def _main(arguments: Sequence[str]) -> None:
    middle = arguments.index("--")
    patterns, words = arguments[:middle], arguments[middle + 1 :]
    for path in dict.fromkeys(_linked_files(words)):
        status, data = path.stat(), path.read_bytes()
        hidden = hide_symbols(data, patterns)
        if hidden != data:
            unfinished = path.with_name(f".{path.name}.{os.getpid()}")
            unfinished.write_bytes(hidden)
            unfinished.replace(path)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # else whoever made it would make it again


if __name__ == "__main__":
    _main(sys.argv[1:])
