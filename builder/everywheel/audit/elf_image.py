"""ELF files as the loader of Linux reads them: by their segments. Tools, and the other checks, read the section table."""

from __future__ import annotations

import io
import itertools
import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection
from elftools.elf.segments import NoteSegment

from everywheel.binaries.elf_counts import check_counts
from everywheel.binaries.unreadable import UnreadableElf

DT_STRTAB, DT_SYMTAB, DT_GNU_HASH, DT_VERSYM, DT_VERNEED = 5, 6, 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFE
DT_FLAGS, DT_FLAGS_1, DT_RELR, DT_FILTER = 30, 0x6FFFFFFB, 36, 0x7FFFFFFF
_TABLES = ((DT_SYMTAB, "SHT_DYNSYM"), (DT_VERSYM, "SHT_GNU_versym"), (DT_VERNEED, "SHT_GNU_verneed"))
_NOTES, _MOST_VERSIONS = 1 << 16, 10_000  # bytes of a segment, and versions of a file, that are read
_ISA_NEEDED = "GNU_PROPERTY_X86_ISA_1_NEEDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfImage:
    """The parts of an ELF file that the loader reads.

    `loads` are the headers of the segments that it maps, `tags` the values in the dynamic segment by tag, None without
    one. `differences` are the tables that it finds elsewhere than the section table states. `tls` is the size of the
    thread-local variables in bytes, `isa` the bits of the x86-64 levels that the file declares, `filtees` the libraries of
    DT_FILTER, which it loads like needed ones, and `versions` the symbol versions that the file defines.
    """

    ident: bytes
    version: str
    loads: tuple[Any, ...]
    tags: dict[int, list[int]] | None
    differences: tuple[str, ...]
    tls: int
    isa: int
    filtees: tuple[str, ...]
    versions: frozenset[str]

    def flags(self, tag: int) -> int:
        """Return the bits of a tag with flags; 0 without it."""
        return (self.tags or {}).get(tag, [0])[-1]


def read_image(data: bytes) -> ElfImage:
    """Return what the loader reads of a file that `read_elf` accepts; raise UnreadableElf for a malformed one."""
    try:
        return _read(ELFFile(io.BytesIO(data)), data)
    except UnreadableElf:
        raise
    except Exception as error:  # pyelftools raises nearly every kind of exception on malformed files
        raise UnreadableElf(f"not a complete ELF file ({str(error) or type(error).__name__})") from None


def _read(elf: ELFFile, data: bytes) -> ElfImage:
    check_counts(elf, data)
    segments, sections = list(elf.iter_segments()), list(elf.iter_sections())
    dynamic = next((segment for segment in segments if segment["p_type"] == "PT_DYNAMIC"), None)
    loads = tuple(segment.header for segment in segments if segment["p_type"] == "PT_LOAD")
    tags = _read_tags(elf, data, dynamic["p_offset"], dynamic["p_filesz"]) if dynamic is not None else None
    notes = [
        note for s in segments if isinstance(s, NoteSegment) and s["p_filesz"] <= _NOTES for note in s.iter_notes()
    ]
    properties = [p for note in notes if isinstance(note["n_desc"], list) for p in note["n_desc"]]
    return ElfImage(
        ident=data[:16],
        version=str(elf["e_version"]),
        loads=loads,
        tags=tags,
        differences=tuple(_compare_sections(data, sections, loads, dynamic, tags or {})),
        tls=sum(segment["p_memsz"] for segment in segments if segment["p_type"] == "PT_TLS"),
        isa=next((p["pr_data"] for p in properties if p["pr_type"] == _ISA_NEEDED), 0),
        filtees=tuple(_read_names(data, loads, tags or {})),
        versions=frozenset(_read_versions(sections)),
    )


def _read_tags(elf: ELFFile, data: bytes, offset: int, size: int) -> dict[int, list[int]]:
    entry = struct.Struct(("<" if elf.little_endian else ">") + ("qQ" if elf.elfclass == 64 else "iI"))
    tags: dict[int, list[int]] = defaultdict(list)
    for tag, value in entry.iter_unpack(data[offset : offset + size // entry.size * entry.size]):
        if tag == 0:
            break
        tags[tag].append(value)
    return dict(tags)


def _find_offset(address: int, loads: tuple[Any, ...]) -> int | None:
    """Return where in the file the content of an address is."""
    for load in loads:
        if load["p_vaddr"] <= address < load["p_vaddr"] + load["p_filesz"]:
            return int(address - load["p_vaddr"] + load["p_offset"])
    return None


def _compare_sections(
    data: bytes, sections: list[Any], loads: tuple[Any, ...], dynamic: Any, tags: dict[int, list[int]]
) -> Iterator[str]:
    """Yield each table of the section table that is not the one that the loader reads."""
    by_type: dict[str, Any] = {section["sh_type"]: section for section in sections}
    section: Any = by_type.get("SHT_DYNAMIC")
    if dynamic is None:
        return
    if section is None or section["sh_offset"] != dynamic["p_offset"] or section["sh_size"] < dynamic["p_filesz"]:
        yield "dynamic"
        return
    pairs: list[tuple[int, Any, str]] = [(tag, by_type.get(kind), kind) for tag, kind in _TABLES]
    if section["sh_link"] < len(sections):
        pairs.append((DT_STRTAB, sections[section["sh_link"]], "SHT_STRTAB"))
    for tag, table, kind in pairs:
        for address in tags.get(tag, []):
            if table is None or table["sh_offset"] != _find_offset(address, loads):
                yield kind.removeprefix("SHT_").lower()
    symbols: Any = by_type.get("SHT_DYNSYM")
    for address in tags.get(DT_GNU_HASH, []) if symbols is not None else []:
        first = _read_at(data, address + 4, loads)[:4]
        # The table begins with the symbols that the file needs; the hash table has the number of the first other one.
        if len(first) < 4 or int.from_bytes(first, "little" if data[5] == 1 else "big") > symbols.num_symbols():
            yield "gnu_hash"


def _read_at(data: bytes, address: int, loads: tuple[Any, ...]) -> bytes:
    """Return up to 1,024 bytes at an address; empty if no segment contains it."""
    offset = _find_offset(address, loads)
    return data[offset : offset + 1024] if offset is not None else b""


def _read_names(data: bytes, loads: tuple[Any, ...], tags: dict[int, list[int]]) -> Iterator[str]:
    for start in tags.get(DT_STRTAB, [])[-1:]:
        for value in tags.get(DT_FILTER, []):
            yield _read_at(data, start + value, loads).partition(b"\0")[0].decode(errors="backslashreplace")


def _read_versions(sections: list[Any]) -> Iterator[str]:
    for section in sections:
        if isinstance(section, GNUVerDefSection):
            for number, (_, names) in enumerate(section.iter_versions()):
                if number >= _MOST_VERSIONS:
                    raise UnreadableElf(f"it defines over {_MOST_VERSIONS} symbol versions")
                yield from (name.name for name in itertools.islice(names, 1))  # the others are its parents
