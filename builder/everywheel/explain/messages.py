"""The messages of loaders that are often seen, with the cause and the cure of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from everywheel.binaries.elf import MAGIC, read_elf
from everywheel.binaries.unreadable import UnreadableElf
from everywheel.explain.distributions import WELL_KNOWN, list_distributions
from everywheel.explain.libraries import describe_packages
from everywheel.explain.message_answers import ANSWERS
from everywheel.platforms.symbol_lists import load_libc_symbols
from everywheel.platforms.symbol_versions import split_version, version_key

_LONGEST = 1 << 20  # characters of a text
_TABLE_ARCH = "x86_64"  # the architecture that the releases of distributions are named for
_GIT_LFS = b"version https://git-lfs"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageExplanation:
    """The cause of a message and its cure, each one or more sentences; `message` is the recognized part of the text."""

    message: str
    cause: str
    cure: str


def explain_messages(text: str) -> tuple[MessageExplanation, ...]:
    """Return the explanation of each known message in a text, in the order of the text; empty if there is none."""
    explanations: dict[str, MessageExplanation] = {}
    for line in text[:_LONGEST].splitlines():
        for explanation in _explain_line(line):
            explanations.setdefault(explanation.cause, explanation)
    return tuple(explanations.values())


def _explain_line(line: str) -> Iterator[MessageExplanation]:
    for pattern, describe in _PATTERNS.items():
        if match := pattern.search(line):
            cause, cure = describe(match)
            yield MessageExplanation(message=match[0], cause=cause, cure=cure)
            return


def _name(match: re.Match[str], group: str = "file") -> str:
    return (match[group] or "the file").rpartition("/")[2]


def _explain_version(match: re.Match[str]) -> tuple[str, str]:
    version, file = match["version"], _name(match)
    family, number = split_version(version)
    if family == "GLIBC" and not number:
        return (
            f"{file} uses an internal symbol of glibc ({version}), which only the glibc that it was linked with has.",
            "Two versions of glibc are mixed, such as a copied libc.so.6 or LD_LIBRARY_PATH: remove the copy.",
        )
    having = ", ".join(_list_releases(family, number))
    newer = f" {version} is in {having}." if having else ""
    if family == "GLIBC":
        return (
            f"{file} was built on a system with a newer C library: it needs glibc {number}, and this system has an older one."
            f"{newer}",
            f"Install a wheel for older systems (`pip install --only-binary :all: NAME`), or run it on a newer release. glibc "
            f"itself cannot be replaced. Maintainers: build for a floor below {number}, such as manylinux_2_17; "
            f"`everywheel explain --lower FILE` names the symbols.",
        )
    if family in ("GLIBCXX", "CXXABI"):
        return (
            f"{file} needs the C++ library of a newer compiler ({version}); the libstdc++.so.6 that was loaded is older."
            f"{newer}",
            "Often an older copy is found first, in an environment of conda or in LD_LIBRARY_PATH: remove that, or update it "
            "(`conda install libstdcxx-ng`). Maintainers: build on an older system, or link libstdc++ statically.",
        )
    return (
        f"{file} needs the version {version} of a library, and the one that was loaded is older or another build.",
        "Update the library that the message names first, or install the package again so that both come from one source.",
    )


def _list_releases(family: str, number: str) -> Iterator[str]:
    """Yield the oldest release of each well-known distribution that has a version."""
    for title in WELL_KNOWN:
        rows = [row for row in list_distributions(_TABLE_ARCH) if row.title == title and row.version_of(family)]
        having = [row for row in rows if version_key(row.version_of(family)) >= version_key(number)]
        if having:
            yield f"{having[0].name} and newer" if len(having) > 1 else having[0].name


def _explain_library(match: re.Match[str]) -> tuple[str, str]:
    library = match["library"].rpartition("/")[2]
    packages = describe_packages(library)
    if library.startswith("libc.musl-"):
        return (
            f"The file was built for Alpine (musl): it needs {library}, and this system has glibc.",
            "Install the manylinux wheel instead: reinstall with the pip of this system.",
        )
    if library.startswith("ld-linux"):
        return (
            f"The file was built for glibc, whose loader is {library}, and this system has musl or another processor.",
            "Install the musllinux wheel instead: reinstall with the pip of this system. Programs need a build for musl.",
        )
    if library.startswith("libpython"):
        return (
            f"The file needs {library}, the shared library of Python, and this Python is linked statically.",
            "Extension modules must not be linked to libpython: rebuild it without, or install a Python with that library.",
        )
    return (
        f"The file needs {library}, which is neither in its package nor on this system.",
        f"Install it: {packages}."
        if packages
        else "Install the package of your distribution that has the library. "
        "Maintainers: `everywheel repair` adds it to the wheel.",
    )


def _explain_start(match: re.Match[str]) -> tuple[str, str]:
    file = match["file"]
    path = Path(file)
    interpreter = _read_interpreter(path)
    if interpreter and not Path(interpreter).exists():
        return (
            f"{file} exists, but the loader that it names, {interpreter}, does not: {_describe_loader(interpreter)}",
            "Use a build for this system: musllinux or static on Alpine, manylinux elsewhere.",
        )
    return (
        f"If {file} exists, then the missing file is its loader: a program for glibc on Alpine (or the reverse), a 32-bit "
        "program on a system with 64-bit libraries only, or a script whose first line names a missing interpreter "
        "or ends with \\r.",
        f"`everywheel explain {file}` names the loader. Use a build for this system, or convert the script's line ends.",
    )


def _describe_loader(interpreter: str) -> str:
    if "musl" in interpreter:
        return "it was built for Alpine (musl), and this system has glibc."
    return "it was built for glibc or another architecture, and this system has no such loader."


def _read_interpreter(path: Path) -> str:
    try:
        data = path.read_bytes() if path.is_file() else b""
        return read_elf(data).interpreter if data.startswith(MAGIC) else ""
    except (OSError, UnreadableElf):
        return ""


def _explain_header(match: re.Match[str]) -> tuple[str, str]:
    file = match["file"].strip() if match["file"] else ""
    kind = _name_contents(Path(file)) if file else ""
    actual = (
        f"it is {kind}."
        if kind
        else (
            "often a text (an error page, a pointer of Git LFS, a link that was unpacked as a file, a linker script), or a "
            "file for macOS or Windows."
        )
    )
    return (
        f"{_name(match)} is not a file for Linux: {actual}",
        "Download or install it again for this system. `head -c 100 FILE` shows its contents.",
    )


def _name_contents(path: Path) -> str:
    try:
        with path.open("rb") as file:
            first = file.read(64)
    except OSError:
        return ""
    kinds = {
        b"MZ": "a file for Windows (PE)",
        b"\xcf\xfa\xed\xfe": "a file for macOS (Mach-O)",
        b"\xca\xfe\xba\xbe": "a file for macOS (Mach-O)",
        _GIT_LFS: "a pointer of Git LFS: the file itself was not downloaded (`git lfs pull`)",
        b"/* GNU ld script": "a script of the linker",
        b"!<arch>": "a static archive",
        b"<": "a page in HTML or XML",
        b"PK": "a zip archive",
        MAGIC: "",
    }
    kind = next((kind for magic, kind in kinds.items() if first.startswith(magic)), "a text" if first.isascii() else "")
    return kind if first else "empty"


def _explain_illegal(match: re.Match[str]) -> tuple[str, str]:
    return (
        "The program executed an instruction that this processor does not have: it was compiled for a newer one, such as with "
        "-march=native or for x86-64-v2 or v3. Virtual machines and emulators also hide instructions.",
        "`everywheel explain FILE` lists the instruction sets that each file uses. Install an older version or build it from "
        "source here; give a virtual machine the processor of its host (`-cpu host`).",
    )


def _explain_tls(match: re.Match[str]) -> tuple[str, str]:
    return (
        f"{_name(match)} has thread-local variables in static space, of which the loader keeps little for libraries that are "
        "loaded after the start. Other libraries have used it up.",
        f"Import the package earlier, before others; or start with LD_PRELOAD={match['file'] or 'FILE'}; or, with glibc 2.32 "
        "and newer, set GLIBC_TUNABLES=glibc.rtld.optional_static_tls=8192. Maintainers: compile without "
        "-ftls-model=initial-exec.",
    )


def _explain_symbol(match: re.Match[str]) -> tuple[str, str]:
    symbol, file = match["symbol"], _name(match)
    introduced = load_libc_symbols("glibc", _TABLE_ARCH).get(symbol)
    if symbol.startswith(("Py", "_Py")):
        return (
            f"{file} was built for another version of Python: this one has no {symbol}.",
            "Install it again with the pip of this Python (`python -m pip install --force-reinstall NAME`).",
        )
    if symbol.startswith("_Z"):
        return (
            f"{file} and the C++ library that should have {symbol} come from different builds or compilers.",
            "Install both packages again from one source, so that their versions match.",
        )
    if introduced:
        number = ".".join(map(str, min(introduced)))
        return (
            f"{file} needs {symbol} of glibc (since {number}); this C library is older, or it is musl (Alpine).",
            "Install the wheel for this system: musllinux on Alpine, a lower manylinux on older releases.",
        )
    return (
        f"{file} needs {symbol}, and none of the libraries that were loaded has it: one of them is another version.",
        "`everywheel explain FILE` lists its libraries. Remove LD_LIBRARY_PATH and LD_PRELOAD, then install the package "
        "again.",
    )


def _constant(cause: str, cure: str) -> Callable[[re.Match[str]], tuple[str, str]]:
    return lambda match: (cause, cure)


def _explain_mac_symbol(match: re.Match[str]) -> tuple[str, str]:
    return (
        f"None of the libraries that were loaded has {match['symbol']}: the file was built for a newer macOS, another Python "
        "or another version of one of its libraries.",
        "`everywheel explain FILE` names the lowest macOS and the libraries. Update macOS, or install the package again. "
        "Maintainers: build for an older target, such as macosx_11_0_arm64.",
    )


def _explain_class(match: re.Match[str]) -> tuple[str, str]:
    bits = match["bits"]
    return (
        f"{_name(match)} is a {bits}-bit file, and the program that loads it is not.",
        "Install the package for this architecture: use the pip of the Python that imports it.",
    )


def _explain_mac_arch(match: re.Match[str]) -> tuple[str, str]:
    return (
        f"The file is for {match['have']}, and this process needs {match['need']}: Python runs under Rosetta, or the package "
        "was installed by a Python for the other processor.",
        "Install it again with the Python that imports it (`python -m pip install --force-reinstall --no-cache-dir NAME`).",
    )


# A name begins where the characters of names begin: otherwise, a long word would be searched from each of its characters.
_FILE = r"(?<![^\s:'\"])(?P<file>[^\s:'\"]+)"
_PATTERNS: Mapping[re.Pattern[str], Callable[[re.Match[str]], tuple[str, str]]] = {
    re.compile(
        r"version [`'‘](?P<version>[\w.]+)['’] not found(?: \(required by (?P<file>[^)]+)\))?"
    ): _explain_version,
    # The same in other languages: `Version »GLIBC_2.34« nicht gefunden (benötigt von ./demo)`.
    re.compile(
        r"(?i:versi[oó]n) [`'‘»«“\"] ?(?P<version>GLIBC(?:XX)?_[\w.]+) ?['’«»”\"] "
        r"(?:[\w ]+\([^()]* (?P<file>[^()\s]+)\)|nicht gefunden|introuvable)"
    ): _explain_version,
    re.compile(
        r"(?:(?:^|[\s:])(?!(?:dlopen|\w*Error): )(?P<file>[^\s:]+): )?cannot allocate memory in static TLS block"
    ): _explain_tls,
    re.compile(r"(?:(?<![^\s:])(?P<file>[^\s:]+): )?invalid ELF header"): _explain_header,
    re.compile(r"(?:(?<![^\s:])(?P<file>[^\s:]+): )?wrong ELF class: ELFCLASS(?P<bits>\d+)"): _explain_class,
    re.compile(r"(?i)illegal instruction|\bSIGILL\b|exit(?:ed with)? code (?:132|-4)\b"): _explain_illegal,
    re.compile(r"(?<![\w.+-])(?P<library>[\w.+-]+\.so[\w.]*): cannot open shared object file"): _explain_library,
    re.compile(r"Error loading shared library (?P<library>[\w./+-]+): No such file"): _explain_library,
    re.compile(rf"Error relocating {_FILE}: (?P<symbol>\w+): symbol not found"): _explain_symbol,
    re.compile(rf"{_FILE}: undefined symbol: (?P<symbol>\w+)"): _explain_symbol,
    re.compile(rf"{_FILE}: cannot execute: required file not found"): _explain_start,
    re.compile(rf"(?i)exec(?: format)?:? \"?{_FILE}\"?: no such file or directory"): _explain_start,
    re.compile(rf"(?:^|\s){_FILE}: (?:No such file or directory|not found)$"): _explain_start,
    re.compile(r"(?i)\bno such file or directory: ['\"]?(?P<file>[^'\"\s]+)"): _explain_start,
    re.compile(r"file [“'\"](?P<file>[^”'\"]+)[”'\"] specified the interpreter"): _explain_start,
    re.compile(r"incompatible architecture \(have '(?P<have>[^']+)', need '(?P<need>[^']+)'"): _explain_mac_arch,
    re.compile(r"[Ss]ymbol not found(?: in flat namespace)?:? '?_?(?P<symbol>\w+)"): _explain_mac_symbol,
    re.compile(r"Library not loaded: (?P<library>\S+)"): _explain_library,
    **{pattern: _constant(*answer) for pattern, answer in ANSWERS.items()},
}
