"""The directories of a store, and what is in their place when a store is damaged."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from everywheel.errors import MachineError
from everywheel.execution.files import is_directory, translate_os_errors

FOLDERS = (
    "sources",
    "artifacts",
    "wheels",
    "tools",
    "zig",
    "work",
    "logs",
    "resolutions",
    "locks",
    "leases",
    "smoke",
    "compressed",
    "tmp",
)
LINKABLE = ("sources", "tools", "zig")
"""The directories that may be links, so that several stores share them; `everywheel store gc` keeps what is behind a link."""
CACHE_TAG = "CACHEDIR.TAG"
"""The file that marks a cache for backups, and for builds of a project that contains it (https://bford.info/cachedir/)."""
_CACHE_TAG_TEXT = "Signature: 8a477f597d28d172789f06886806bc55\n# This directory is a store of everywheel.\n"
REMOVE_HINT = "`everywheel store gc --damaged` removes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Something in the store that cannot be used.

    `label` names it, `reason` is why, and `path` is the file, link or directory to remove. `key` is that of an
    artifact or wheel, which consists of several files, and empty for anything else.
    """

    label: str
    reason: str
    path: Path
    key: str = ""


def find_cache_directory() -> Path:
    """Return `everywheel` in the user's cache directory; raise MachineError for a user without a home directory."""
    try:
        folder = platformdirs.user_cache_path("everywheel", appauthor=False)
    except RuntimeError:
        folder = Path("~")
    if folder.is_absolute():
        return folder
    raise MachineError(
        "the store has no directory: HOME is not set, and the user database has no entry for this user",
        hint="set EVERYWHEEL_STORE or HOME to a directory",
    )


def create_folders(root: Path) -> None:
    """Create the directories of a store.

    Raises MachineError when that is impossible, or when one of them is a file, or a link that cannot be used.
    """
    for damage in find_damaged_folders(root):
        raise MachineError(
            "a directory of the store cannot be used",
            details={"path": damage.path, "reason": damage.reason},
            hint=REMOVE_HINT,
        )
    try:
        with translate_os_errors(root):
            for name in FOLDERS:
                (root / name).mkdir(parents=True, exist_ok=True)
            if not (root / CACHE_TAG).exists():
                (root / CACHE_TAG).write_text(_CACHE_TAG_TEXT)
    except OSError as error:
        raise MachineError(
            f"cannot create the store {root}",
            details={"reason": (error.strerror or str(error)).lower(), "path": error.filename},
            hint="set EVERYWHEEL_STORE to a directory",
        ) from error


def check_root(root: Path) -> None:
    """Raise MachineError for a store that is not a directory, or whose parents are not; one that does not exist is empty."""
    try:
        reason = None if stat.S_ISDIR(root.stat().st_mode) else os.strerror(errno.ENOTDIR)
    except FileNotFoundError:
        reason = "a dangling symbolic link" if root.is_symlink() else None
    except OSError as error:
        reason = error.strerror or str(error)
    if reason is not None:
        raise MachineError(
            f"cannot use the store {root}",
            details={"reason": reason.lower()},
            hint="set EVERYWHEEL_STORE to a directory",
        )


def find_damaged_folders(root: Path) -> list[Damage]:
    """Return the files and links that have the names of the store's directories."""
    damaged = []
    for name in FOLDERS:
        path = root / name
        if is_directory(path) or not os.path.lexists(path) or (name in LINKABLE and path.is_dir()):
            continue
        reason = "is a symbolic link" if path.is_symlink() else "is not a directory"
        damaged.append(Damage(label=f"directory '{name}'", reason=reason, path=path))
    return damaged


def list_folder(folder: Path) -> list[Path]:
    """Return what is in a directory of the store, like `list_names`."""
    return [folder / name for name in list_names(folder)]


def list_names(folder: Path) -> list[str]:
    """Return the names in a directory of the store, sorted; nothing for one that is missing or not a directory.

    Raises MachineError for a directory that cannot be read.
    """
    if not folder.is_dir():
        return []
    try:
        with os.scandir(folder) as items:
            return sorted(item.name for item in items)
    except OSError as error:
        raise MachineError(
            f"cannot read {folder}",
            details={"reason": (error.strerror or str(error)).lower()},
            hint="check its owner and mode, or set EVERYWHEEL_STORE to a directory of your own",
        ) from error


def file_size(path: Path) -> int:
    """Return the size of a file or link in bytes; 0 if it does not exist: another command may have removed it."""
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def is_inside(root: Path, path: Path) -> bool:
    """Return whether a path is below the store without a link on the way; the path itself may be a link."""
    if not path.is_relative_to(root) or ".." in path.parts:
        return False
    parents = path.relative_to(root).parents
    return path != root and not any((root / parent).is_symlink() for parent in parents if parent != Path())
