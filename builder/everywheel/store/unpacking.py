"""Unpacking artifacts, several of which make up one prefix."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.archives.tar_unpacking import unpack_tar
from everywheel.execution.files import is_directory


def unpack_over(archive: Path, directory: Path) -> None:
    """Unpack a tar archive into a directory that may contain files; those of the archive replace others.

    Raises ArchiveError for an archive that is damaged or not safe to unpack, and OSError.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if not any(directory.iterdir()):
        unpack_tar(archive, directory)
        return
    with TemporaryDirectory(dir=directory.parent, prefix=".unpacking-") as folder:
        unpack_tar(archive, Path(folder))
        _move_into(Path(folder), directory)


def _move_into(tree: Path, directory: Path) -> None:
    for folder, folders, files in os.walk(tree):
        target = directory / Path(folder).relative_to(tree)
        target.mkdir(exist_ok=True)
        for path in (Path(folder) / name for name in (*folders, *files)):
            if not is_directory(path):
                path.replace(target / path.name)
