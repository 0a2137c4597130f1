"""Evidence: what a line of a build file states about a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of evidence.

    The first is an extension module; the next four name a library, each in another name space. LIMITED_API is a version of
    the limited API (`cp311`, or empty) for modules, and STABLE_ABI one for the whole wheel.
    """

    MODULE = "extension module"
    PKG_CONFIG = "pkg-config file"
    LIBRARY = "library"
    CMAKE_PACKAGE = "CMake package"
    EXTERNAL = "external requirement"
    LIMITED_API = "limited API"
    STABLE_ABI = "stable ABI"
    REQUIRES_PYTHON = "supported Pythons"


LIBRARY_KINDS = (Kind.PKG_CONFIG, Kind.LIBRARY, Kind.CMAKE_PACKAGE, Kind.EXTERNAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A name in a file: `line` counts from 1, and is 0 where the format has no lines of its own, such as TOML.

    `is_optional` is whether the project can be built without the library. `choice` is the condition under which a project
    that has a copy of the library uses that of the system instead; empty if there is none.
    """

    kind: Kind
    name: str
    file: str
    line: int = 0
    is_optional: bool = False
    choice: str = ""

    @property
    def location(self) -> str:
        """Where the name is: `setup.py:12`, or only the file."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceText:
    """The text of a file of the project; `name` is its path relative to the project."""

    name: str
    text: str

    def find(self, kind: Kind, name: str, offset: int = -1, *, is_optional: bool = False) -> Evidence:
        """Return the evidence for a name at an offset of the text; with -1 the line is unknown."""
        line = self.text.count("\n", 0, offset) + 1 if offset >= 0 else 0
        return Evidence(kind=kind, name=name, file=self.name, line=line, is_optional=is_optional)


def list_linked(flags: Iterable[str]) -> Iterator[str]:
    """Yield the names of the libraries in arguments of a linker, such as `-lz`."""
    for flag in flags:
        if flag.startswith("-l") and len(flag) > 2:
            yield flag[2:].removeprefix(":")


def format_tag(version: str) -> str:
    """Return the tag of a version of CPython: `cp311` for `3.11`, `cp311` or `0x030B0000`; empty for any other text."""
    if version.startswith("cp3") and version[3:].isdecimal():
        return version
    if version.lower().startswith("0x"):
        try:
            number = int(version, 16)
        except ValueError:
            return ""
        return f"cp3{number >> 16 & 0xFF}" if number >> 24 == 3 else ""
    major, _, minor = version.partition(".")
    return f"cp3{minor}" if major == "3" and minor.isdecimal() else ""
