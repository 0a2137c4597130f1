"""Linkage `system`: a module that is compiled against the prefix's headers and opens the system's libraries at run time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.binaries.elf import MAGIC, ElfFacts, UnreadableElf, read_elf
from everywheel.errors import BuildError
from everywheel.wheels.wheel import read_wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvidedSymbols:
    """What the shared libraries of a prefix offered: their names, and by symbol which of them has it."""

    libraries: frozenset[str] = frozenset()
    symbols: Mapping[str, str] = field(default_factory=dict)


def drop_libraries(prefix: Path) -> ProvidedSymbols:
    """Drop every library of a prefix, so that nothing can be linked; headers and pkg-config files stay."""
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


def check_system_linkage(wheel: Path, offered: ProvidedSymbols, label: str) -> None:
    """Raise BuildError where a wheel brings one of the libraries, or a module needs one to be loaded before it."""
    for name, content in read_wheel(wheel).files.items():
        if not content.data.startswith(MAGIC):
            continue
        try:
            elf = read_elf(content.data)
        except UnreadableElf:
            continue  # the audit tells it
        check_file(name, elf, offered, label)


def check_file(name: str, elf: ElfFacts, offered: ProvidedSymbols, label: str) -> None:
    """Raise BuildError where a file of the wheel is one of the libraries, or needs one to be loaded before it."""
    if elf.soname in offered.libraries:
        raise BuildError(
            f"{label}: linkage is system, and the wheel has {elf.soname} inside",
            details={"file": name},
            hint="leave it out of the wheel: the module opens the system's own with dlopen()",
        )
    if needed := sorted(offered.libraries.intersection(elf.needed)):
        raise BuildError(
            f"{label}: linkage is system, and {name} is linked to {', '.join(needed)}",
            hint="use the libraries' headers alone, and dlopen() them at run time",
        )
    if called := sorted(offered.symbols.keys() & set(elf.undefined)):
        libraries = sorted({offered.symbols[symbol] for symbol in called})
        raise BuildError(
            f"{label}: linkage is system, and {name} calls {', '.join(libraries)} by name",
            excerpt=called,
            hint="no library that has these symbols is loaded before the module: reach each through dlsym()",
        )
