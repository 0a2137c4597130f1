"""The code and the functions of ELF files: from symbols, in stripped files from the table for exceptions (.eh_frame_hdr)."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

from elftools.elf.elffile import ELFFile

from everywheel.binaries.elf_counts import check_counts
from everywheel.binaries.elf_symbols import read_symbols
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.explain.code import Code, CodeFacts, select_functions
from everywheel.explain.startup import list_startup_functions

_SORTED_TABLE = b"\x01\x1b\x03\x3b"  # the encoding of .eh_frame_hdr that all linkers write
_SHF_EXECINSTR = 0x4
_MOST_FUNCTIONS = 2_000_000


def read_elf_code(data: bytes) -> CodeFacts:
    """Return the executable sections of an ELF file with their functions; raise UnreadableElf for a malformed one."""
    try:
        return _read(ELFFile(io.BytesIO(data)), data)
    except UnreadableElf:
        raise
    except Exception as error:  # pyelftools raises nearly every kind of exception on malformed files
        raise UnreadableElf(f"its functions cannot be read ({str(error) or type(error).__name__})") from None


def _read(elf: ELFFile, data: bytes) -> CodeFacts:
    check_counts(elf, data)
    sections = list(elf.iter_sections())
    executable = [s for s in sections if s["sh_type"] == "SHT_PROGBITS" and s["sh_flags"] & _SHF_EXECINSTR]
    if sum(section["sh_size"] for section in executable) > len(data):
        raise UnreadableElf("its executable sections overlap")
    symbols = tuple(
        symbol
        for section in sections
        if section["sh_type"] in ("SHT_DYNSYM", "SHT_SYMTAB")
        for symbol in read_symbols(elf, section, data)
    )
    names: dict[int, str] = dict.fromkeys(_list_frames(elf, data), "")
    names |= {symbol.address: symbol.name for symbol in symbols if symbol.is_function and symbol.address}
    starts = sorted(names)
    code = tuple(
        Code(
            address=section["sh_addr"],
            # Not section.data(), which would decompress a section.
            data=data[section["sh_offset"] : section["sh_offset"] + section["sh_size"]],
            functions=select_functions(names, starts, section["sh_addr"], section["sh_size"]),
        )
        for section in executable
    )
    return CodeFacts(
        code=code,
        symbols=frozenset(symbol.name for symbol in symbols),
        startup=list_startup_functions(elf, sections, data),
        has_selected_functions=any(symbol.is_indirect for symbol in symbols),
    )


def _list_frames(elf: Any, data: bytes) -> Iterator[int]:
    """Yield the address of each function in the sorted table of .eh_frame_hdr."""
    order = "<" if elf.little_endian else ">"
    for segment in elf.iter_segments():
        start, size = segment["p_offset"], segment["p_filesz"]
        if segment["p_type"] == "PT_GNU_EH_FRAME" and data[start : start + 4] == _SORTED_TABLE and size >= 12:
            (count,) = struct.unpack_from(f"{order}I", data, start + 8)
            end = min(start + 12 + 8 * min(count, _MOST_FUNCTIONS), start + size, len(data))
            table = data[start + 12 : end - (end - start - 12) % 8]
            yield from (segment["p_vaddr"] + offset for offset, _ in struct.iter_unpack(f"{order}ii", table))
