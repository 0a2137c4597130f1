"""The versions of system libraries that ELF files require, with the symbols and the files that cause each."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from everywheel.binaries.elf import ElfFacts
from everywheel.platforms.architectures import ARCHES, Arch
from everywheel.platforms.symbol_lists import load_libc_symbols
from everywheel.platforms.symbol_versions import split_version, version_key

# Versions without a number that glibc defines for a feature of the loader, and the glibc that introduced each.
_FEATURES = {"GLIBC_ABI_DT_RELR": "2.36"}
_LARGE_FILE_SUFFIX = "64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A file that requires a version of a family, and the symbols that have this version."""

    family: str
    number: str
    file: str
    library: str
    symbols: tuple[str, ...]

    @property
    def key(self) -> tuple[int, ...]:
        return version_key(self.number)

    @property
    def version(self) -> str:
        return f"musl {self.number}" if self.family == "musl" else f"{self.family}_{self.number}"

    def describe(self) -> str:
        """Return the cause as a phrase: `GLIBC_2.34 (pthread_create in libfoo.so)`."""
        others = f" and {len(self.symbols) - 1} more" if len(self.symbols) > 1 else ""
        symbols = f"{self.symbols[0]}{others} in " if self.symbols else ""
        return f"{self.version} ({symbols}{posixpath.basename(self.file)})"


def find_arch(elf: ElfFacts) -> Arch | None:
    """Return the architecture of a file, or None for one that is not in the table."""
    for arch in ARCHES.values():
        if (arch.elf_machine, arch.bits, arch.endian) == (elf.machine, elf.bits, elf.endian):
            return arch
    return None


def find_libc(elf: ElfFacts) -> str:
    """Return the C library that a file was linked with, `glibc` or `musl`; empty if it uses none."""
    names = (*elf.needed, elf.interpreter.rpartition("/")[2])
    if any(name.startswith(("libc.musl-", "ld-musl-")) or name == "libc.so" for name in names):
        return "musl"
    if any(need.version.startswith("GLIBC_") for need in elf.versions):
        return "glibc"
    return "glibc" if any(name == "libc.so.6" or name.startswith("ld-linux") for name in names) else ""


def list_causes(elves: Mapping[str, ElfFacts], libc: str, arch: Arch) -> tuple[Cause, ...]:
    """Return everything that the files require of the system, the newest version of each family first.

    `elves` are all files of a subject for one architecture: what they require of each other is not included.
    """
    causes = [*_list_versions(elves), *(_list_musl(elves, arch) if libc == "musl" else ())]
    by_version = sorted(sorted(causes, key=lambda cause: cause.file), key=lambda cause: cause.key, reverse=True)
    return tuple(sorted(by_version, key=lambda cause: cause.family))


def find_highest(causes: Iterable[Cause]) -> dict[str, tuple[Cause, ...]]:
    """Return, for each family, the causes of the newest version that is required."""
    highest: dict[str, tuple[Cause, ...]] = {}
    for cause in causes:
        known = highest.get(cause.family, ())
        if not known or cause.key > known[0].key:
            highest[cause.family] = (cause,)
        elif cause.key == known[0].key:
            highest[cause.family] = (*known, cause)
    return highest


def _list_versions(elves: Mapping[str, ElfFacts]) -> Iterator[Cause]:
    own = {posixpath.basename(path) for path in elves} | {elf.soname for elf in elves.values() if elf.soname}
    for path, elf in elves.items():
        for need in elf.versions:
            family, number = split_version(need.version)
            if need.version in _FEATURES:
                family, number = "GLIBC", _FEATURES[need.version]
            if number and need.library not in own and not need.is_optional:
                symbols = need.symbols or ((need.version,) if need.version in _FEATURES else ())
                yield Cause(family=family, number=number, file=path, library=need.library, symbols=symbols)


def _list_musl(elves: Mapping[str, ElfFacts], arch: Arch) -> Iterator[Cause]:
    """Yield the functions of musl, whose symbols have no versions, by the musl that introduced them."""
    known = load_libc_symbols("musl", arch.name)
    own = {symbol for elf in elves.values() for symbol in elf.exports}
    for path, elf in elves.items():
        users: dict[tuple[int, ...], list[str]] = {}
        for symbol in elf.undefined:
            name = symbol if symbol in known else symbol.removesuffix(_LARGE_FILE_SUFFIX)
            if symbol not in own and name in known:
                users.setdefault(min(known[name]), []).append(symbol)
        for version, symbols in users.items():
            number = ".".join(map(str, version))
            yield Cause(family="musl", number=number, file=path, library=f"musl-{arch.name}", symbols=tuple(symbols))
