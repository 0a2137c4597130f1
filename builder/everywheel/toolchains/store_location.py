"""The location of the store: paths that build tools cannot handle, and file systems that do not run programs.

Everything that build tools read is in the store: workspaces with copies of the extension and of recipes' files, tools,
prefixes. So the paths of the project, of the wheelhouse, of TMPDIR and of the home directory may have any characters.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from everywheel.errors import MachineError

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        '"': "CMake does not quote it in the files that it writes",
        "'": "Meson's machine files have no notation for it",
        "\\": "Meson, CMake and compilers begin an escape sequence with it",
        "`": "the shell runs it as a command in the scripts that pip writes",
        ",": "compilers split options for the linker at it (-Wl,…)",
        ":": "it separates the directories in PATH and PKG_CONFIG_LIBDIR",
        ";": "it separates the items of a list in CMake",
        "|": "ninja reads it as a separator of dependencies",
        "%": "zig's linker cannot write files there",
        "=": "compilers split -ffile-prefix-map at it",
        "$": "CMake replaces variables, and does not escape it for ninja",
        "*": "file(GLOB) of CMake reads a pattern",
        "?": "file(GLOB) of CMake reads a pattern",
        "[": "file(GLOB) of CMake reads a pattern",
        "]": "it ends a list in CMake",
        "#": "make begins a comment with it",
    }
)
"""Characters that the path of a store must not have, each with the tool that cannot handle it."""
MAX_BYTES = 1000
"""The longest path of a store: its files have at most 3,000 bytes more, and systems accept 4,095."""
PARTS = ("tools", "zig", "work", "tmp")
"""The directories of a store that contain programs."""


def check_store_location(root: Path) -> None:
    """Raise MachineError for a store whose path build tools cannot handle, or from which programs cannot be started.

    Directories of the store that are symbolic links are checked where they are.
    """
    if sys.platform == "win32":
        return
    for path in dict.fromkeys(_list_paths(root)):
        defect = find_path_defect(os.fspath(path))
        if defect is not None:
            raise MachineError(
                "build tools cannot handle the path of the store",
                details={"store": ascii(os.fspath(path))[1:-1], "reason": defect},
                hint=f"set EVERYWHEEL_STORE to a directory with none of {' '.join(REFUSED)} in its path",
            )
        if _is_noexec(path):
            raise MachineError(
                "programs cannot be started in the store: its file system is mounted with the option noexec",
                details={"store": path},
                hint="set EVERYWHEEL_STORE to a directory on another file system, or mount this one with exec",
            )


def find_path_defect(path: str) -> str | None:
    """Return why build tools cannot handle a path, or None if they can."""
    for character in path:
        if "\udc80" <= character <= "\udcff":
            return f"byte 0x{ord(character) - 0xDC00:02x} is not UTF-8, which Meson and CMake require"
        if character < " " or character == "\x7f":
            return f"control character {character!a} (it ends a line or a word in build files)"
        if character in REFUSED:
            return f"character {character} ({REFUSED[character]})"
    if len(os.fsencode(path)) > MAX_BYTES:
        return f"{len(os.fsencode(path))} bytes are too long: at most {MAX_BYTES}"
    return None


def _list_paths(root: Path) -> Iterator[Path]:
    yield root
    # Path.resolve() fails on a link to itself, which is reported later: https://github.com/python/cpython/issues/109187
    yield from (Path(os.path.realpath(root / name)) for name in PARTS)


def _is_noexec(path: Path) -> bool:
    """Return whether the nearest existing directory is on a file system whose programs the system refuses to start."""
    flag = getattr(os, "ST_NOEXEC", 0)
    existing = next((parent for parent in (path, *path.parents) if parent.exists()), None)
    return bool(flag and existing is not None and os.statvfs(existing).f_flag & flag)
