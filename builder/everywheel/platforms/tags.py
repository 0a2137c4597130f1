"""Platform tags: the only parser and the only formatter of them (PEP 425, PEP 600, PEP 656)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Self


class TagFamily(StrEnum):
    """The kind of a platform tag; the value is its first part."""

    MANYLINUX = "manylinux"
    MUSLLINUX = "musllinux"
    LINUX = "linux"
    MACOS = "macosx"
    WINDOWS = "win"
    ANY = "any"
    OTHER = ""


_OPERATING_SYSTEMS: Mapping[TagFamily, str] = MappingProxyType(
    {
        TagFamily.MANYLINUX: "linux",
        TagFamily.MUSLLINUX: "linux",
        TagFamily.LINUX: "linux",
        TagFamily.MACOS: "darwin",
        TagFamily.WINDOWS: "windows",
    }
)
_LIBCS: Mapping[TagFamily, str] = MappingProxyType({TagFamily.MANYLINUX: "glibc", TagFamily.MUSLLINUX: "musl"})
# The aliases of PEP 513, PEP 571 and PEP 599, and the glibc that each promises (PEP 600).
_ALIASES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
)
# Names of several architectures in tags of macOS, for wheels with fat binaries.
_FAT: Mapping[str, tuple[str, ...]] = MappingProxyType({"universal2": ("x86_64", "arm64"), "intel": ("i386", "x86_64")})
_VERSIONED = re.compile(r"(?P<family>manylinux|musllinux|macosx)_(?P<major>[0-9]+)_(?P<minor>[0-9]+)_(?P<arch>\w+)")
_ALIAS = re.compile(r"(?P<alias>manylinux1|manylinux2010|manylinux2014)_(?P<arch>\w+)")
_PLAIN = re.compile(r"(?P<family>linux|win)_(?P<arch>\w+)")
_WIN32 = "win32"  # the only tag of Windows that does not name an architecture
_X86 = "x86"
_PREFIXES: Mapping[str, TagFamily] = MappingProxyType(
    {
        "manylinux": TagFamily.MANYLINUX,
        "musllinux": TagFamily.MUSLLINUX,
        "linux_": TagFamily.LINUX,
        "macosx_": TagFamily.MACOS,
        "win": TagFamily.WINDOWS,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformTag:
    """One platform tag.

    `text` is the tag as it was written. `version` is the glibc or musl version, or the oldest macOS; it is (0, 0) in families
    without one. `arch` is the architecture as the tag spells it, and `x86` for `win32`. For a malformed
    tag of a family (`manylinux_2_x86_64`), `arch` is empty and `version` is (0, 0).
    """

    text: str
    family: TagFamily
    version: tuple[int, int] = (0, 0)
    arch: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a platform tag; a tag without the prefix of a family has the family OTHER."""
        if match := _ALIAS.fullmatch(text):
            version = _ALIASES[match["alias"]]
            return cls(text=text, family=TagFamily.MANYLINUX, version=version, arch=match["arch"])
        if match := _VERSIONED.fullmatch(text):
            version = (int(match["major"]), int(match["minor"]))
            return cls(text=text, family=TagFamily(match["family"]), version=version, arch=match["arch"])
        if (match := _PLAIN.fullmatch(text)) and match["arch"] != _X86:
            return cls(text=text, family=TagFamily(match["family"]), arch=match["arch"])
        if text == _WIN32:
            return cls(text=text, family=TagFamily.WINDOWS, arch=_X86)
        if text == TagFamily.ANY:
            return cls(text=text, family=TagFamily.ANY)
        family = next((family for prefix, family in _PREFIXES.items() if text.startswith(prefix)), TagFamily.OTHER)
        return cls(text=text, family=family)

    @classmethod
    def make(cls, family: TagFamily, arch: str, version: tuple[int, int] = (0, 0)) -> Self:
        """Return the tag of a family for an architecture, in its canonical spelling (PEP 600, not an alias)."""
        if family is TagFamily.WINDOWS:
            text = _WIN32 if arch == _X86 else f"{family}_{arch}"
        elif family is TagFamily.LINUX:
            text = f"{family}_{arch}"
        else:
            text = f"{family}_{version[0]}_{version[1]}_{arch}"
        return cls(text=text, family=family, version=version, arch=arch)

    @property
    def os(self) -> str:
        """Meson's name of the operating system; empty for `any` and the family OTHER."""
        return _OPERATING_SYSTEMS.get(self.family, "")

    @property
    def libc(self) -> str:
        """`glibc` or `musl`; empty for a tag that promises neither."""
        return _LIBCS.get(self.family, "")

    @property
    def arches(self) -> tuple[str, ...]:
        """The architectures that the tag names: two for `universal2`."""
        return _FAT.get(self.arch, (self.arch,)) if self.family is TagFamily.MACOS else (self.arch,)

    @property
    def alias(self) -> str:
        """The older alias of a tag of PEP 600 if it has one (`manylinux2014_x86_64`), else its text."""
        names = {version: alias for alias, version in _ALIASES.items()}
        if self.family is TagFamily.MANYLINUX and self.version in names:
            return f"{names[self.version]}_{self.arch}"
        return self.text


def libc_family(libc: str) -> TagFamily:
    """Return the family of tags that promise a libc, `glibc` or `musl`."""
    return next(family for family, name in _LIBCS.items() if name == libc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """A libc and the lowest version of it that a family of tags promises, for every architecture: `manylinux_2_17`."""

    libc: str
    version: tuple[int, int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a floor such as `musllinux_1_2`; raise ValueError for an alias and for any other text."""
        tag = PlatformTag.parse(f"{text}_{_X86}")
        floor = cls(libc=tag.libc, version=tag.version)
        if not tag.libc or str(floor) != text:
            raise ValueError(f"'{text}' is not a platform tag of Linux without its architecture")
        return floor

    def __str__(self) -> str:
        return f"{libc_family(self.libc)}_{self.version[0]}_{self.version[1]}"


@cache
def parse_platforms(platform: str) -> tuple[PlatformTag, ...]:
    """Return the tags of a compressed set, such as the platform in a wheel's file name (PEP 425)."""
    return tuple(PlatformTag.parse(text) for text in platform.split("."))


def list_systems(platform: str) -> frozenset[str]:
    """Return the operating systems, by Meson's names, that a compressed set of platform tags names."""
    return frozenset(tag.os for tag in parse_platforms(platform) if tag.os)


def list_compatible_tags(floor: Floor, arch: str) -> list[str]:
    """Return the platform tags that installers accept on a system with a libc, the newest first (PEP 600, PEP 656)."""
    family, (major, newest) = libc_family(floor.libc), floor.version
    if floor.libc == "musl":
        return [PlatformTag.make(family, arch, (1, minor)).text for minor in range(min(newest, 2), -1, -1)]
    tags = [PlatformTag.make(family, arch, (major, minor)) for minor in range(newest, 16, -1)]
    return [*(tag.text for tag in tags), PlatformTag.make(family, arch, (2, 17)).alias]
