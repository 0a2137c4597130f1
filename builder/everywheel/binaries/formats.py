"""Compiled files of every system: which reader each is for, and what all of them are asked."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from everywheel.binaries.elf import MAGIC, ElfFacts, UnreadableElf, read_elf
from everywheel.binaries.macho import MachoFacts, UnreadableMacho, is_macho, read_macho
from everywheel.binaries.pe import PeFacts, UnreadablePe, is_pe, read_pe

UNREADABLE_BINARY = (UnreadableElf, UnreadableMacho, UnreadablePe)
_SHARED_OBJECT = re.compile(r"\.so(\.\d+)*$")


class Binary(Protocol):
    """What the checks ask of a compiled file of any system; the three readers say what each of these is."""

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
    def highest(self) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryFormat:
    """How platform tags of a system begin, what people call it, and what its binaries are.

    `kind` is the binaries' name, `check` that of the audit's check whether they can be read, `facts` what a reader returns.
    """

    starts: tuple[str, ...]
    name: str
    kind: str
    check: str
    facts: type[ElfFacts] | type[MachoFacts] | type[PeFacts]


# By Meson's names.
SYSTEMS: Mapping[str, BinaryFormat] = MappingProxyType(
    {
        "linux": BinaryFormat(
            starts=("manylinux", "musllinux", "linux_"),
            name="Linux",
            kind="ELF",
            check="elf",
            facts=ElfFacts,
        ),
        "darwin": BinaryFormat(starts=("macosx_",), name="macOS", kind="Mach-O", check="macho", facts=MachoFacts),
        "windows": BinaryFormat(starts=("win",), name="Windows", kind="PE", check="pe", facts=PeFacts),
    }
)


def systems_of(platform: str) -> set[str]:
    """Return the systems that a set of platform tags (PEP 425) names."""
    tags = platform.split(".")
    return {name for name, system in SYSTEMS.items() for tag in tags if tag.startswith(system.starts)}


def read_binary(path: str, data: bytes, systems: Collection[str]) -> ElfFacts | MachoFacts | PeFacts | None:
    """Return the facts of a file, or None where it is no compiled one.

    `systems` are those that its wheel is for: a `.so` is loaded there, whatever its first bytes are. Raises one of
    UNREADABLE_BINARY when the file begins as a compiled one or is named as one, but is not a whole one.
    """
    if data.startswith(MAGIC):
        return read_elf(data)
    if is_macho(path, data):
        return read_macho(data)
    if is_pe(path, data):
        return read_pe(data)
    if _SHARED_OBJECT.search(path) and "linux" in systems:
        return read_elf(data)
    if _SHARED_OBJECT.search(path) and "darwin" in systems:
        return read_macho(data)
    return None
