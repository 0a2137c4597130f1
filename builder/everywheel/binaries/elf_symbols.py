"""Dynamic symbols of ELF files, read from their table in one pass: pyelftools needs seconds for a library with 30,000."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from everywheel.binaries.unreadable import UnreadableElf

MOST_SYMBOLS = 500_000
NAMES = 1 << 20  # bytes of names in a smaller file; in malformed files, entries and names overlap
_LOCAL, _GLOBAL, _WEAK, _GNU_UNIQUE = 0, 1, 2, 10
_DEFAULT, _PROTECTED = 0, 3
_FUNCTION, _INDIRECT_FUNCTION = 2, 10
_UNDEFINED, _ABSOLUTE = 0, 0xFFF1
_VERSION_MASK = 0x7FFF  # the highest bit hides a version from the linker


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfSymbol:
    """A symbol: `section` is the index of its section, 0 for an undefined one, and `version` that of its version."""

    name: str
    address: int
    size: int
    kind: int
    binding: int
    visibility: int
    section: int
    version: int = 0

    @property
    def is_undefined(self) -> bool:
        return self.section == _UNDEFINED

    @property
    def is_local(self) -> bool:
        return self.binding == _LOCAL

    @property
    def is_weak(self) -> bool:
        return self.binding == _WEAK

    @property
    def is_function(self) -> bool:
        """True for a defined function, also for one whose resolver selects the implementation (IFUNC)."""
        return self.kind in (_FUNCTION, _INDIRECT_FUNCTION) and not self.is_undefined

    @property
    def is_indirect(self) -> bool:
        """True for a function whose resolver selects the implementation when the file is loaded (IFUNC)."""
        return self.kind == _INDIRECT_FUNCTION and not self.is_undefined

    @property
    def is_required(self) -> bool:
        """True for an undefined symbol without which the file cannot be used."""
        return self.is_undefined and bool(self.name) and not self.is_weak

    @property
    def is_exported(self) -> bool:
        """True for a symbol that other files can use; that which represents a version is absolute."""
        return (
            self.section not in (_UNDEFINED, _ABSOLUTE)
            and self.binding in (_GLOBAL, _WEAK, _GNU_UNIQUE)
            and self.visibility in (_DEFAULT, _PROTECTED)
        )


def read_symbols(elf: Any, table: Any, data: bytes, versions: Sequence[int] = ()) -> tuple[ElfSymbol, ...]:
    """Return the symbols of a table; `table` is a section of pyelftools, `versions` the entries of the version table.

    Raises UnreadableElf when there are too many symbols, or when their names overlap.
    """
    order = "<" if elf.little_endian else ">"
    layout = struct.Struct(f"{order}IBBHQQ" if elf.elfclass == 64 else f"{order}IIIBBH")
    start, size = int(table["sh_offset"]), int(table["sh_size"])
    if size // layout.size > MOST_SYMBOLS:
        raise UnreadableElf(f"a table has over {MOST_SYMBOLS} entries")
    strings = elf.get_section(table["sh_link"])
    names = bytes(data[strings["sh_offset"] : strings["sh_offset"] + strings["sh_size"]])
    entries = layout.iter_unpack(data[start : start + size // layout.size * layout.size])
    ordered = entries if elf.elfclass == 64 else ((e[0], e[3], e[4], e[5], e[1], e[2]) for e in entries)
    return tuple(_make_symbols(ordered, names, versions, max(len(data), NAMES)))


def _make_symbols(
    entries: Iterable[tuple[int, ...]], names: bytes, versions: Sequence[int], most: int
) -> Iterator[ElfSymbol]:
    total = 0
    for index, (offset, info, other, section, address, size) in enumerate(entries):
        end = names.index(b"\0", offset) if offset else 0
        total += end - offset
        if total > most:
            raise UnreadableElf("the names in a table overlap")
        yield ElfSymbol(
            name=names[offset:end].decode(errors="replace") if offset else "",
            address=address,
            size=size,
            kind=info & 0xF,
            binding=info >> 4,
            visibility=other & 0x3,
            section=section,
            version=versions[index] & _VERSION_MASK if index < len(versions) else 0,
        )


def read_version_table(elf: Any, section: Any, data: bytes) -> tuple[int, ...]:
    """Return the entries of a .gnu.version section: the number of each symbol's version."""
    start, count = int(section["sh_offset"]), int(section["sh_size"]) // 2
    if count > MOST_SYMBOLS:
        raise UnreadableElf(f"a table has over {MOST_SYMBOLS} entries")
    return struct.unpack_from(f"{'<' if elf.little_endian else '>'}{count}H", data, start)


def group_by_version(symbols: Iterable[ElfSymbol]) -> Mapping[int, tuple[str, ...]]:
    """Return the names of the undefined symbols by the number of their version."""
    users: dict[int, list[str]] = defaultdict(list)
    for symbol in symbols:
        if symbol.is_undefined:
            users[symbol.version].append(symbol.name)
    return {number: tuple(sorted(names)) for number, names in users.items()}
