"""How the loader of Linux finds the libraries that a wheel's ELF files need, once the wheel is installed."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from everywheel.audit.wheel_contents import WheelContents, installed_path
from everywheel.binaries.elf import ElfFacts

_ORIGIN = ("$ORIGIN", "${ORIGIN}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFiles:
    """The files that are loaded with an ELF file: itself and others of the wheel by path, and names that are not in it."""

    inside: frozenset[str]
    outside: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPaths:
    """The files of a wheel by installed path, and the directories in which each ELF file's libraries are searched."""

    files: Mapping[str, str]
    directories: Mapping[str, frozenset[str]]

    def find(self, path: str, library: str) -> str | None:
        """Return the wheel's file that is loaded for a library that another file needs, or None if it has none.

        The loader searches only for names without a slash; any other name is a path.
        """
        if "/" in library:
            return None
        candidates = (posixpath.join(directory, library) for directory in self.directories[path])
        return next((self.files[candidate] for candidate in candidates if candidate in self.files), None)


def find_search_paths(contents: WheelContents) -> SearchPaths:
    """Return the search paths of all ELF files.

    An RPATH (unlike a RUNPATH) also applies to the dependencies of the libraries that the file loads.
    """
    elves = contents.elves
    files = {installed_path(path): path for path in (*elves, *contents.unread)}
    folders = list_directories(contents)
    own = {path: frozenset(_resolve_rpath(path, elf, folders)) for path, elf in elves.items()}
    directories, inherited = (
        dict(own),
        {path: own[path] if elf.rpath_is_inherited else _NONE for path, elf in elves.items()},
    )
    pending = list(elves)
    while pending:
        path = pending.pop()
        paths = SearchPaths(files=files, directories=directories)
        loaded = {paths.find(path, library) for library in elves[path].needed}
        for needed in elves.keys() & loaded:
            if not inherited[path] <= inherited[needed]:
                directories[needed] |= inherited[path]
                inherited[needed] |= inherited[path]
                pending.append(needed)
    return SearchPaths(files=files, directories=directories)


_NONE: frozenset[str] = frozenset()


def find_loaded_files(elves: Mapping[str, ElfFacts], paths: SearchPaths) -> dict[str, LoadedFiles]:
    """Return, for each ELF file, what is loaded with it."""
    direct = {path: {library: paths.find(path, library) for library in elf.needed} for path, elf in elves.items()}
    loaded = {}
    for root in elves:
        inside, outside, pending = {root}, set(), [root]
        while pending:
            for library, file in direct.get(pending.pop(), {}).items():
                if file is None:
                    outside.add(library)
                elif file not in inside:
                    inside.add(file)
                    pending.append(file)
        loaded[root] = LoadedFiles(inside=frozenset(inside), outside=frozenset(outside))
    return loaded


def list_directories(contents: WheelContents) -> frozenset[str]:
    """Return the directories that the installed wheel has, relative to site-packages, which is the empty string."""
    folders = {""}
    for path in contents.wheel.files:
        folder = posixpath.dirname(installed_path(path))
        while folder not in folders:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    return frozenset(folders)


def relative_to_origin(entry: str) -> str | None:
    """Return the path after $ORIGIN, or None for an entry that does not begin with it or contains other variables."""
    for token in _ORIGIN:
        # The values of $LIB and $PLATFORM depend on the system.
        if (entry == token or entry.startswith(f"{token}/")) and "$" not in entry.removeprefix(token):
            return entry.removeprefix(token).lstrip("/") or "."
    return None


def resolve_inside(start: str, relative: str, folders: Collection[str]) -> str | None:
    """Return the directory that a relative path means from a directory of the wheel, or None if it leads out of it.

    Each step must stay in the wheel, and `..` does not lead out of a directory that does not exist. Programs and data are
    installed outside of site-packages, so no path leads from their directory to another one, or to it.
    """
    root = _find_root(start)
    directory = start
    for part in relative.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            directory = posixpath.join(directory, part)
        elif directory in (root, "") or directory not in folders:
            return None
        else:
            directory = posixpath.dirname(directory)
    return directory if _find_root(directory) == root else None


def _find_root(directory: str) -> str:
    """Return the directory of programs or data that a directory is in, or the empty string for site-packages."""
    parts = directory.split("/")
    return "/".join(parts[:2]) if parts[0].endswith(".data") else ""


def _resolve_rpath(path: str, elf: ElfFacts, folders: Collection[str]) -> Iterator[str]:
    start = posixpath.dirname(installed_path(path))
    for entry in elf.rpath:
        relative = relative_to_origin(entry)
        directory = resolve_inside(start, relative, folders) if relative is not None else None
        if directory is not None:
            yield directory
