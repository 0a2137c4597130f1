"""Mach-O files read once, into the facts that the checks ask for; one file may hold an image for each architecture."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from macholib import mach_o
from macholib.MachO import MachO, MachOHeader

from everywheel.binaries.macho_signature import check_signature
from everywheel.platforms.architectures import ARCHES

_THIN = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce")
_FAT = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
_MOST_IMAGES = 40  # a compiled Java class begins as a fat file does; its version is where the number of images would be
_CPUS = {
    **{arch.macos.cpu_type: arch.macos.name for arch in ARCHES.values() if arch.macos is not None},
    0xC: "arm",
    0x12: "ppc",
    0x01000012: "ppc64",  # processors that no target has
}
_VARIANTS = {
    (arch.macos.cpu_type, subtype): name
    for arch in ARCHES.values()
    if arch.macos is not None
    for subtype, name in arch.macos.variants
}
_KINDS = {mach_o.MH_DYLIB: "MH_DYLIB", mach_o.MH_BUNDLE: "MH_BUNDLE", mach_o.MH_EXECUTE: "MH_EXECUTE"}
_LOADS = (
    mach_o.LC_LOAD_DYLIB,
    mach_o.LC_LOAD_WEAK_DYLIB,
    mach_o.LC_REEXPORT_DYLIB,
    mach_o.LC_LAZY_LOAD_DYLIB,
    mach_o.LC_LOAD_UPWARD_DYLIB,
)
_MINIMUMS = {
    mach_o.LC_VERSION_MIN_MACOSX: "macOS",
    mach_o.LC_VERSION_MIN_IPHONEOS: "iOS",
    mach_o.LC_VERSION_MIN_TVOS: "tvOS",
    mach_o.LC_VERSION_MIN_WATCHOS: "watchOS",
}
_WHERE = re.compile(r" in <.*>")  # where macholib read it: an object of Python's and its address
_N_STAB, _N_PEXT, _N_TYPE, _N_EXT = 0xE0, 0x10, 0x0E, 0x01
_N_WEAK_REF = 0x40  # among the flags of an undefined symbol
_MOST_NAMES = 16  # times the table of strings: names may share their ends, but all cannot share all
# The tables of LC_DYSYMTAB: where it says that each begins and how many entries it has; their bytes with 32 and 64 bits.
_DYSYMTAB = (
    ("tocoff", "ntoc", (8, 8)),
    ("modtaboff", "nmodtab", (52, 56)),
    ("extrefsymoff", "nextrefsyms", (4, 4)),
    ("indirectsymoff", "nindirectsyms", (4, 4)),
    ("extreloff", "nextrel", (8, 8)),
    ("locreloff", "nlocrel", (8, 8)),
)
_N_OSO = 0x66  # among the entries for debuggers, one that names an object file of the build machine


# What linkers put beside a program's own symbols; zig's lets them out, and nobody can mean them.
_LINKER_MADE = frozenset(("__dso_handle", "_mh_bundle_header", "_mh_dylib_header", "_mh_execute_header"))


class UnreadableMacho(Exception):
    """The bytes begin as a Mach-O file does, or are named as one, but are not a whole one; the message is the reason."""

    check = "macho"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachoImage:
    """What one architecture's part of a Mach-O file says about itself.

    `cpu` is what lipo calls it and `kind` the file type; `name` is the install name (LC_ID_DYLIB); `needed` are the install
    names that it loads, of which it can do without the `optional`; `minimum` is the oldest version of `system` that it
    runs on, or None where it says none. `signature` is what is wrong with its code signature, or None where it has none.
    `exports` and `undefined` are symbols as C spells them, `weak` those of the latter that may be missing; `debug` maps
    what is for debuggers to its size in bytes.
    """

    cpu: str
    bits: int
    kind: str
    name: str
    needed: tuple[str, ...]
    optional: frozenset[str]
    rpath: tuple[str, ...]
    system: str
    minimum: tuple[int, int] | None
    exports: tuple[str, ...]
    undefined: tuple[str, ...]
    debug: Mapping[str, int]
    signature: tuple[str, ...] | None
    weak: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class MachoFacts:
    """What a Mach-O file says about itself, image by image; the properties are of all of them together."""

    images: tuple[MachoImage, ...]

    @property
    def machine(self) -> str:
        return ", ".join(image.cpu for image in self.images)

    @property
    def bits(self) -> int:
        return max(image.bits for image in self.images)

    @property
    def is_library(self) -> bool:
        return self.images[0].kind in ("MH_DYLIB", "MH_BUNDLE")

    @property
    def needed(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for image in self.images for name in image.needed))

    @property
    def rpath(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry for image in self.images for entry in image.rpath))

    @property
    def exports(self) -> tuple[str, ...]:
        return tuple(sorted({symbol for image in self.images for symbol in image.exports}))

    @property
    def debug(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for image in self.images:
            for name, size in image.debug.items():
                found[name] = found.get(name, 0) + size
        return found

    @property
    def module_names(self) -> tuple[str, ...]:
        """The Python modules that every image can initialise: the names after `PyInit_` (multi-phase or not)."""
        every = set(self.images[0].exports).intersection(*(image.exports for image in self.images))
        return tuple(s.split("_", 1)[1] for s in sorted(every) if s.startswith(("PyInit_", "PyInitU_", "PyModExport_")))

    @property
    def highest(self) -> dict[str, str]:
        """The newest system that an image needs: `{"macOS": "11.0"}`."""
        found: dict[str, tuple[int, int]] = {}
        for image in self.images:
            if image.minimum is not None:
                found[image.system] = max(image.minimum, found.get(image.system, (0, 0)))
        return {system: ".".join(map(str, version)) for system, version in found.items()}


def is_macho(name: str, data: bytes) -> bool:
    """Tell whether a file is a Mach-O file by its first bytes, or named as one."""
    if data[:4] in _FAT:
        return int.from_bytes(data[4:8], "big") <= _MOST_IMAGES
    return data[:4] in _THIN or name.endswith(".dylib")


@lru_cache(maxsize=8)
def read_macho(data: bytes) -> MachoFacts:
    """Return the facts of a Mach-O file; raise UnreadableMacho when it is truncated or malformed."""
    try:
        headers = _InMemory(data).headers
        if not headers:
            raise UnreadableMacho("it has no image for any architecture")
        return MachoFacts(images=tuple(_read(header, data) for header in headers))
    except UnreadableMacho:
        raise
    except Exception as error:  # macholib raises nearly every kind of exception on bytes that are not what they claim
        reason = _WHERE.sub("", str(error)) or type(error).__name__
        raise UnreadableMacho(f"not a whole Mach-O file ({reason})") from None


class _InMemory(MachO):  # type: ignore[misc]  # macholib has no types
    """macholib's reader, which knows files only by their names, on bytes."""

    def __init__(self, data: bytes) -> None:
        self.filename = "memory"
        self.fat = None
        self.headers: list[MachOHeader] = []
        self.allow_unknown_load_commands = True
        self._size = len(data)
        self.load(io.BytesIO(data))

    def load_header(self, file: io.BytesIO, offset: int, size: int) -> None:
        if offset + size > self._size:
            raise UnreadableMacho(f"truncated: it has {self._size} bytes of {offset + size}")
        super().load_header(file, offset, size)


def _read(header: MachOHeader, data: bytes) -> MachoImage:
    image = data[header.offset : header.offset + header.size]
    commands = [(load.cmd, command, rest) for load, command, rest in header.commands]
    _check_size(commands, header, len(image))
    loads = [(cmd, _read_string(command, command.name, rest)) for cmd, command, rest in commands if cmd in _LOADS]
    names = [_read_string(command, command.name, rest) for cmd, command, rest in commands if cmd == mach_o.LC_ID_DYLIB]
    system, minimum = _read_minimum(commands)
    debug = _read_dwarf(commands)
    exports, undefined, weak, stabs = _read_symbols(commands, image, header)
    if stabs:
        debug["debug map"] = stabs
    signatures = [c for cmd, c, _ in commands if cmd == mach_o.LC_CODE_SIGNATURE]
    cputype, subtype = int(header.header.cputype), int(header.header.cpusubtype)
    cpu = _CPUS.get(cputype, f"CPU type {cputype:#x}")
    return MachoImage(
        cpu=_VARIANTS.get((cputype, subtype & 0xFF), cpu),
        bits=64 if header.MH_MAGIC in (mach_o.MH_MAGIC_64, mach_o.MH_CIGAM_64) else 32,
        kind=_KINDS.get(int(header.header.filetype), f"file type {int(header.header.filetype)}"),
        name=names[0] if names else "",
        needed=tuple(dict.fromkeys(name for _, name in loads)),
        # Of what it loads both ways it cannot do without.
        optional=frozenset(name for cmd, name in loads if cmd == mach_o.LC_LOAD_WEAK_DYLIB)
        - {name for cmd, name in loads if cmd != mach_o.LC_LOAD_WEAK_DYLIB},
        rpath=tuple(_read_string(c, c.path, rest) for cmd, c, rest in commands if cmd == mach_o.LC_RPATH),
        system=system,
        minimum=minimum,
        exports=exports,
        undefined=undefined,
        weak=weak,
        debug=debug,
        signature=check_signature(image, int(signatures[0].dataoff), int(signatures[0].datasize))
        if signatures
        else None,
    )


def _check_size(commands: list[Any], header: MachOHeader, size: int) -> None:
    end = max((start + length for start, length in _list_tables(commands, header) if length), default=0)
    if end > size:
        raise UnreadableMacho(f"truncated: it has {size} bytes of {end}")


def _list_tables(commands: list[Any], header: MachOHeader) -> Iterator[tuple[int, int]]:
    """Give where each part of an image begins that its load commands tell of, and its size in bytes."""
    is_wide = _is_wide(header)
    for cmd, command, _ in commands:
        if cmd in (mach_o.LC_SEGMENT, mach_o.LC_SEGMENT_64):
            yield int(command.fileoff), int(command.filesize)
        elif cmd == mach_o.LC_SYMTAB:
            yield int(command.symoff), int(command.nsyms) * _make_entry(header).size
            yield int(command.stroff), int(command.strsize)
        elif cmd == mach_o.LC_DYSYMTAB:
            for start, count, (narrow, wide) in _DYSYMTAB:
                yield int(getattr(command, start)), int(getattr(command, count)) * (wide if is_wide else narrow)
        elif cmd in (mach_o.LC_DYLD_INFO, mach_o.LC_DYLD_INFO_ONLY):
            for part in ("rebase", "bind", "weak_bind", "lazy_bind", "export"):
                yield int(getattr(command, f"{part}_off")), int(getattr(command, f"{part}_size"))
        elif hasattr(command, "dataoff"):
            yield int(command.dataoff), int(command.datasize)


def _is_wide(header: MachOHeader) -> bool:
    return isinstance(header.header, mach_o.mach_header_64)


def _make_entry(header: MachOHeader) -> struct.Struct:
    """Return how one symbol lies in the symbol table: `nlist` of <mach-o/nlist.h>, or `nlist_64`."""
    return struct.Struct(f"{header.endian}IBBH{'Q' if _is_wide(header) else 'I'}")


def _read_string(command: Any, offset: Any, rest: bytes) -> str:
    """Return the string of a load command, whose offset counts from the command's beginning."""
    start = int(offset) - 8 - sum(field[1]._size_ for field in command._fields_)
    return rest[start:].split(b"\0")[0].decode(errors="replace")


def _read_minimum(commands: list[Any]) -> tuple[str, tuple[int, int] | None]:
    """Return the system and the oldest version of it; of several systems (Mac Catalyst is another) macOS counts."""
    found = {}
    for cmd, command, _ in commands:
        if cmd == mach_o.LC_BUILD_VERSION:
            platform = int(command.platform)
            found[mach_o.PLATFORM_NAMES.get(platform, f"platform {platform}")] = int(command.minos)
        elif cmd in _MINIMUMS:
            found[_MINIMUMS[cmd]] = int(command.version)
    if not found:
        return "macOS", None
    system = "macOS" if "macOS" in found else next(iter(found))
    return system, (found[system] >> 16, found[system] >> 8 & 0xFF)


def _read_dwarf(commands: list[Any]) -> dict[str, int]:
    found = {}
    for cmd, _, sections in commands:
        if cmd in (mach_o.LC_SEGMENT, mach_o.LC_SEGMENT_64):
            for section in sections:
                if bytes(section.segname).rstrip(b"\0") == b"__DWARF":
                    found[bytes(section.sectname).rstrip(b"\0").decode(errors="replace")] = int(section.size)
    return found


def _read_symbols(
    commands: list[Any], image: bytes, header: MachOHeader
) -> tuple[tuple[str, ...], tuple[str, ...], frozenset[str], int]:
    """Return the symbols that an image lets out, needs, and can do without, and the bytes of a map to object files."""
    exports: set[str] = set()
    undefined: set[str] = set()
    weak: set[str] = set()
    stabs = objects = named = 0
    tables = [command for cmd, command, _ in commands if cmd == mach_o.LC_SYMTAB]
    if len(tables) > 1:
        raise UnreadableMacho(f"it has {len(tables)} symbol tables")
    for table in tables:
        entry = _make_entry(header)
        start, strings = int(table.symoff), image[int(table.stroff) : int(table.stroff) + int(table.strsize)]
        for index, kind, _, flags, _ in entry.iter_unpack(image[start : start + entry.size * int(table.nsyms)]):
            if kind & _N_STAB:
                stabs += entry.size
                objects += kind == _N_OSO
            elif kind & _N_EXT and not kind & _N_PEXT:
                end = strings.index(b"\0", index)
                named += end - index
                if named > _MOST_NAMES * len(strings):
                    raise UnreadableMacho("the names of its symbols lie over each other")
                name = strings[index:end].decode(errors="replace").removeprefix("_")
                (exports if kind & _N_TYPE else undefined).add(name)
                if not kind & _N_TYPE and flags & _N_WEAK_REF:
                    weak.add(name)
    return tuple(sorted(exports - _LINKER_MADE)), tuple(sorted(undefined)), frozenset(weak), stabs if objects else 0
