"""The files that a build has installed: libraries, headers, pkg-config files, sonames, exported symbols and named features."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.binaries.elf import MAGIC, read_elf
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.config.text_rules import FILE_NAME, PATH, SYMBOLS
from everywheel.execution.input_files import UnusableFile, list_files, read_file, read_text

_LARGEST_FILE = 1 << 30  # bytes of a library
_LARGEST_HEADER = 4 << 20  # bytes
_MOST_HEADERS = 8
_MOST_PATTERNS = 40
_SHORTEST = 3  # characters before the `*` of a pattern: shorter ones match symbols of other libraries
_ARCHIVE = re.compile(r"lib/lib([^/.][^/]*)\.a")
_SHARED = re.compile(r"lib/lib([^/.][^/]*)\.so")
_PKGCONFIG = re.compile(r"(?:lib|share)/pkgconfig/([^/.][^/]*)\.pc")
_HEADER = re.compile(r"include/.+\.(?:h|hh|hpp|hxx)")
_RUN_TIME = re.compile(
    r"_Z(?:n[wa]|d[la]).*|_init|_fini|_edata|_end|__bss_start|_ZN?K?S[tabiods].*|_Z\w{1,3}N?K?S[tabiods].*|__odr_asan.*"
)
# The kinds of names of the Itanium C++ ABI (https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling), then the length and
# the text of the first identifier.
_MANGLED = re.compile(r"(_Z(?:T[VTISC]|GV|GR|Th?n?\d+_|Tv\d+_n?\d+_)?Z?N?K?)(\d{1,4})(\w+)")
_PLAIN = re.compile(r"_*[A-Za-z0-9]+?(?:_|(?<=[a-z0-9])(?=[A-Z]))")
_FEATURE = re.compile(
    r"^[ \t]*#[ \t]*define[ \t]+((?:\w{1,99}_)?(?:HAVE|HAS|WITH|ENABLED?|SUPPORT(?:S|ED)?)(?:_\w{1,99})?)[ \t]*(?:1[ \t]*)?$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledLibrary:
    """The proposed products of a recipe.

    `sonames` has the libraries whose soname is not `lib<name>.so`. `exports` are patterns of the dynamic symbols, and
    `uncovered` is the number of symbols that none of them matches. `features` are the macros of headers that name one.
    """

    libraries: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    pkgconfig: tuple[str, ...] = ()
    sonames: Mapping[str, str] = field(default_factory=dict)
    exports: tuple[str, ...] = ()
    uncovered: int = 0
    features: tuple[str, ...] = ()


def read_installed(prefix: Path, name: str, *, is_shared: bool) -> InstalledLibrary:
    """Read what a shared or a static build of `name` has installed in a prefix; files that cannot be read are left out."""
    try:
        files = {file.name: file.path for file in list_files(prefix) if PATH.accepts(file.name)}
    except UnusableFile:
        return InstalledLibrary()
    shared = {match[1]: path for file, path in sorted(files.items()) if (match := _SHARED.fullmatch(file))}
    elves = {library: elf for library, path in shared.items() if (elf := _read_elf(path)) is not None}
    archives = [match[1] for file in sorted(files) if (match := _ARCHIVE.fullmatch(file))]
    symbols = [symbol for _, exports in elves.values() for symbol in exports]
    patterns, uncovered = propose_exports(symbols)
    headers = [file for file in sorted(files) if _HEADER.fullmatch(file)]
    return InstalledLibrary(
        libraries=tuple(elves if is_shared else archives),
        headers=tuple(_choose_headers(headers, name)),
        pkgconfig=tuple(match[1] for file in sorted(files) if (match := _PKGCONFIG.fullmatch(file))),
        sonames={
            library: soname
            for library, (soname, _) in elves.items()
            if soname != f"lib{library}.so" and FILE_NAME.accepts(soname)
        },
        exports=patterns,
        uncovered=uncovered,
        features=tuple(_list_features(files[file] for file in headers)),
    )


def join_installed(static: InstalledLibrary, shared: InstalledLibrary) -> InstalledLibrary:
    """Return what both builds of a library have installed; a build that installed nothing is ignored."""
    if not static.libraries or not shared.libraries:
        return static if static.libraries else shared
    libraries = tuple(name for name in shared.libraries if name in static.libraries) or shared.libraries
    return InstalledLibrary(
        libraries=libraries,
        headers=tuple(name for name in shared.headers if name in static.headers),
        pkgconfig=tuple(name for name in shared.pkgconfig if name in static.pkgconfig),
        sonames={name: soname for name, soname in shared.sonames.items() if name in libraries},
        exports=shared.exports,
        uncovered=shared.uncovered,
        features=shared.features,
    )


def propose_exports(symbols: Iterable[str]) -> tuple[tuple[str, ...], int]:
    """Return glob patterns for the symbols of a shared library, and the number of symbols that they leave out.

    Symbols in C with a common prefix have one pattern, as have those in C++ of one kind and one namespace or class. Symbols of
    the compiler's run-time library and templates of the C++ library, which each library may define, have none, nor have those
    with characters that a pattern cannot have.
    """
    own = sorted({symbol for symbol in symbols if not _RUN_TIME.fullmatch(symbol)})
    groups: dict[str, list[str]] = {}
    for symbol in filter(SYMBOLS.accepts, own):
        groups.setdefault(_find_prefix(symbol), []).append(symbol)
    patterns: Counter[str] = Counter()
    for prefix, members in groups.items():
        if len(members) > 1 and len(prefix) >= _SHORTEST:
            patterns[f"{prefix}*"] = len(members)
        else:
            patterns.update(members)
    chosen = patterns.most_common(_MOST_PATTERNS)
    return tuple(sorted(pattern for pattern, _ in chosen)), len(own) - sum(count for _, count in chosen)


def _find_prefix(symbol: str) -> str:
    """Return the part of a symbol that symbols of one library, namespace or class have in common."""
    if mangled := _MANGLED.match(symbol):
        return f"{mangled[1]}{mangled[2]}{mangled[3][: int(mangled[2])]}"
    plain = _PLAIN.match(symbol)
    return plain[0] if plain else symbol


def _read_elf(path: Path) -> tuple[str, Sequence[str]] | None:
    try:
        data = read_file(path, _LARGEST_FILE)
        facts = read_elf(data) if data.startswith(MAGIC) else None
    except (UnusableFile, FileNotFoundError, UnreadableElf):
        return None
    return (facts.soname, facts.exports) if facts is not None else None


def _choose_headers(headers: Sequence[str], name: str) -> Sequence[str]:
    """Return all headers, or of many those that are named like the library, else the first ones nearest to the top."""
    if len(headers) <= _MOST_HEADERS:
        return headers
    stem = name.casefold().removeprefix("lib")
    named = [header for header in headers if stem in header.rpartition("/")[2].casefold()]
    return sorted(named or headers, key=lambda header: (header.count("/"), len(header)))[:2]


def _list_features(headers: Iterable[Path]) -> Iterator[str]:
    names: dict[str, None] = {}
    for path in headers:
        try:
            names |= dict.fromkeys(_FEATURE.findall(read_text(path, _LARGEST_HEADER)))
        except (UnusableFile, FileNotFoundError):
            continue
    yield from names
