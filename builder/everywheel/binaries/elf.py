"""ELF files, read once into the facts that repair, audit and the checks of products need."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection, GNUVerSymSection
from elftools.elf.sections import SymbolTableSection
from elftools.elf.segments import InterpSegment

from everywheel.binaries.elf_counts import check_counts
from everywheel.binaries.elf_protections import Protections, read_protections
from everywheel.binaries.elf_symbols import NAMES, ElfSymbol, group_by_version, read_symbols, read_version_table
from everywheel.binaries.init_functions import list_module_names
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.platforms.symbol_versions import split_version, version_key

MAGIC = b"\x7fELF"
_DF_TEXTREL = 0x4
_DF_1_PIE = 0x08000000
_CALLS_DLOPEN = frozenset(("dlopen", "dlmopen"))
_PF_X = 0x1
_VER_FLG_WEAK = 0x2
_MOST_ENTRIES = 50_000  # of a table
_TEXTS = ("name", "needed", "soname", "rpath", "runpath", "library", "version")
# The name of a shared library in a string constant: the linker cannot see what a program opens with dlopen().
_LIBRARY_NAME = re.compile(rb"lib[\w.+-]{1,60}?\.so(?:\.\d+){0,3}(?=\0)")
_LINKER_DEFINED = frozenset(
    (
        "_init",
        "_fini",
        "_start",
        "__bss_start",
        "__bss_start__",
        "_bss_end__",
        "__bss_end__",
        "__end__",
        "_edata",
        "edata",
        "_end",
        "end",
        "_etext",
        "etext",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionNeed:
    """A symbol version of a library that a file needs, and the symbols that it needs in that version.

    Without the version, the loader refuses the file, but only warns if it `is_optional`: all its symbols are weak.
    """

    library: str
    version: str
    symbols: tuple[str, ...]
    is_optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfFacts:
    """The facts about an ELF file.

    `machine` is e_machine and `kind` e_type as pyelftools spells them. `stack` contains the flags of PT_GNU_STACK, or None
    without such a header. `debug` maps debug sections to their size in bytes. `page` is the smallest alignment of a loaded
    segment in bytes. `exports` are the dynamic symbols that it defines, `undefined` those that it requires. `interpreter` is
    the loader that a program names, `flags` is e_flags, and `opened` are the libraries in its string constants if it calls
    dlopen().
    """

    bits: int
    endian: str
    machine: str
    kind: str
    soname: str
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    rpath_is_inherited: bool
    versions: tuple[VersionNeed, ...]
    exports: tuple[str, ...]
    undefined: tuple[str, ...]
    stack: str | None
    text_relocations: bool
    debug: Mapping[str, int]
    page: int | None
    flags: int = 0
    interpreter: str = ""
    is_program: bool = False
    opened: tuple[str, ...] = ()
    protections: Protections = field(default_factory=Protections)

    @property
    def is_library(self) -> bool:
        return self.kind == "ET_DYN" and not self.is_program

    @property
    def module_names(self) -> tuple[str, ...]:
        """The Python modules that it can initialize."""
        return list_module_names(self.exports)

    @property
    def required_versions(self) -> dict[str, str]:
        """The highest required version of each family: `{"GLIBC": "2.17"}`."""
        highest: dict[str, str] = {}
        for need in self.versions:
            family, number = split_version(need.version)
            if number and version_key(number) > version_key(highest.get(family, "")):
                highest[family] = number
        return highest


def is_elf(name: str, data: bytes) -> bool:
    """Return whether a file is an ELF file by its first bytes; its name is ignored."""
    return data.startswith(MAGIC)


@lru_cache(maxsize=8)
def read_elf(data: bytes) -> ElfFacts:
    """Return the facts of an ELF file; raise UnreadableElf when it is truncated or malformed."""
    try:
        return _read(ELFFile(io.BytesIO(data)), data)
    except UnreadableElf:
        raise
    except Exception as error:  # pyelftools raises nearly every kind of exception on malformed files
        reason = str(error) or type(error).__name__
        raise UnreadableElf(f"not a complete ELF file ({reason})") from None


def _read(elf: ELFFile, data: bytes) -> ElfFacts:
    check_counts(elf, data)
    size = len(data)
    segments = list(_bound(elf.iter_segments(), size))
    ends = [segment["p_offset"] + segment["p_filesz"] for segment in segments]
    sections = list(_bound(elf.iter_sections(), size))
    ends += [section["sh_offset"] + section["sh_size"] for section in sections if section["sh_type"] != "SHT_NOBITS"]
    if max(ends, default=0) > size:
        raise UnreadableElf(f"truncated: {size} of {max(ends)} bytes")
    dynamic = _find(sections, DynamicSection)
    if dynamic is None and elf["e_type"] == "ET_DYN" and any(s["p_type"] == "PT_DYNAMIC" for s in segments):
        raise UnreadableElf("the section table is missing")
    tags: dict[str, list[Any]] = defaultdict(list)
    for tag in _bound(dynamic.iter_tags(), size) if dynamic else ():
        tags[tag.entry.d_tag].append(tag)
    runpath = [part for tag in tags["DT_RUNPATH"] for part in tag.runpath.split(":")]
    rpath = [part for tag in tags["DT_RPATH"] for part in tag.rpath.split(":")]
    symbols = _read_dynamic_symbols(elf, sections, data)
    stacks = [segment["p_flags"] for segment in segments if segment["p_type"] == "PT_GNU_STACK"]
    pages = [segment["p_align"] for segment in segments if segment["p_type"] == "PT_LOAD"]
    interpreter = next((s.get_interp_name() for s in segments if isinstance(s, InterpSegment)), "")
    is_position_independent = any(tag.entry.d_val & _DF_1_PIE for tag in tags["DT_FLAGS_1"])
    undefined = tuple(sorted({s.name for s in symbols if s.is_required}))
    return ElfFacts(
        bits=elf.elfclass,
        endian="little" if elf.little_endian else "big",
        machine=str(elf["e_machine"]),
        kind=str(elf["e_type"]),
        soname=tags["DT_SONAME"][0].soname if tags["DT_SONAME"] else "",
        needed=tuple(tag.needed for tag in tags["DT_NEEDED"]),
        # If there is a RUNPATH, the loader ignores the RPATH. Only an RPATH also applies to indirect dependencies.
        rpath=tuple(runpath or rpath),
        rpath_is_inherited=not runpath,
        versions=tuple(_bound(_read_versions(sections, symbols, size), size)),
        exports=tuple(sorted({s.name for s in symbols if s.is_exported} - _LINKER_DEFINED)),
        undefined=undefined,
        stack=None if not stacks else "rwx" if stacks[0] & _PF_X else "rw",
        text_relocations=bool(tags["DT_TEXTREL"]) or any(t.entry.d_val & _DF_TEXTREL for t in tags["DT_FLAGS"]),
        debug={s.name: s["sh_size"] for s in sections if s.name.startswith((".debug_", ".zdebug_"))},
        page=min(pages, default=None),
        flags=elf["e_flags"],
        interpreter=interpreter,
        is_program=elf["e_type"] == "ET_EXEC" or is_position_independent or bool(interpreter and not tags["DT_SONAME"]),
        opened=tuple(_read_opened(sections, data)) if _CALLS_DLOPEN.intersection(undefined) else (),
        protections=read_protections(segments, tags),
    )


def _read_opened(sections: list[Any], data: bytes) -> list[str]:
    """Return the names of shared libraries in the read-only data."""
    names = set()
    constants = [section for section in sections if section.name.startswith(".rodata")]
    if sum(section["sh_size"] for section in constants) > 2 * len(data):
        raise UnreadableElf("its sections overlap")
    for section in constants:
        # Not section.data(), which would decompress a section.
        text = data[section["sh_offset"] : section["sh_offset"] + section["sh_size"]]
        for match in _LIBRARY_NAME.finditer(text):
            before = text[match.start() - 1] if match.start() else 0
            if before in b"\0/":  # the beginning of a constant, or of the last part of a path
                names.add(match[0].decode())
    return sorted(names)


def _find(sections: list[Any], kind: type[Any], sh_type: str | None = None) -> Any:
    return next((s for s in sections if isinstance(s, kind) and sh_type in (None, s["sh_type"])), None)


def _bound(items: Iterable[Any], size: int, most: int = _MOST_ENTRIES) -> Iterator[Any]:
    """Yield the entries of a table; raise UnreadableElf when there are too many, or when their names overlap."""
    names = 0
    for number, item in enumerate(items):
        names += sum(len(text) for name in _TEXTS if isinstance(text := getattr(item, name, None), str))
        if number >= most:
            raise UnreadableElf(f"a table has over {most} entries")
        if names > max(size, NAMES):
            raise UnreadableElf("the names in a table overlap")
        yield item


def _read_dynamic_symbols(elf: ELFFile, sections: list[Any], data: bytes) -> tuple[ElfSymbol, ...]:
    table, numbers = _find(sections, SymbolTableSection, "SHT_DYNSYM"), _find(sections, GNUVerSymSection)
    versions = read_version_table(elf, numbers, data) if numbers is not None else ()
    return read_symbols(elf, table, data, versions) if table is not None else ()


def _read_versions(sections: list[Any], symbols: Sequence[ElfSymbol], size: int) -> Iterator[VersionNeed]:
    needs = _find(sections, GNUVerNeedSection)
    if needs is None:
        return
    users = dict(group_by_version(symbols))
    for library, versions in _bound(needs.iter_versions(), size):
        for version in _bound(versions, size):
            yield VersionNeed(
                library=library.name,
                version=version.name,
                symbols=users.pop(version["vna_other"] & 0x7FFF, ()),
                is_optional=bool(version["vna_flags"] & _VER_FLG_WEAK),
            )
