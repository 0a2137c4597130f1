"""The code and the functions of Mach-O images: from symbols, in stripped images from LC_FUNCTION_STARTS."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from macholib import mach_o
from macholib.MachO import MachOHeader

from everywheel.binaries.macho_images import open_images
from everywheel.binaries.macho_symbols import is_wide, make_entry
from everywheel.binaries.unreadable import UnreadableMacho
from everywheel.explain.code import Code, CodeFacts, select_functions

_INSTRUCTIONS = 0x80000400  # a section with instructions, only or among others
_N_STAB, _N_TYPE = 0xE0, 0x0E
_SECTION_TYPE, _INIT_POINTERS, _INIT_OFFSETS = 0xFF, 0x9, 0x16
_POINTER = 0xFFFFFFFFF  # the bits of the address in a pointer that the loader relocates (DYLD_CHAINED_PTR_64)
_MOST_FUNCTIONS = 2_000_000


def read_macho_code(data: bytes, cpu: str) -> CodeFacts:
    """Return the code of the image for an architecture, as lipo names it; raise UnreadableMacho for a malformed file."""
    try:
        header, image = next((header, image) for name, header, image in open_images(data) if name == cpu)
        return _read(header, image)
    except Exception as error:  # macholib raises nearly every kind of exception on malformed files
        raise UnreadableMacho(f"its functions cannot be read ({str(error) or type(error).__name__})") from None


def _read(header: MachOHeader, image: bytes) -> CodeFacts:
    commands = [(load.cmd, command, rest) for load, command, rest in header.commands]
    segments = [(command, rest) for cmd, command, rest in commands if cmd in (mach_o.LC_SEGMENT, mach_o.LC_SEGMENT_64)]
    sections = [section for _, rest in segments for section in rest]
    base = next((int(command.vmaddr) for command, _ in segments if int(command.fileoff) == 0), 0)
    symbols = list(_list_symbols(commands, image, header))
    names = dict.fromkeys(_list_starts(commands, image, base), "")
    names |= {address: name for name, address in symbols if address}
    starts = sorted(names)
    executable = [section for section in sections if int(section.flags) & _INSTRUCTIONS]
    if sum(int(section.size) for section in executable) > len(image):
        raise UnreadableMacho("its executable sections overlap")
    return CodeFacts(
        code=tuple(
            Code(
                address=int(section.addr),
                data=image[int(section.offset) : int(section.offset) + int(section.size)],
                functions=select_functions(names, starts, int(section.addr), int(section.size)),
            )
            for section in executable
        ),
        symbols=frozenset(name for name, _ in symbols),
        startup=frozenset(_list_startup(sections, image, header, base)),
    )


def _list_symbols(commands: list[Any], image: bytes, header: MachOHeader) -> Iterator[tuple[str, int]]:
    """Yield name and address of each symbol, 0 for one that is imported."""
    for cmd, command, _ in commands:
        if cmd == mach_o.LC_SYMTAB:
            layout = make_entry(header)
            first, strings = int(command.symoff), image[int(command.stroff) :][: int(command.strsize)]
            for index, kind, _, _, value in layout.iter_unpack(image[first : first + layout.size * int(command.nsyms)]):
                if not kind & _N_STAB:
                    name = strings[index : strings.find(b"\0", index)].decode(errors="replace")
                    yield name.removeprefix("_"), value if kind & _N_TYPE else 0


def _list_starts(commands: list[Any], image: bytes, base: int) -> Iterator[int]:
    """Yield the address of each function: the table has the distances between them as ULEB128 numbers."""
    for cmd, command, _ in commands:
        if cmd == mach_o.LC_FUNCTION_STARTS:
            address, distance, shift, count = base, 0, 0, 0
            for byte in image[int(command.dataoff) :][: int(command.datasize)]:
                distance |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    if not distance or count == _MOST_FUNCTIONS:
                        return
                    address, distance, shift, count = address + distance, 0, 0, count + 1
                    yield address


def _list_startup(sections: list[Any], image: bytes, header: MachOHeader, base: int) -> Iterator[int]:
    for section in sections:
        kind, start, size = int(section.flags) & _SECTION_TYPE, int(section.offset), int(section.size)
        if kind == _INIT_POINTERS and is_wide(header):
            for (pointer,) in struct.iter_unpack(f"{header.endian}Q", image[start : start + size // 8 * 8]):
                address = pointer & _POINTER
                # A pointer of an image with chained fixups is an offset.
                yield address if address >= base else base + address
        elif kind == _INIT_OFFSETS:
            yield from (
                base + offset
                for (offset,) in struct.iter_unpack(f"{header.endian}I", image[start : start + size // 4 * 4])
            )
