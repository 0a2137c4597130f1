"""Sections of ELF files: a hash of each, to name those in which two files differ."""

from __future__ import annotations

import hashlib
import io

from elftools.elf.elffile import ELFFile

from everywheel.binaries.elf_counts import check_counts
from everywheel.binaries.unreadable import UnreadableElf


def hash_sections(data: bytes) -> dict[str, str]:
    """Return a hash of the header and the content of each section by its name; raise UnreadableElf for a malformed file.

    Sections of the same name are numbered: `.text`, `.text (2)`. A section without content in the file, such as `.bss`, is
    hashed by its header only.
    """
    try:
        return _hash(ELFFile(io.BytesIO(data)), data)
    except UnreadableElf:
        raise
    except Exception as error:  # pyelftools raises nearly every kind of exception on malformed files
        raise UnreadableElf(f"not a complete ELF file ({str(error) or type(error).__name__})") from None


def _hash(elf: ELFFile, data: bytes) -> dict[str, str]:
    check_counts(elf, data)
    hashes: dict[str, str] = {}
    times: dict[str, int] = {}
    total = 0
    for section in elf.iter_sections():
        is_in_file = section["sh_type"] != "SHT_NOBITS"
        start, size = section["sh_offset"], section["sh_size"] if is_in_file else 0
        total += size
        if total > 2 * len(data):
            raise UnreadableElf("its sections overlap")
        if start + size > len(data):
            raise UnreadableElf("it is truncated")
        header = [section[field] for field in ("sh_type", "sh_flags", "sh_addr", "sh_size", "sh_addralign")]
        times[section.name] = times.get(section.name, 0) + 1
        name = section.name if times[section.name] == 1 else f"{section.name} ({times[section.name]})"
        # Not section.data(), which would decompress a section.
        hashes[name] = hashlib.sha256(repr(header).encode() + data[start : start + size]).hexdigest()
    return hashes
