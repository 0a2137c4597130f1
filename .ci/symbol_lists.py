#!/usr/bin/env python3
"""Write the lists of symbols that the audit compares wheels with, from zig's libraries, musl's repository and Pythons.

`symbol_lists.py glibc ZIG_LIB`, `symbol_lists.py macos ZIG_LIB`, `symbol_lists.py musl ZIG_LIB MUSL_REPOSITORY` and
`symbol_lists.py python VERSION=LIBPYTHON,HEADERS...` each write one file of builder/everywheel/platforms/lists/:
ZIG_LIB is the directory `lib` of a zig, MUSL_REPOSITORY a clone of musl with its tags, LIBPYTHON a `libpython3.*.so` and
HEADERS its directory with `Python.h`. Run it for each new glibc, musl or Python, and read the difference.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from everywheel.binaries.elf import read_elf

LISTS = Path(__file__).parents[1] / "builder/everywheel/platforms/lists"
# The architectures by their names in zig's list of glibc's symbols, and by the macros of its file of musl's symbols.
GLIBC = {
    "x86_64": "x86_64-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
    "i686": "x86-linux-gnu",
    "armv7l": "arm-linux-gnueabihf",
    "ppc64le": "powerpc64le-linux-gnu",
    "s390x": "s390x-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
}
MUSL = {
    "x86_64": {"ARCH_x86_64", "FAMILY_x86", "PTR64"},
    "aarch64": {"ARCH_aarch64", "PTR64"},
    "i686": {"ARCH_i386", "FAMILY_x86", "TIME32"},
    "armv7l": {"ARCH_arm", "TIME32"},
    "ppc64le": {"ARCH_powerpc64", "PTR64"},
    "s390x": {"ARCH_s390x", "PTR64"},
    "riscv64": {"ARCH_riscv64", "FAMILY_riscv", "PTR64"},
}
# The versions of musl by their tags. The list has no older versions than the last 1.1.
MUSL_VERSIONS = {"v1.1.24": "1.1", **{f"v1.2.{patch}": f"1.2.{patch}" for patch in range(6)}}
# The parts of libSystem that programs use; the others are for the system's own libraries.
MACOS = (
    *(
        "libSystem.B",
        "libcommonCrypto",
        "libcompiler_rt",
        "libcopyfile",
        "libdispatch",
        "libdyld",
        "libmacho",
        "libunwind",
    ),
    *(f"libsystem_{name}" for name in ("asl", "blocks", "c", "darwin", "info", "kernel", "m", "malloc", "notify")),
    *(f"libsystem_{name}" for name in ("platform", "pthread", "sandbox", "trace")),
)
# A declaration with PyAPI_FUNC(type) or PyAPI_DATA(type); the name of a pointer to a function is in parentheses.
DECLARATION = re.compile(r"PyAPI_(?:FUNC|DATA)\s*\((?:[^()]|\([^()]*\))*\)\s*\(?\*?\s*(\w+)")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def write(name: str, symbols: Mapping[str, str], comment: str) -> None:
    """Write one line for each group of symbols with the same facts: the facts, a colon, the names."""
    groups = defaultdict(list)
    for symbol, facts in sorted(symbols.items()):
        groups[facts].append(symbol)
    lines = [f"# {comment}", *(f"{facts}: {' '.join(names)}" for facts, names in sorted(groups.items()))]
    (LISTS / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


class Abilists:
    """The reader of zig's `abilists`, which is described in https://github.com/ziglang/libc-abi-tools."""

    def __init__(self, data: bytes) -> None:
        self.stream = io.BytesIO(data)
        self.libraries = [self.read_string() for _ in range(self.read_byte())]
        self.versions = [tuple(self.stream.read(3)) for _ in range(self.read_byte())]
        self.targets = [self.read_string() for _ in range(self.read_byte())]

    def read_byte(self) -> int:
        return self.stream.read(1)[0]

    def read_string(self) -> str:
        text = b"".join(iter(lambda: self.stream.read(1), b"\0"))
        return text.decode()

    def read_number(self) -> int:
        number, shift = 0, 0
        while True:
            byte = self.read_byte()
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return number

    def read_symbols(self) -> dict[str, dict[str, set[tuple[int, ...]]]]:
        """Return the versions of each symbol by target."""
        symbols: dict[str, dict[str, set[tuple[int, ...]]]] = defaultdict(lambda: defaultdict(set))
        for has_size in (False, True):  # functions, then objects
            name = ""
            for _ in range(int.from_bytes(self.stream.read(2), "little")):
                name = name or self.read_string()
                targets = self.read_number()
                if has_size:
                    self.read_number()
                library, versions = self.read_byte(), []
                while not versions or not versions[-1] & 0x80:
                    versions.append(self.read_byte())
                for number, target in enumerate(self.targets):
                    if targets >> number & 1:
                        symbols[name][target] |= {self.versions[version & 0x7F] for version in versions}
                name = "" if library & 0x80 else name
        return symbols


def list_glibc(zig: Path) -> None:
    symbols = {}
    for name, targets in Abilists((zig / "libc/glibc/abilists").read_bytes()).read_symbols().items():
        groups: dict[str, list[str]] = defaultdict(list)
        for arch, target in GLIBC.items():
            if versions := sorted(targets.get(target, ())):
                numbers = (".".join(map(str, v if v[2] else v[:2])) for v in versions)
                groups[",".join(numbers)].append(arch)
        if groups:
            symbols[name] = " ".join(f"{','.join(arches)}={numbers}" for numbers, arches in groups.items())
    write("glibc.txt", symbols, "architectures=versions of glibc: symbols with these versions, in any of its libraries")


def list_macos(zig: Path) -> None:
    documents = (zig / "libc/darwin/libSystem.tbd").read_text().split("--- !tapi-tbd")
    names = {"dyld_stub_binder"}  # of older linkers; the loader still has it
    for document in documents:
        if (match := re.search(r"install-name: *'/usr/lib/(system/)?([\w.]+)\.dylib'", document)) and match[2] in MACOS:
            names |= {
                name.split("$")[0] for name in re.findall(r"(?<![\w$/.-])_([A-Za-z_][\w$]*)(?=[,'\s\]])", document)
            }
    write(
        "macos.txt", dict.fromkeys(names, "macos"), "the functions and data of libSystem, without the suffixes behind $"
    )


def list_musl(zig: Path, repository: Path) -> None:
    defined = {version: read_definitions(repository, tag) for tag, version in MUSL_VERSIONS.items()}
    arches: dict[str, list[str]] = defaultdict(list)
    for arch, macros in MUSL.items():
        for name in read_musl(zig / "libc/musl/libc.S", macros):
            arches[name].append(arch)
    symbols = {}
    for name, known in arches.items():
        since = next((version for version in defined if name in defined[version]), "1.1")
        symbols[name] = f"{','.join(known)}={since}"
    write("musl.txt", symbols, "architectures=version of musl: symbols that exist since then")


def read_musl(path: Path, macros: set[str]) -> set[str]:
    """Return the labels in an assembler file that remain after the preprocessor, and musl's own names for libgcc."""
    names, conditions = {"__getauxval"}, []
    for line in path.read_text().splitlines():
        if line.startswith("#if "):
            conditions.append(all(macro not in macros for macro in re.findall(r"defined\((\w+)\)", line)))
        elif line.startswith("#ifdef "):
            conditions.append(line.split()[1] in macros)
        elif line.startswith("#else"):
            conditions[-1] = not conditions[-1]
        elif line.startswith("#endif"):
            conditions.pop()
        elif all(conditions) and (match := re.fullmatch(r"(\w+):", line)):
            names.add(match[1])
    return names


def read_definitions(repository: Path, tag: str) -> set[str]:
    """Return the words in musl's sources that a parenthesis, comma or semicolon follows: functions, objects and aliases."""
    output = subprocess.run(
        ["git", "grep", "-hoE", "[A-Za-z_][A-Za-z0-9_]* *[(),;]", tag, "--", "src", "include", "arch", "ldso"],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    return set(re.findall(r"\w+", output.stdout.decode(errors="replace")))


def list_python(pythons: Iterable[str]) -> None:
    versions: dict[str, list[str]] = defaultdict(list)
    for python in pythons:
        version, _, paths = python.partition("=")
        library, headers = map(Path, paths.split(","))
        exports = {name for name in read_elf(library.read_bytes()).exports if re.match("_?Py(?!Init_)", name)}
        texts = (COMMENT.sub("", header.read_text(errors="replace")) for header in headers.rglob("*.h"))
        for name in exports.union(*(DECLARATION.findall(text) for text in texts)):
            versions[name].append(version)
    symbols = {name: ",".join(known) for name, known in versions.items()}
    write("python.txt", symbols, "versions of CPython: functions and data that it exports on any system")


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    if kind == "glibc":
        list_glibc(Path(arguments[0]))
    elif kind == "macos":
        list_macos(Path(arguments[0]))
    elif kind == "musl":
        list_musl(Path(arguments[0]), Path(arguments[1]))
    else:
        list_python(arguments)
