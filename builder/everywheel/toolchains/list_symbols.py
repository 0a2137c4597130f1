"""A replacement of `nm`, which configure scripts and libtool call: it lists the symbols of objects and archives.

zig has no nm, and that of the build machine does not read the objects of every target. Files may be ELF, 64-bit Mach-O or
COFF. Options are ignored: the output is always in the format of BSD, `<value> <type> <name>`.

The wrapper runs this file as a program, `python list_symbols.py [OPTION]… FILE…`. It imports only the standard library, since
its Python does not have the package.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

_ARCHIVE = b"!<arch>\n"
_COFF_MACHINES = (0x8664, 0xAA64)
_SHT_SYMTAB, _SHT_NOBITS, _SHN_ABS, _SHN_COMMON = 2, 8, 0xFFF1, 0xFFF2
_SHF_WRITE, _SHF_EXECUTE = 1, 4
_STT_SECTION, _STT_FILE = 3, 4


def list_symbols(data: bytes) -> Iterator[tuple[int, str, str]]:
    """Yield value, type and name of each symbol of an object or of all objects in an archive; nothing for other data.

    The type is nm's letter: U for undefined, T for code, D, R, B for data, C for common, W for weak, A for absolute; small
    for a local symbol.
    """
    for object in _objects(data):
        if object.startswith(b"\x7fELF"):
            yield from _list_elf(object)
        elif object.startswith(b"\xcf\xfa\xed\xfe"):
            yield from _list_macho(object)
        elif len(object) >= 20 and struct.unpack_from("<H", object)[0] in _COFF_MACHINES:
            yield from _list_coff(object)


def _objects(data: bytes) -> Iterator[bytes]:
    if not data.startswith(_ARCHIVE):
        yield data
        return
    offset = len(_ARCHIVE)
    while offset + 60 <= len(data):
        size, start = int(data[offset + 48 : offset + 58]), offset + 60
        long_name = int(data[offset + 3 : offset + 16]) if data.startswith(b"#1/", offset) else 0
        yield data[start + long_name : start + size]
        offset += 60 + size + size % 2


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(0, start)].decode(errors="replace")


def _list_elf(data: bytes) -> Iterator[tuple[int, str, str]]:
    order, wide = "<" if data[5] == 1 else ">", data[4] == 2
    (table,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", data, 0x28 if wide else 0x20)
    size, count = struct.unpack_from(f"{order}HH", data, 0x3A if wide else 0x2E)
    form = f"{order}{'IIQQQQIIQQ' if wide else 'IIIIIIIIII'}"
    sections = [struct.unpack_from(form, data, table + size * number) for number in range(count)]
    symbol_form = f"{order}{'IBBHQQ' if wide else 'IIIBBH'}"
    for section in sections:
        if section[1] != _SHT_SYMTAB:
            continue
        names = sections[section[6]][4]
        for offset in range(section[4], section[4] + section[5], struct.calcsize(symbol_form)):
            fields = struct.unpack_from(symbol_form, data, offset)
            name, info, index, value = (
                (fields[0], fields[1], fields[3], fields[4]) if wide else (fields[0], fields[3], fields[5], fields[1])
            )
            if name and info & 15 not in (_STT_SECTION, _STT_FILE):
                yield value, _name_elf_type(info >> 4, index, sections), _text(data, names + name)


def _name_elf_type(binding: int, index: int, sections: list[tuple[int, ...]]) -> str:
    if index == 0:
        return "w" if binding == 2 else "U"
    if index == _SHN_COMMON:
        return "C"
    if binding == 2:
        return "W"
    letter = "A"
    if index != _SHN_ABS and index < len(sections):
        kind, flags = sections[index][1:3]
        letter = "T" if flags & _SHF_EXECUTE else "R"
        if flags & _SHF_WRITE:
            letter = "B" if kind == _SHT_NOBITS else "D"
    return letter if binding else letter.lower()


def _list_macho(data: bytes) -> Iterator[tuple[int, str, str]]:
    (commands,) = struct.unpack_from("<I", data, 16)
    offset, sections, tables = 32, list[str](), list[tuple[int, ...]]()
    for _ in range(commands):
        command, size = struct.unpack_from("<II", data, offset)
        if command == 0x19:  # LC_SEGMENT_64
            (count,) = struct.unpack_from("<I", data, offset + 64)
            for start in range(offset + 72, offset + 72 + 80 * count, 80):
                segment = data[start + 16 : start + 32].rstrip(b"\0")
                text = data[start : start + 16].rstrip(b"\0") == b"__text"
                sections.append("T" if text else "D" if segment == b"__DATA" else "S")
        elif command == 2:  # LC_SYMTAB
            tables.append(struct.unpack_from("<IIII", data, offset + 8))
        offset += size
    for symbols, count, names, _ in tables:
        for entry in range(symbols, symbols + 16 * count, 16):
            name, kind, section, _, value = struct.unpack_from("<IBBHQ", data, entry)
            if kind & 0xE0:  # debug data
                continue
            letter = {0: "C" if value else "U", 2: "A"}.get(kind & 0x0E, "S")
            if kind & 0x0E == 0x0E:
                letter = sections[section - 1]
            yield value, letter if kind & 1 else letter.lower(), _text(data, names + name)


def _list_coff(data: bytes) -> Iterator[tuple[int, str, str]]:
    sections, _, symbols, count, optional = struct.unpack_from("<HIIIH", data, 2)
    names, number = symbols + 18 * count, 0
    while number < count:
        entry = symbols + 18 * number
        value, section, _, storage, auxiliary = struct.unpack_from("<IhHBB", data, entry + 8)
        number += 1 + auxiliary
        zero, offset = struct.unpack_from("<II", data, entry)
        name = (
            _text(data, names + offset) if not zero else data[entry : entry + 8].rstrip(b"\0").decode(errors="replace")
        )
        if storage not in (2, 3, 105) or (storage == 3 and auxiliary):
            continue
        letter = "A" if section < 0 else "C" if value else "U"
        if 0 < section <= sections:
            (flags,) = struct.unpack_from("<I", data, 20 + optional + 40 * (section - 1) + 36)
            letter = "T" if flags & 0x20 else "B" if flags & 0x80 else "D" if flags & 0x80000000 else "R"
        yield value, letter if storage != 3 else letter.lower(), name


def _main(arguments: list[str]) -> None:
    if any(arg in ("-V", "--version") for arg in arguments):
        sys.stdout.write("GNU nm of everywheel (BSD format)\n")
        return
    for name in (arg for arg in arguments if not arg.startswith("-")):
        for value, letter, symbol in list_symbols(Path(name).read_bytes()):
            address = " " * 16 if letter in "Uw" else f"{value:016x}"
            sys.stdout.write(f"{address} {letter} {symbol}\n")


if __name__ == "__main__":
    _main(sys.argv[1:])
