"""Mach-O files, read once into facts; one file may contain an image for each of several architectures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from macholib import mach_o
from macholib.MachO import MachOHeader

from everywheel.binaries.init_functions import list_module_names
from everywheel.binaries.macho_images import open_images
from everywheel.binaries.macho_signature import check_signature
from everywheel.binaries.macho_symbols import Symbols, is_wide, make_entry, read_symbols
from everywheel.binaries.unreadable import UnreadableMacho

_THIN = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xfe\xed\xfa\xce")
_FAT = (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
_MAX_IMAGES = 40  # a Java class file has the same magic number, and its version in the field for the number of images
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
_MH_TWOLEVEL = 0x80  # each symbol is searched for in one library only
_DYNAMIC_LOOKUP = 0xFE
_LOCATION = re.compile(r" in <.*>")  # macholib adds the repr() of the file object to its messages
# The tables of LC_DYSYMTAB: the fields with offset and number of entries, and the size of an entry with 32 and 64 bits.
_DYSYMTAB = (
    ("tocoff", "ntoc", (8, 8)),
    ("modtaboff", "nmodtab", (52, 56)),
    ("extrefsymoff", "nextrefsyms", (4, 4)),
    ("indirectsymoff", "nindirectsyms", (4, 4)),
    ("extreloff", "nextrel", (8, 8)),
    ("locreloff", "nlocrel", (8, 8)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachoImage:
    """The facts about the part of a Mach-O file for one architecture.

    Attributes:
        cpu: the architecture, as lipo names it.
        kind: the file type (`MH_DYLIB`).
        name: the install name (LC_ID_DYLIB).
        needed: the install names of the libraries that it loads.
        optional: the libraries among them that may be missing.
        system, minimum: the operating system and the oldest version of it that the image runs on, or None without one.
        exports, undefined: symbols as C spells them; the `weak` undefined ones may be missing.
        origins: the install name of the library that each undefined symbol is bound to, empty for any library of the process.
        reexports: the install names of the libraries whose symbols it exports too.
        debug: the size in bytes of debugging data, by its name.
        signature: the problems of the code signature, or None for an image without a signature.
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
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    reexports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MachoFacts:
    """The facts about a Mach-O file by image; the properties combine those of all images."""

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
        sizes: dict[str, int] = {}
        for image in self.images:
            for name, size in image.debug.items():
                sizes[name] = sizes.get(name, 0) + size
        return sizes

    @property
    def module_names(self) -> tuple[str, ...]:
        """The Python modules that every image can initialize."""
        return list_module_names(sorted(set(self.images[0].exports).intersection(*(i.exports for i in self.images))))

    @property
    def required_versions(self) -> dict[str, str]:
        """The newest system that an image requires: `{"macOS": "11.0"}`."""
        highest: dict[str, tuple[int, int]] = {}
        for image in self.images:
            if image.minimum is not None:
                highest[image.system] = max(image.minimum, highest.get(image.system, (0, 0)))
        return {system: ".".join(map(str, version)) for system, version in highest.items()}


def is_macho(name: str, data: bytes) -> bool:
    """Return whether a file is a Mach-O file by its first bytes or by its name."""
    if data[:4] in _FAT:
        return int.from_bytes(data[4:8], "big") <= _MAX_IMAGES
    return data[:4] in _THIN or name.endswith(".dylib")


@lru_cache(maxsize=8)
def read_macho(data: bytes) -> MachoFacts:
    """Return the facts of a Mach-O file; raise UnreadableMacho when it is truncated or malformed."""
    try:
        images = open_images(data)
        if not images:
            raise UnreadableMacho("it has no image")
        return MachoFacts(images=tuple(_read(*image) for image in images))
    except UnreadableMacho:
        raise
    except Exception as error:  # macholib raises nearly every kind of exception on malformed files
        reason = _LOCATION.sub("", str(error)) or type(error).__name__
        raise UnreadableMacho(f"not a complete Mach-O file ({reason})") from None


def _read(cpu: str, header: MachOHeader, image: bytes) -> MachoImage:
    commands = [(load.cmd, command, rest) for load, command, rest in header.commands]
    _check_size(commands, header, len(image))
    loads = [(cmd, _read_string(command, command.name, rest)) for cmd, command, rest in commands if cmd in _LOADS]
    names = [_read_string(command, command.name, rest) for cmd, command, rest in commands if cmd == mach_o.LC_ID_DYLIB]
    # A library that is loaded both ways is required.
    required = {name for cmd, name in loads if cmd != mach_o.LC_LOAD_WEAK_DYLIB}
    system, minimum = _read_minimum(commands)
    symbols = read_symbols(commands, image, header)
    is_two_level = bool(int(header.header.flags) & _MH_TWOLEVEL)
    debug_map = {"debug map": symbols.debug_map} if symbols.debug_map else {}
    return MachoImage(
        cpu=cpu,
        bits=64 if is_wide(header) else 32,
        kind=_KINDS.get(int(header.header.filetype), f"file type {int(header.header.filetype)}"),
        name=names[0] if names else "",
        needed=tuple(dict.fromkeys(name for _, name in loads)),
        optional=frozenset(name for _, name in loads) - required,
        rpath=tuple(_read_string(c, c.path, rest) for cmd, c, rest in commands if cmd == mach_o.LC_RPATH),
        system=system,
        minimum=minimum,
        exports=tuple(sorted(symbols.exports)),
        undefined=tuple(sorted(symbols.undefined)),
        weak=symbols.weak,
        origins=_name_origins(symbols, [name for _, name in loads], is_two_level),
        reexports=tuple(name for cmd, name in loads if cmd == mach_o.LC_REEXPORT_DYLIB),
        debug={**_read_dwarf(commands), **debug_map},
        signature=_read_signature(commands, image),
    )


def _name_origins(symbols: Symbols, loads: Sequence[str], is_two_level: bool) -> dict[str, str]:
    """Return the library of each undefined symbol whose library is known; an ordinal is the number of a load command."""
    origins = {}
    for symbol, ordinal in symbols.ordinals.items():
        if not is_two_level or ordinal == _DYNAMIC_LOOKUP:
            origins[symbol] = ""
        elif 0 < ordinal <= len(loads):
            origins[symbol] = loads[ordinal - 1]
    return origins


def _read_signature(commands: list[Any], image: bytes) -> tuple[str, ...] | None:
    signatures = [command for cmd, command, _ in commands if cmd == mach_o.LC_CODE_SIGNATURE]
    if not signatures:
        return None
    return check_signature(image, int(signatures[0].dataoff), int(signatures[0].datasize))


def _check_size(commands: list[Any], header: MachOHeader, size: int) -> None:
    end = max((start + length for start, length in _list_tables(commands, header) if length), default=0)
    if end > size:
        raise UnreadableMacho(f"truncated: {size} of {end} bytes")


def _list_tables(commands: list[Any], header: MachOHeader) -> Iterator[tuple[int, int]]:
    """Yield the offset and the size in bytes of each part of an image that its load commands describe."""
    for cmd, command, _ in commands:
        if cmd in (mach_o.LC_SEGMENT, mach_o.LC_SEGMENT_64):
            yield int(command.fileoff), int(command.filesize)
        elif cmd == mach_o.LC_SYMTAB:
            yield int(command.symoff), int(command.nsyms) * make_entry(header).size
            yield int(command.stroff), int(command.strsize)
        elif cmd == mach_o.LC_DYSYMTAB:
            for start, count, (narrow, wide) in _DYSYMTAB:
                yield int(getattr(command, start)), int(getattr(command, count)) * (wide if is_wide(header) else narrow)
        elif cmd in (mach_o.LC_DYLD_INFO, mach_o.LC_DYLD_INFO_ONLY):
            for part in ("rebase", "bind", "weak_bind", "lazy_bind", "export"):
                yield int(getattr(command, f"{part}_off")), int(getattr(command, f"{part}_size"))
        elif hasattr(command, "dataoff"):
            yield int(command.dataoff), int(command.datasize)


def _read_string(command: Any, offset: Any, rest: bytes) -> str:
    """Return a string of a load command; its offset is relative to the beginning of the command."""
    start = int(offset) - 8 - sum(field[1]._size_ for field in command._fields_)
    return rest[start:].split(b"\0")[0].decode(errors="replace")


def _read_minimum(commands: list[Any]) -> tuple[str, tuple[int, int] | None]:
    """Return the operating system and its oldest version; if there are several systems, such as Mac Catalyst, macOS."""
    minimums = {}
    for cmd, command, _ in commands:
        if cmd == mach_o.LC_BUILD_VERSION:
            platform = int(command.platform)
            minimums[mach_o.PLATFORM_NAMES.get(platform, f"platform {platform}")] = int(command.minos)
        elif cmd in _MINIMUMS:
            minimums[_MINIMUMS[cmd]] = int(command.version)
    if not minimums:
        return "macOS", None
    system = "macOS" if "macOS" in minimums else next(iter(minimums))
    return system, (minimums[system] >> 16, minimums[system] >> 8 & 0xFF)


def _read_dwarf(commands: list[Any]) -> dict[str, int]:
    sizes = {}
    for cmd, _, sections in commands:
        if cmd in (mach_o.LC_SEGMENT, mach_o.LC_SEGMENT_64):
            for section in sections:
                if bytes(section.segname).rstrip(b"\0") == b"__DWARF":
                    sizes[bytes(section.sectname).rstrip(b"\0").decode(errors="replace")] = int(section.size)
    return sizes
