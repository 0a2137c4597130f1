"""The parts of a subject that take space: files by kind, and sections of ELF files."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from elftools.elf.elffile import ELFFile

from everywheel.binaries.elf_counts import check_counts
from everywheel.explain.subjects import Subject

_SUFFIXES = {
    ".py": "Python source",
    ".pyi": "type information",
    ".pyc": "compiled Python",
    ".h": "headers",
    ".hpp": "headers",
    ".a": "static libraries",
    ".lib": "static libraries",
    ".pdb": "debug data",
}
_SECTIONS = (
    ((".debug", ".zdebug"), "debug data"),
    ((".symtab", ".strtab"), "symbol table (not used at run time)"),
    ((".text", ".plt", ".init", ".fini"), "code"),
    ((".rodata",), "constants"),
    ((".eh_frame", ".gcc_except"), "tables for exceptions"),
    ((".rela", ".rel", ".relr"), "relocations"),
    ((".dyn", ".gnu.hash", ".hash", ".gnu.version"), "dynamic symbols"),
    ((".data", ".got", ".tdata", ".init_array"), "data"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part with its bytes: unpacked, and in the wheel, 0 for other subjects."""

    name: str
    size: int
    packed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeReport:
    """The sizes of a subject, each list with the largest part first; `sections` are those of all ELF files together."""

    total: Part
    kinds: tuple[Part, ...]
    files: tuple[Part, ...]
    sections: tuple[Part, ...]


def measure(subject: Subject) -> SizeReport:
    """Return what takes the space of a subject."""
    packed = dict(subject.packed_sizes)
    files = [Part(name=name, size=size, packed=packed.get(name, 0)) for name, size in subject.sizes]
    kinds: dict[str, list[Part]] = {}
    binaries, modules = subject.contents.binaries.keys(), subject.contents.modules.keys()
    for part in files:
        kinds.setdefault(_name_kind(part.name, binaries, modules), []).append(part)
    return SizeReport(
        total=Part(name=subject.title, size=sum(part.size for part in files), packed=subject.packed),
        kinds=_sort(_add(name, parts) for name, parts in kinds.items()),
        files=_sort(files),
        sections=_sort(Part(name=name, size=size) for name, size in _add_sections(subject).items()),
    )


def _add(name: str, parts: list[Part]) -> Part:
    return Part(name=name, size=sum(part.size for part in parts), packed=sum(part.packed for part in parts))


def _sort(parts: Iterable[Part]) -> tuple[Part, ...]:
    return tuple(sorted(parts, key=lambda part: (-(part.packed or part.size), -part.size, part.name)))


def _name_kind(name: str, binaries: Set[str], modules: Set[str]) -> str:
    folders = name.split("/")[:-1]
    if any(folder in ("tests", "test") for folder in folders):
        return "tests"
    if name in binaries:
        return "modules" if name in modules else "shared libraries and programs"
    if any(folder.endswith(".dist-info") for folder in folders):
        return "licenses" if "licenses" in folders else "metadata"
    return _SUFFIXES.get(posixpath.splitext(name)[1], "other files")


def _add_sections(subject: Subject) -> Mapping[str, int]:
    sizes: dict[str, int] = {}
    for path in subject.contents.elves:
        data = subject.contents.wheel.files[path].data
        elf = ELFFile(io.BytesIO(data))
        check_counts(elf, data)
        for section in elf.iter_sections():
            if section["sh_type"] not in ("SHT_NOBITS", "SHT_NULL"):
                name = next((title for begins, title in _SECTIONS if section.name.startswith(begins)), "other sections")
                sizes[name] = sizes.get(name, 0) + int(section["sh_size"])
    return sizes
