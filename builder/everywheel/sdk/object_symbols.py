"""The symbols of objects in static archives: ELF, Mach-O (64 bits) and COFF."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from everywheel.binaries.ar import list_members
from everywheel.errors import BuildError

_ELF, _MACHO = b"\x7fELF", b"\xcf\xfa\xed\xfe"
_COFF_MACHINES = (0x8664, 0xAA64)
_SYMTAB, _DYNSYM, _LC_SYMTAB = 2, 11, 2
_GLOBAL, _WEAK, _FUNC = 1, 2, 2
_N_STAB, _N_TYPE, _N_EXT, _N_WEAK_REF = 0xE0, 0x0E, 0x01, 0x40
_EXTERNAL, _COFF_WEAK = 2, 105


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSymbols:
    """The symbols that the objects of an archive define, and those that they require from others."""

    defined: frozenset[str]
    required: frozenset[str]


def read_archive(name: str, data: bytes) -> ArchiveSymbols:
    """Return the symbols of an archive; raise BuildError, which names it, when an object cannot be read."""
    defined: set[str] = set()
    required: set[str] = set()
    try:
        for member in list_members(data):
            for symbol, is_defined in _list_symbols(member):
                (defined if is_defined else required).add(symbol)
    except (struct.error, ValueError, IndexError) as error:
        raise BuildError(f"{name} of the SDK cannot be read", details={"reason": error}) from None
    return ArchiveSymbols(defined=frozenset(defined), required=frozenset(required - defined))


def _list_symbols(data: bytes) -> Iterator[tuple[str, bool]]:
    """Yield each symbol with external linkage, and whether the object defines it; weak references are left out."""
    start = data.find(_MACHO, 0, 256)  # after BSD's long member name
    if data.startswith(_ELF):
        yield from _list_elf(data)
    elif start >= 0:
        yield from _list_macho(data[start:])
    elif len(data) > 20 and int.from_bytes(data[:2], "little") in _COFF_MACHINES:
        yield from _list_coff(data)


def _list_elf(data: bytes) -> Iterator[tuple[str, bool]]:
    for name, info, section in _read_elf(data, (_SYMTAB,)):
        if section or info >> 4 == _GLOBAL:
            yield name, bool(section)


def _read_elf(data: bytes, kinds: Collection[int]) -> Iterator[tuple[str, int, int]]:
    """Yield name, type and section of each global symbol in the tables of some kinds."""
    order, is_wide = "<" if data[5] == 1 else ">", data[4] == 2
    (offset,) = struct.unpack_from(f"{order}Q" if is_wide else f"{order}I", data, 40 if is_wide else 32)
    size, count = struct.unpack_from(f"{order}HH", data, 58 if is_wide else 46)
    header = f"{order}IIQQQQIIQQ" if is_wide else f"{order}10I"
    sections = [struct.unpack_from(header, data, offset + index * size) for index in range(count)]
    for _, kind, _, _, begin, length, link, _, _, width in sections:
        if kind not in kinds:
            continue
        names = sections[link][4]
        for entry in range(begin + width, begin + length, width):
            if is_wide:
                name, info, _, section = struct.unpack_from(f"{order}IBBH", data, entry)
            else:
                name, _, _, info, _, section = struct.unpack_from(f"{order}IIIBBH", data, entry)
            if info >> 4 in (_GLOBAL, _WEAK):
                yield _read_name(data, names + name), info, section


def _list_macho(data: bytes) -> Iterator[tuple[str, bool]]:
    (commands,) = struct.unpack_from("<I", data, 16)
    offset = 32
    for _ in range(commands):
        command, size = struct.unpack_from("<II", data, offset)
        if command == _LC_SYMTAB:
            symbols, count, names, _ = struct.unpack_from("<IIII", data, offset + 8)
            for entry in range(symbols, symbols + 16 * count, 16):
                name, kind, _, description = struct.unpack_from("<IBBH", data, entry)
                # A common symbol, whose value is its size, is undefined by its type.
                is_defined = bool(kind & _N_TYPE) or any(data[entry + 8 : entry + 16])
                if kind & _N_EXT and not kind & _N_STAB and (is_defined or not description & _N_WEAK_REF):
                    yield _read_name(data, names + name).removeprefix("_"), is_defined
        offset += size


def _list_coff(data: bytes) -> Iterator[tuple[str, bool]]:
    begin, count = struct.unpack_from("<II", data, 8)
    names, index = begin + 18 * count, 0
    while index < count:
        short, value, section, _, storage, extra = struct.unpack_from("<8sIhHBB", data, begin + 18 * index)
        is_long = not any(short[:4])
        name = _read_name(data, names + int.from_bytes(short[4:], "little")) if is_long else _decode(short)
        if storage == _EXTERNAL or (storage == _COFF_WEAK and section):
            yield name, bool(section) or bool(value)
        index += 1 + extra


def _read_name(data: bytes, start: int) -> str:
    return data[start : data.index(0, start)].decode()


def _decode(short: bytes) -> str:
    return short.rstrip(b"\0").decode()


def list_program_symbols(data: bytes) -> frozenset[str]:
    """Return the functions that a program for Linux defines; a stripped one only has those that it exports.

    Raises ValueError for a file that cannot be read.
    """
    try:
        return frozenset(
            name for name, info, section in _read_elf(data, (_SYMTAB, _DYNSYM)) if section and info & 15 == _FUNC
        )
    except (struct.error, IndexError) as error:
        raise ValueError(f"not a complete ELF file ({error})") from None
