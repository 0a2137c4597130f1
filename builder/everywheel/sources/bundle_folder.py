"""A folder as a bundle: its files, in the order of an archive; files that SHA256SUMS does not list are not read."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from everywheel.archives.tar_reader import TarKind, TarMember
from everywheel.sources.bundle_index import INDEX, LARGEST_INDEX, SIGNATURE, SUMS, InvalidIndex, read_sums


class BundleFolder:
    """Yields a member for each file, as `TarArchive` does for the members of an archive; links are not followed.

    Raises InvalidIndex for a file that cannot be read.
    """

    is_compressed = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._current = folder

    def __iter__(self) -> Iterator[TarMember]:
        first = self._find(SUMS)
        if first is None:
            raise InvalidIndex(f"the folder has no file {SUMS}")
        if first.kind is not TarKind.FILE:  # not to be opened: a named pipe would wait for a writer
            raise InvalidIndex(f"{SUMS} is not a regular file")
        sums = read_sums(self.read(LARGEST_INDEX))
        yield first
        for name in (SIGNATURE, INDEX, *(name for name in sums if name != INDEX)):
            member = self._find(name)
            if member is not None:
                yield member

    def read(self, limit: int) -> bytes:
        """Return the content of the current member; raise InvalidIndex when it has over `limit` bytes."""
        with _open(self._current) as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise InvalidIndex(f"{self._current} has over {limit} bytes")
        return content

    def copy(self, file: BinaryIO) -> None:
        """Write the content of the current member to a file."""
        with _open(self._current) as content:
            shutil.copyfileobj(content, file)

    def _find(self, name: str) -> TarMember | None:
        """Make the file of this name the current member and return it, if it exists."""
        self._current = self._folder / name
        try:
            status = self._current.lstat()
        except OSError:
            return None
        kind = TarKind.FILE if stat.S_ISREG(status.st_mode) else TarKind.SPECIAL
        return TarMember(name=name, kind=kind, size=status.st_size, is_executable=False, target="")


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidIndex(f"{path} cannot be read: {os.strerror(error.errno or 0).lower()}") from None
