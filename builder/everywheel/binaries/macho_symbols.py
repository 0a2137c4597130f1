"""Symbol tables of Mach-O files."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from macholib import mach_o
from macholib.MachO import MachOHeader

from everywheel.binaries.unreadable import UnreadableMacho

_N_STAB, _N_PEXT, _N_TYPE, _N_EXT = 0xE0, 0x10, 0x0E, 0x01
_N_WEAK_REF = 0x40  # a flag of an undefined symbol
_MAX_NAME_RATIO = 16  # the size of all names together, as a multiple of the string table: names may share their ends
_N_OSO = 0x66  # the type of a debugging entry that names an object file of the build machine
# Symbols that linkers define; zig's linker exports them too.
_LINKER_DEFINED = frozenset(("__dso_handle", "_mh_bundle_header", "_mh_dylib_header", "_mh_execute_header"))


def is_wide(header: MachOHeader) -> bool:
    """Return whether an image has the 64-bit format."""
    return isinstance(header.header, mach_o.mach_header_64)


def make_entry(header: MachOHeader) -> struct.Struct:
    """Return the layout of an entry of the symbol table: `nlist` or `nlist_64` of <mach-o/nlist.h>."""
    return struct.Struct(f"{header.endian}IBBH{'Q' if is_wide(header) else 'I'}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Symbols:
    """The symbols of an image, and the size in bytes of the map for debuggers that names object files.

    `ordinals` are the numbers of the libraries that the undefined symbols are bound to.
    """

    exports: frozenset[str] = frozenset()
    undefined: frozenset[str] = frozenset()
    weak: frozenset[str] = frozenset()
    debug_map: int = 0
    ordinals: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


def read_symbols(commands: list[Any], image: bytes, header: MachOHeader) -> Symbols:
    """Return the symbols of an image; raise UnreadableMacho when it has several symbol tables or overlapping names."""
    tables = [command for cmd, command, _ in commands if cmd == mach_o.LC_SYMTAB]
    if len(tables) > 1:
        raise UnreadableMacho(f"it has {len(tables)} symbol tables")
    if not tables:
        return Symbols()
    table, layout = tables[0], make_entry(header)
    start, size = int(table.symoff), layout.size * int(table.nsyms)
    entries = list(layout.iter_unpack(image[start : start + size]))
    debugging = [kind for _, kind, _, _, _ in entries if kind & _N_STAB]
    names: dict[tuple[bool, bool], set[str]] = defaultdict(set)
    ordinals: dict[str, int] = {}
    for name, kind, flags in _name_symbols(entries, image[int(table.stroff) : int(table.stroff) + int(table.strsize)]):
        is_defined = bool(kind & _N_TYPE)
        if not is_defined:
            ordinals[name] = flags >> 8 & 0xFF
        names[is_defined, not is_defined and bool(flags & _N_WEAK_REF)].add(name)
    return Symbols(
        exports=frozenset(names[True, False] - _LINKER_DEFINED),
        undefined=frozenset(names[False, False] | names[False, True]),
        weak=frozenset(names[False, True]),
        debug_map=layout.size * len(debugging) if _N_OSO in debugging else 0,
        ordinals=ordinals,
    )


def _name_symbols(entries: Iterable[tuple[Any, ...]], strings: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield name, type and flags of each external symbol, without the underscore that C names begin with.

    Raises UnreadableMacho when the names overlap so much that reading them would take very long.
    """
    size = 0
    for index, kind, _, flags, _ in entries:
        if kind & _N_STAB or not kind & _N_EXT or kind & _N_PEXT:
            continue
        end = strings.index(b"\0", index)
        size += end - index
        if size > _MAX_NAME_RATIO * len(strings):
            raise UnreadableMacho("the names of its symbols overlap")
        yield strings[index:end].decode(errors="replace").removeprefix("_"), kind, flags
