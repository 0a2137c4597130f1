"""The files of an SDK: the static prefix of its recipes, and their shared libraries."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from everywheel.errors import BuildError
from everywheel.libraries.library_facts import Library
from everywheel.platforms.target import Target

# In packages of CMake, which find the prefix by their own paths.
_ARCHIVE_IN_PREFIX = re.compile(rb"(\$\{_IMPORT_PREFIX\}/lib/)(lib[^/\"]+\.a)\b")

STATIC = "lib/static"
"""The folder of an SDK with its archives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkFile:
    """A file of an SDK."""

    data: bytes
    executable: bool = False

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkLink:
    """A symbolic link of an SDK, to a file in the same folder."""

    target: str


Entry: TypeAlias = SdkFile | SdkLink


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkFacts:
    """The facts about an SDK.

    Attributes:
        name, version: those of its first recipe.
        profile: the profile of that recipe, if it is not the one for SDKs.
        roots: the recipes that were named, which have shared libraries.
        modules: the pkg-config modules of each recipe.
        libraries: the facts about each library, with its license texts.
        archives: the names of each recipe's archives, without `lib` and suffix.
    """

    name: str
    version: str
    profile: str
    target: Target
    roots: tuple[str, ...]
    modules: Mapping[str, tuple[str, ...]]
    libraries: tuple[Library, ...]
    archives: Mapping[str, tuple[str, ...]]

    @property
    def label(self) -> str:
        """The name of its packages: that of the recipe, with the profile."""
        return f"{self.name}-{self.profile}" if self.profile else self.name

    @property
    def title(self) -> str:
        """The name of the archive without its suffix, and of the folder in it."""
        return f"{self.label}-{self.version}-{self.target.wheel_tag}"


def read_prefix(prefix: Path) -> dict[str, Entry]:
    """Return the files and links of a prefix by name; the facts for repairs are left out."""
    entries: dict[str, Entry] = {}
    for path in sorted(prefix.rglob("*")):
        name = path.relative_to(prefix).as_posix()
        if name.startswith("share/everywheel/"):
            continue
        if path.is_symlink():
            entries[name] = SdkLink(target=str(path.readlink()))
        elif path.is_file():
            entries[name] = SdkFile(data=path.read_bytes(), executable=bool(path.stat().st_mode & 0o100))
    return entries


def select_shared(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Return the shared libraries of a prefix, with their links and import libraries."""
    return {name: entry for name, entry in entries.items() if is_shared(name)}


def is_shared(name: str) -> bool:
    """Return whether a file is a shared library, a link to one, or an import library."""
    folder, _, file = name.rpartition("/")
    if folder == "bin":
        return file.endswith(".dll")
    return folder == "lib" and (".so" in file or file.endswith((".dylib", ".dll.a")))


def arrange(static: Mapping[str, Entry], shared: dict[str, Entry]) -> dict[str, Entry]:
    """Return the files of an SDK: those of a static prefix, whose archives get a folder of their own, and shared libraries.

    An import library has two names: GNU ld searches for `libfoo.dll.a`, zig's linker and Microsoft's for `foo.lib`.
    """
    moved: dict[str, Entry] = {}
    for name, entry in static.items():
        folder, _, file = name.rpartition("/")
        if folder == "lib" and file.endswith((".a", ".tbd")):
            moved[f"{STATIC}/{file}"] = entry
        elif name.endswith(".cmake") and isinstance(entry, SdkFile):
            moved[name] = replace(entry, data=_ARCHIVE_IN_PREFIX.sub(rb"\1static/\2", entry.data))
        else:
            moved[name] = entry
    imports = {
        f"lib/{find_stem(name)}.lib": entry
        for name, entry in shared.items()
        if re.fullmatch(r"lib/lib[^/]+\.dll\.a", name)
    }
    return {**moved, **{name: entry for name, entry in (shared | imports).items() if name not in moved}}


def find_stem(name: str) -> str:
    """Return the name by which the linker finds a library: `vips` of `lib/libvips.so` and `lib/static/libvips.a`."""
    return re.sub(r"\.(so|dylib|dll\.a|a)$", "", name.rpartition("/")[2]).removeprefix("lib")


def follow(name: str, entries: Mapping[str, Entry]) -> SdkFile:
    """Return the file that a name leads to; raise BuildError for a link to nothing."""
    seen = [name]
    while isinstance(entry := entries.get(seen[-1]), SdkLink) and len(seen) < 9:
        seen.append(posixpath.normpath(posixpath.join(posixpath.dirname(seen[-1]), entry.target)))
    if not isinstance(entry, SdkFile):
        raise BuildError(f"{name} of the SDK leads to no file", details={"links": " -> ".join(seen)})
    return entry


def list_archives(entries: Mapping[str, Entry]) -> Iterator[tuple[str, bytes]]:
    """Yield the archives with their contents."""
    for name in entries:
        if name.startswith(f"{STATIC}/") and name.endswith(".a"):
            yield name, follow(name, entries).data
