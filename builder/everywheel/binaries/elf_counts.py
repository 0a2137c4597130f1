"""Numbers of headers in ELF files, checked before the headers are read: each takes pyelftools a quarter of a millisecond."""

from __future__ import annotations

import struct

from elftools.elf.elffile import ELFFile

from everywheel.binaries.unreadable import UnreadableElf

# Linked files have less than a hundred sections. With -ffunction-sections, a compiler writes one for each function, for ARM
# three: the object of SQLite has 10,830 there.
MOST_SECTIONS = 20_000
MOST_SEGMENTS = 1_000  # Linux loads no file with more than 64 kB of program headers, which are 1170
_PT_DYNAMIC = 2


def check_counts(elf: ELFFile, data: bytes) -> None:
    """Raise UnreadableElf if a file states more sections or segments than it can contain, or than a linker writes."""
    sections, segments = int(elf.num_sections()), int(elf["e_phnum"])  # 0xffff refers to a larger number
    for name, count, most in (("sections", sections, MOST_SECTIONS), ("program headers", segments, MOST_SEGMENTS)):
        if count > most:
            raise UnreadableElf(f"its header lists {count} {name}, and at most {most} are read")
    ends = [elf["e_shoff"] + sections * elf["e_shentsize"]] if sections else []
    ends += [elf["e_phoff"] + segments * elf["e_phentsize"]] if segments else []
    if max(ends, default=0) > len(data):
        raise UnreadableElf(f"truncated: {len(data)} of {max(ends)} bytes")
    _check_dynamic_segments(elf, data, segments)


def _check_dynamic_segments(elf: ELFFile, data: bytes, segments: int) -> None:
    """Raise UnreadableElf for a second one: for each, pyelftools reads all sections."""
    number_format = struct.Struct("<I" if elf.little_endian else ">I")
    starts = (elf["e_phoff"] + number * elf["e_phentsize"] for number in range(segments))
    dynamic = sum(number_format.unpack_from(data, start)[0] == _PT_DYNAMIC for start in starts)
    if dynamic > 1:
        raise UnreadableElf(f"it has {dynamic} dynamic segments")
