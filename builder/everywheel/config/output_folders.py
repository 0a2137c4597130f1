"""Folders in an extension that tools have written: recognized by what they contain, never by their names only.

At any depth these are folders of version control, bytecode, virtual environments, caches (https://bford.info/cachedir/), and
folders whose own `.gitignore` excludes all of their files, which Meson, virtualenv, pytest and others write. At the top level
these are also build directories of setuptools, Meson and CMake, folders of finished wheels, and `node_modules` of npm, yarn
or pnpm. All other files are sources: a package may be named `build` or `dist`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr"})
_BYTECODE = "__pycache__"
_MARKERS = ("pyvenv.cfg", "CACHEDIR.TAG")
_BUILD_MARKERS = ("CMakeCache.txt", "meson-private")
_NODE_MARKERS = (".package-lock.json", ".yarn-integrity", ".modules.yaml")
_SETUPTOOLS = re.compile(r"(lib|temp|bdist|scripts)([.-].+)?")
_RELEASE_FOLDERS = ("dist", "wheelhouse")


def is_output(path: Path, root: Path) -> bool:
    """Return whether a file or folder below the folder `root` of an extension is not a source: see above."""
    name = path.name
    if name in _VERSION_CONTROL:
        return True  # a file `.git` is that of a worktree or a submodule
    if not path.is_dir():
        return False
    if name == _BYTECODE or _has_any(path, _MARKERS) or _is_ignored(path):
        return True
    # An sdist of setuptools has it, and the list of files in it is read; anywhere else it is a result of an earlier build.
    if name.endswith(".egg-info") and _has_any(path, ["PKG-INFO"]) and not _has_any(root, ["PKG-INFO"]):
        return True
    return path.parent == root and (_is_build_folder(path) or _is_release_folder(path) or _has_packages_of_node(path))


def _has_any(folder: Path, names: Iterable[str]) -> bool:
    return any(os.path.exists(folder / name) for name in names)  # noqa: PTH110 (False for a folder that cannot be read)


def _list_names(folder: Path) -> list[str]:
    """Return the names in a folder; nothing for one that cannot be read, which `list_files` reports."""
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _is_ignored(folder: Path) -> bool:
    """Return whether a folder's own `.gitignore` excludes everything in it, itself included."""
    try:
        lines = (folder / ".gitignore").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return False
    return [line for line in map(str.strip, lines) if line and not line.startswith("#")] == ["*"]


def _is_build_folder(folder: Path) -> bool:
    names = _list_names(folder)
    # meson-python and scikit-build-core have one directory for each Python in it.
    if _has_any(folder, _BUILD_MARKERS) or (names and all(_has_any(folder / name, _BUILD_MARKERS) for name in names)):
        return True
    matches = [_SETUPTOOLS.fullmatch(name) for name in names]
    return all(matches) and any(match[2] for match in matches if match)


def _is_release_folder(folder: Path) -> bool:
    names = list(_list_release(folder, 2))
    is_release = all(name.endswith((".whl", ".tar.gz", ".tmp")) or name.startswith(".") for name in names)
    return is_release and any(
        name.endswith(".whl") or (folder.name in _RELEASE_FOLDERS and name.endswith(".tar.gz")) for name in names
    )


def _list_release(folder: Path, depth: int) -> Iterator[str]:
    for name in _list_names(folder):
        if depth and (folder / name).is_dir():
            yield from _list_release(folder / name, depth - 1)
        else:
            yield name


def _has_packages_of_node(folder: Path) -> bool:
    return folder.name == "node_modules" and _has_any(folder, _NODE_MARKERS)
