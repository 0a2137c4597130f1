"""The code and the functions of ELF files: from symbols, in stripped files from the table for exceptions (.eh_frame_hdr)."""

from __future__ import annotations

import io

from elftools.elf.elffile import ELFFile

from everywheel.binaries.elf_counts import check_counts
from everywheel.binaries.elf_symbols import read_symbols
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.explain.code import Code, CodeFacts, select_functions
from everywheel.explain.elf_bounds import find_bounds, list_data, read_frames
from everywheel.explain.startup import list_startup_functions

_SHF_EXECINSTR = 0x4


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
    frames = read_frames(elf, data)
    names: dict[int, str] = dict.fromkeys(frames, "")
    names |= {symbol.address: symbol.name for symbol in symbols if symbol.is_function and symbol.address}
    starts = sorted(names)
    is_arm64 = elf["e_machine"] == "EM_AARCH64" and elf.little_endian
    frame_section = next((section for section in sections if section.name == ".eh_frame"), None)
    bounds = find_bounds(frames, symbols, frame_section, data) if is_arm64 else None
    code = tuple(
        Code(
            address=section["sh_addr"],
            # Not section.data(), which would decompress a section.
            data=data[section["sh_offset"] : section["sh_offset"] + section["sh_size"]],
            functions=select_functions(names, starts, section["sh_addr"], section["sh_size"]),
            bounds=bounds,
            data_ranges=list_data(symbols, section["sh_addr"], section["sh_size"]) if is_arm64 else (),
        )
        for section in executable
    )
    return CodeFacts(
        code=code,
        symbols=frozenset(symbol.name for symbol in symbols),
        startup=list_startup_functions(elf, sections, data),
        has_selected_functions=any(symbol.is_indirect for symbol in symbols),
    )
