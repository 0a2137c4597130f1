"""The functions that run when an ELF file is loaded: DT_INIT and the entries of .init_array."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from elftools.elf.elffile import ELFFile

_RELATIVE = {"EM_X86_64": 8, "EM_AARCH64": 1027}
_ARRAYS = ("SHT_INIT_ARRAY", "SHT_PREINIT_ARRAY")


def list_startup_functions(elf: ELFFile, sections: Sequence[Any], data: bytes) -> frozenset[int]:
    """Return the addresses of the functions that run before the file can be used; of 64-bit files only."""
    if elf.elfclass != 64:
        return frozenset()
    order = "<" if elf.little_endian else ">"
    arrays = [section for section in sections if section["sh_type"] in _ARRAYS]
    ranges = [(section["sh_addr"], section["sh_addr"] + section["sh_size"]) for section in arrays]
    addresses = {address for section in arrays for address in _read_words(section, data, order)}
    for section in sections:
        if section["sh_type"] == "SHT_RELA" and ranges:
            addresses |= set(_list_relocated(section, data, order, ranges, _RELATIVE.get(str(elf["e_machine"]), -1)))
    return frozenset(addresses - {0})


def _read_words(section: Any, data: bytes, order: str) -> Iterator[int]:
    count = min(section["sh_size"] // 8, 100_000)
    start = section["sh_offset"]
    yield from struct.unpack(f"{order}{count}Q", data[start : start + 8 * count])


def _list_relocated(
    section: Any, data: bytes, order: str, ranges: list[tuple[int, int]], relative: int
) -> Iterator[int]:
    start, size = section["sh_offset"], section["sh_size"] // 24 * 24
    for offset, info, addend in struct.iter_unpack(f"{order}QQq", data[start : start + size]):
        if info & 0xFFFFFFFF == relative and any(first <= offset < last for first, last in ranges):
            yield addend
