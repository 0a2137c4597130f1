"""Symbols that the C library of each system and each CPython export; `.ci/symbol_lists.py` writes the lists.

The lists of glibc, musl and macOS come from the libraries of zig, the dates of musl's functions from its repository, and those
of CPython from its shared libraries and headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from everywheel.platforms.linux_policy import Policy
from everywheel.platforms.symbol_versions import split_version, version_key

_LISTS = Path(__file__).parent / "lists"
# The libraries of glibc that the list covers. Since glibc 2.34, most of them are part of libc.so.6.
_GLIBC = frozenset(("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"))
_RESOLVER = "libresolv.so.2"
# When musl does not have one of these functions, its loader takes the one without the suffix 64
# (get_lfs64 in https://git.musl-libc.org/cgit/musl/tree/ldso/dynlink.c).
_LARGE_FILE_SUFFIX = "64"

Versions = Mapping[str, frozenset[tuple[int, ...]]]


def is_listed_library(library: str, policy: Policy) -> bool:
    """Return whether a library is part of the C library of a policy, and all its symbols are in the list."""
    if policy.libc == "musl":
        return library in (policy.musl_library, "libc.so")
    return library in _GLIBC or library == _RESOLVER or policy.is_loader(library)


def has_version(symbol: str, version: str, policy: Policy) -> bool:
    """Return whether glibc has a symbol in a version (`GLIBC_2.17`); true for a version that is newer than the list."""
    versions = load_libc_symbols(policy.libc, policy.arch.name)
    _, number = split_version(version)
    key = version_key(number)
    return not number or key in versions.get(symbol, ()) or key > _find_newest(policy.libc, policy.arch.name)


@cache
def _find_newest(libc: str, arch: str) -> tuple[int, ...]:
    return max((max(known) for known in load_libc_symbols(libc, arch).values()), default=())


def has_symbol(symbol: str, policy: Policy) -> bool:
    """Return whether the C library that a policy promises has a symbol, in any version.

    A tag for musl has no third number (PEP 656), so functions that a patch release added count as functions of the series.
    """
    versions = load_libc_symbols(policy.libc, policy.arch.name)
    if policy.libc == "musl" and symbol not in versions:
        symbol = symbol.replace(f"{_LARGE_FILE_SUFFIX}_r", "_r").removesuffix(_LARGE_FILE_SUFFIX)
    return any(version[:2] <= policy.floor for version in versions.get(symbol, ()))


def find_newest_musl(symbols: Iterable[str], policy: Policy) -> tuple[int, ...]:
    """Return the oldest musl that has all of the symbols that some musl has; empty for another C library."""
    versions = load_libc_symbols(policy.libc, policy.arch.name) if policy.libc == "musl" else {}
    return max((version for symbol in symbols for version in versions.get(symbol, ())), default=())


@cache
def load_libc_symbols(libc: str, arch: str) -> Versions:
    """Return the symbols of a C library on an architecture with the versions (glibc), or the first version (musl)."""
    symbols: dict[str, frozenset[tuple[int, ...]]] = {}
    for facts, names in _read_groups(f"{libc}.txt"):
        for group in facts.split(" "):
            arches, _, numbers = group.partition("=")
            if arch in arches.split(","):
                symbols.update(dict.fromkeys(names, frozenset(map(version_key, numbers.split(",")))))
    return MappingProxyType(symbols)


@cache
def load_python_symbols(version: tuple[int, int]) -> frozenset[str]:
    """Return the functions and data that a CPython exports; empty for a version without a list."""
    text = ".".join(map(str, version))
    groups = _read_groups("python.txt")
    return frozenset(name for versions, names in groups if text in versions.split(",") for name in names)


def is_macos_symbol(symbol: str) -> bool:
    """Return whether libSystem exports a symbol, whose suffix such as `$INODE64` selects a variant."""
    return symbol.partition("$")[0] in _load_macos_symbols()


@cache
def _load_macos_symbols() -> frozenset[str]:
    return frozenset(name for _, names in _read_groups("macos.txt") for name in names)


def _read_groups(name: str) -> Iterator[tuple[str, list[str]]]:
    for line in (_LISTS / name).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            facts, _, names = line.partition(": ")
            yield facts, names.split(" ")
