"""Formats of compiled files: which reader reads which file, and the facts that all readers return."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from everywheel.binaries.elf import ElfFacts, is_elf, read_elf
from everywheel.binaries.macho import MachoFacts, is_macho, read_macho
from everywheel.binaries.pe import PeFacts, is_pe, read_pe

_SHARED_OBJECT = re.compile(r"\.so(\.\d+)*$")


class Binary(Protocol):
    """The facts about a compiled file of any format; the classes that the three readers return describe each fact."""

    @property
    def machine(self) -> str: ...
    @property
    def bits(self) -> int: ...
    @property
    def is_library(self) -> bool: ...
    @property
    def needed(self) -> tuple[str, ...]: ...
    @property
    def rpath(self) -> tuple[str, ...]: ...
    @property
    def exports(self) -> tuple[str, ...]: ...
    @property
    def debug(self) -> Mapping[str, int]: ...
    @property
    def module_names(self) -> tuple[str, ...]: ...
    @property
    def required_versions(self) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryFormat:
    """The format of the compiled files of one operating system.

    `name` is the format's name in messages, `check` the audit's check that its files can be read, `facts` the type that
    `read` returns. `matches` decides by path and contents whether a file has the format. `read` raises
    UnreadableBinary. `so_suffix` states whether the system loads files whose names end with `.so`.
    """

    name: str
    check: str
    facts: type[ElfFacts] | type[MachoFacts] | type[PeFacts]
    matches: Callable[[str, bytes], bool]
    read: Callable[[bytes], ElfFacts | MachoFacts | PeFacts]
    so_suffix: bool = True


FORMATS: Mapping[str, BinaryFormat] = MappingProxyType(
    {
        "linux": BinaryFormat(name="ELF", check="elf", facts=ElfFacts, matches=is_elf, read=read_elf),
        "darwin": BinaryFormat(name="Mach-O", check="macho", facts=MachoFacts, matches=is_macho, read=read_macho),
        "windows": BinaryFormat(name="PE", check="pe", facts=PeFacts, matches=is_pe, read=read_pe, so_suffix=False),
    }
)
"""The formats by operating system."""


def read_binary(path: str, data: bytes, systems: Collection[str]) -> ElfFacts | MachoFacts | PeFacts | None:
    """Return the facts of a file, or None for a file that is not compiled.

    `systems` are the operating systems that its wheel is for: Linux and macOS load a `.so` with any first bytes. Raises
    UnreadableBinary when the file has the first bytes or the name of a compiled file, but is truncated or malformed.
    """
    for binary_format in FORMATS.values():
        if binary_format.matches(path, data):
            return binary_format.read(data)
    if _SHARED_OBJECT.search(path):
        for system, binary_format in FORMATS.items():
            if binary_format.so_suffix and system in systems:
                return binary_format.read(data)
    return None
