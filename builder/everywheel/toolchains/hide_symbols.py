"""Hides symbols in the objects and archives of a link for macOS or Windows, before the link.

zig's linker for macOS ignores -exported_symbols_list (https://github.com/ziglang/zig/issues/24662). Other linkers mark each
external symbol that is not in the list as private to the library (N_PEXT). This module sets the same flag in the objects
and archives themselves.

On Windows, the linker exports each symbol that an object names in its section `.drectve`, as `__declspec(dllexport)` requires.
C++ libraries such as pybind11 use it for classes, which a module must not export. This module overwrites such directives.

The compiler wrapper runs this file as a program, `python hide_symbols.py PATTERN… -- ARGUMENT…`, with the arguments of the
link. The file imports only the standard library, since its Python does not have the package.
"""

from __future__ import annotations

import os
import re
import shlex
import struct
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

_ARCHIVE = b"!<arch>\n"
_OBJECT = b"\xcf\xfa\xed\xfe"  # 64-bit little-endian Mach-O, the only format of supported macOS versions
_COFF_MACHINES = (0x8664, 0xAA64)
_EXPORT = re.compile(rb"[-/]export:(?P<quote>\"?)(?P<name>[^\",\s]+)(?P=quote)(?:,\w+)*", re.IGNORECASE)
_LC_SYMTAB = 2
_N_STAB, _N_PEXT, _N_TYPE, _N_EXT = 0xE0, 0x10, 0x0E, 0x01


def hide_symbols(data: bytes, patterns: Sequence[str]) -> bytes:
    """Return an object file or archive in which the defined symbols that match no pattern are private to the library.

    Only the flag N_PEXT of these symbols is changed, or the directives that export them. Data in another format is returned
    unchanged.
    """
    changed = bytearray(data)
    for start in _objects(data):
        if data.startswith(_OBJECT, start):
            for entry, name in _defined_symbols(data, start):
                if not any(fnmatchcase(name, pattern) for pattern in patterns):
                    changed[entry + 4] |= _N_PEXT
            continue
        for begin, end in _directives(data, start):
            for match in _EXPORT.finditer(data, begin, end):
                if not any(fnmatchcase(match["name"].decode(), pattern) for pattern in patterns):
                    changed[match.start() : match.end()] = b" " * len(match[0])
    return bytes(changed)


def _is_object(data: bytes, start: int) -> bool:
    """Return whether an object for macOS or Windows begins at an offset."""
    return data.startswith(_OBJECT, start) or _sections(data, start) is not None


def _sections(data: bytes, start: int) -> tuple[int, int] | None:
    """Return the offset and the number of the section headers of a COFF object, None for other data."""
    if len(data) < start + 56:
        return None
    machine, count = struct.unpack_from("<HH", data, start)
    if machine in _COFF_MACHINES:
        return start + 20, count
    version, large = struct.unpack_from("<HH", data, start + 4)
    # An object with more than 65,279 sections; import libraries have version 0.
    if (machine, count) == (0, 0xFFFF) and version >= 2 and large in _COFF_MACHINES:
        return start + 56, struct.unpack_from("<I", data, start + 44)[0]
    return None


def _directives(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Yield where the directives for the linker begin and end in a COFF object."""
    table, count = _sections(data, start) or (0, 0)
    for header in range(table, table + 40 * count, 40):
        if data.startswith(b".drectve", header):
            size, begin = struct.unpack_from("<II", data, header + 16)
            yield start + begin, start + begin + size


def _objects(data: bytes) -> Iterator[int]:
    """Yield the offset of each object: a member of an archive has a 60-byte header at an even offset, then its long name."""
    offset = len(_ARCHIVE)
    if not data.startswith(_ARCHIVE):
        yield from [0] if _is_object(data, 0) else []
        return
    while offset + 60 <= len(data):
        size, start = int(data[offset + 48 : offset + 58]), offset + 60
        if data[offset : offset + 3] == b"#1/":
            start += int(data[offset + 3 : offset + 16])
        if _is_object(data, start):
            yield start
        offset += 60 + size + size % 2


def _defined_symbols(data: bytes, start: int) -> Iterator[tuple[int, str]]:
    """Yield the offset of the table entry, and the C name, of each external symbol that an object defines."""
    (commands,) = struct.unpack_from("<I", data, start + 16)
    offset = start + 32
    for _ in range(commands):
        command, size = struct.unpack_from("<II", data, offset)
        if command == _LC_SYMTAB:
            symbols, count, names, _ = struct.unpack_from("<IIII", data, offset + 8)
            for entry in range(start + symbols, start + symbols + 16 * count, 16):
                name, kind = struct.unpack_from("<IB", data, entry)
                if kind & _N_EXT and kind & _N_TYPE and not kind & _N_STAB:
                    begin = start + names + name
                    yield entry, data[begin : data.index(0, begin)].decode().removeprefix("_")
        offset += size


def _linked_files(args: Sequence[str]) -> Iterator[Path]:
    """Yield the objects and archives among the arguments of a link, including response files and `-l` options."""
    folders = [arg[2:] for arg in args if arg.startswith("-L")]
    for arg in args:
        if arg.startswith("@") and Path(arg[1:]).is_file():  # not @rpath/…
            yield from _linked_files(shlex.split(Path(arg[1:]).read_text()))
        elif arg.startswith("-l"):
            archives = [Path(folder, f"lib{arg[2:]}.a") for folder in folders]
            yield from [path for path in archives if path.is_file()][:1]
        elif arg.endswith((".o", ".obj", ".a")):
            path = Path(arg.rpartition(",")[2])  # -Wl,-force_load,x.a
            yield from [path] if path.is_file() else []


def _main(arguments: Sequence[str]) -> None:
    middle = arguments.index("--")
    patterns, args = arguments[:middle], arguments[middle + 1 :]
    for path in dict.fromkeys(_linked_files(args)):
        status, data = path.stat(), path.read_bytes()
        hidden = hide_symbols(data, patterns)
        if hidden != data:
            unfinished = path.with_name(f".{path.name}.{os.getpid()}")
            unfinished.write_bytes(hidden)
            unfinished.replace(path)
            # With a new modification time, the build system would build the targets that depend on the file again.
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


if __name__ == "__main__":
    _main(sys.argv[1:])
