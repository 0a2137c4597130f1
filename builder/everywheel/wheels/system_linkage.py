"""Linkage `system`: the module is compiled with headers of the prefix and opens libraries of the system with dlopen()."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.binaries.elf import MAGIC, ElfFacts, read_elf
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.errors import BuildError
from everywheel.wheels.wheel import read_wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidedSymbols:
    """The sonames of the shared libraries that were in a prefix, and the soname of the library that defines each symbol."""

    libraries: frozenset[str] = frozenset()
    symbols: Mapping[str, str] = field(default_factory=dict)


def drop_libraries(prefix: Path) -> ProvidedSymbols:
    """Remove the libraries of a prefix, so that they cannot be linked; keep headers and pkg-config files.

    Raises UnreadableElf for a shared library that is not a valid ELF file.
    """
    symbols: dict[str, str] = {}
    libraries: set[str] = set()
    for path in sorted((prefix / "lib").iterdir()):
        if ".so" not in path.suffixes and path.suffix != ".a":
            continue
        if path.suffix != ".a" and not path.is_symlink():
            elf = read_elf(path.read_bytes())
            libraries.add(elf.soname or path.name)
            symbols |= dict.fromkeys(elf.exports, elf.soname or path.name)
        path.unlink()
    return ProvidedSymbols(libraries=frozenset(libraries), symbols=symbols)


def check_system_linkage(wheel: Path, provided: ProvidedSymbols, label: str) -> None:
    """Raise BuildError when a wheel contains one of the libraries or a module that is linked to one of them."""
    for name, content in read_wheel(wheel).files.items():
        if not content.data.startswith(MAGIC):
            continue
        try:
            elf = read_elf(content.data)
        except UnreadableElf:
            continue  # the audit reports it
        check_file(name, elf, provided, label)


def check_file(name: str, elf: ElfFacts, provided: ProvidedSymbols, label: str) -> None:
    """Raise BuildError when a file of a wheel is one of the libraries, is linked to one, or has undefined symbols of one."""
    if elf.soname in provided.libraries:
        raise BuildError(
            f"{label}: linkage is system, but the wheel contains {elf.soname}",
            details={"file": name},
            hint="do not install it into the wheel: the module opens the system's own library with dlopen()",
        )
    if needed := sorted(provided.libraries.intersection(elf.needed)):
        raise BuildError(
            f"{label}: linkage is system, but {name} is linked to {', '.join(needed)}",
            hint="use only the headers of the libraries, and open them with dlopen() at run time",
        )
    if called := sorted(provided.symbols.keys() & set(elf.undefined)):
        libraries = sorted({provided.symbols[symbol] for symbol in called})
        raise BuildError(
            f"{label}: linkage is system, but {name} has undefined symbols of {', '.join(libraries)}",
            excerpt=called,
            hint="no library with these symbols is loaded before the module: look each of them up with dlsym()",
        )
