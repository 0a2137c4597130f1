"""The ends of the functions of ELF files, from symbols and .eh_frame, and the data in code that mapping symbols name."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from everywheel.binaries.elf_symbols import ElfSymbol
from everywheel.explain.code import Bound

_SORTED_TABLE = b"\x01\x1b\x03\x3b"  # the encoding of .eh_frame_hdr that all linkers write
_MOST_FUNCTIONS = 2_000_000


def read_frames(elf: Any, data: bytes) -> dict[int, int]:
    """Return the address of each function in the sorted table of .eh_frame_hdr, with the address of its entry in .eh_frame."""
    return dict(_list_frames(elf, data))


def _list_frames(elf: Any, data: bytes) -> Iterator[tuple[int, int]]:
    order = "<" if elf.little_endian else ">"
    for segment in elf.iter_segments():
        start, size, base = segment["p_offset"], segment["p_filesz"], segment["p_vaddr"]
        if segment["p_type"] == "PT_GNU_EH_FRAME" and data[start : start + 4] == _SORTED_TABLE and size >= 12:
            (count,) = struct.unpack_from(f"{order}I", data, start + 8)
            end = min(start + 12 + 8 * min(count, _MOST_FUNCTIONS), start + size, len(data))
            table = data[start + 12 : end - (end - start - 12) % 8]
            for function, entry in struct.iter_unpack(f"{order}ii", table):
                yield base + function, base + entry


def find_bounds(
    frames: dict[int, int], symbols: Iterable[ElfSymbol], frame_section: Any, data: bytes
) -> dict[int, Bound]:
    """Return the ends of functions by their addresses; `frame_section` is .eh_frame, None without it."""
    bounds = {
        symbol.address: Bound(end=symbol.address + symbol.size)
        for symbol in symbols
        if symbol.is_function and symbol.size
    }
    if frame_section is not None:
        bounds |= dict(_list_bounds(frames, frame_section, data))
    return bounds


def _list_bounds(frames: dict[int, int], section: Any, data: bytes) -> Iterator[tuple[int, Bound]]:
    """Yield the bound of each function whose entry has the usual form: distances of four bytes."""
    move, last = section["sh_offset"] - section["sh_addr"], min(section["sh_offset"] + section["sh_size"], len(data))
    handlers: dict[int, bool] = {}
    for function, entry in frames.items():
        start = entry + move
        if not section["sh_offset"] <= start <= last - 16:
            continue
        _, back, distance, size = struct.unpack_from("<IIiI", data, start)
        if entry + 8 + distance != function or not size:
            continue
        common = start + 4 - back
        if common not in handlers:
            # The letters after length, number and version state what the entries have; L is a table of handlers.
            letters = data[common + 9 : common + 17].partition(b"\0")[0] if common >= 0 else b"L"
            handlers[common] = b"L" in letters
        yield function, Bound(end=function + size, has_handlers=handlers[common])


def list_data(symbols: Iterable[ElfSymbol], first: int, size: int) -> tuple[tuple[int, int], ...]:
    """Return the parts of a section that mapping symbols call data, as offsets: `$d` begins data, `$x` instructions."""
    marks = sorted(
        (symbol.address - first, symbol.name[1] == "d")
        for symbol in symbols
        if symbol.name[:2] in ("$d", "$x") and symbol.name[2:3] in ("", ".") and first <= symbol.address < first + size
    )
    parts = pairwise([*marks, (size, False)])
    return tuple((offset, end) for (offset, is_data), (end, _) in parts if is_data and offset < end)
