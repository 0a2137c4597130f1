"""Unpacking artifacts, several of which make up one prefix."""

from __future__ import annotations

import filecmp
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.archives.tar_unpacking import unpack_tar
from everywheel.execution.files import is_directory


class FileConflict(Exception):
    """An archive has a file that the directory already contains with other content; `name` is its path in the directory."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def unpack_over(archive: Path, directory: Path, *, replace: bool = True) -> None:
    """Unpack a tar archive into a directory that may contain files.

    Files of the archive replace others, unless `replace` is false. Raises FileConflict for a file with other content then,
    ArchiveError for an archive that is damaged or not safe to unpack, and OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if not any(directory.iterdir()):
        unpack_tar(archive, directory)
        return
    with TemporaryDirectory(dir=directory.parent, prefix=".unpacking-") as folder:
        unpack_tar(archive, Path(folder))
        _move_into(Path(folder), directory, replace=replace)


def _move_into(tree: Path, directory: Path, *, replace: bool) -> None:
    for folder, folders, files in os.walk(tree):
        target = directory / Path(folder).relative_to(tree)
        target.mkdir(exist_ok=True)
        for path in (Path(folder) / name for name in (*folders, *files)):
            if not is_directory(path):
                if not replace and _differs(path, target / path.name):
                    raise FileConflict(path.relative_to(tree).as_posix())
                path.replace(target / path.name)


def _differs(path: Path, other: Path) -> bool:
    if not os.path.lexists(other):
        return False
    if path.is_symlink() or other.is_symlink():
        return not (path.is_symlink() and other.is_symlink() and path.readlink() == other.readlink())
    return not filecmp.cmp(path, other, shallow=False)
