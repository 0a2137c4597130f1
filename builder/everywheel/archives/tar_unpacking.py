"""Unpacking a tar archive into a directory; no member is written outside of it, and all have the same time."""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from everywheel.archives.refusal import UnsafeArchive, find_name_fault
from everywheel.archives.tar_reader import TarArchive, TarKind, TarLimits, TarMember, open_tar

# 2020-01-01, unless the clock of the build machine is before that. Build systems stop when a file is from the future, and
# compare the times of files with each other: to make, files of one time are up to date, so that files which an archive has
# in generated form (`configure`) are not generated again.
UNPACKED_TIME = 1577836800


def unpack_tar(
    archive: Path, directory: Path, limits: TarLimits | None = None, *, keep_times: bool = False
) -> Mapping[str, str]:
    """Unpack an archive into a directory, and return the links with their resolved targets, as paths relative to it.

    Files have the mode 0644 or 0755. No member may be below a link, replace another one, or be a device; links may lead only
    to places inside of the directory, and their targets have `..` only at the start, so that their text shows where they lead.
    `keep_times` keeps the times of files that are not in the future, which the bytecode of Python modules contains.
    Raises ArchiveError for any other archive, of which some members may be unpacked, and OSError.
    """
    unpacking = _Unpacking(directory, keep_times=keep_times)
    with open_tar(archive, limits) as members:
        for member in members:
            unpacking.add(members, member)
    unpacking.set_times()
    return unpacking.links


class _Unpacking:
    """The state of unpacking: the links, and the regular files, to which hard links may lead."""

    def __init__(self, directory: Path, *, keep_times: bool) -> None:
        self._directory = directory
        self._files: set[str] = set()
        self.links: dict[str, str] = {}
        self._now = int(time.time())
        self._time = min(UNPACKED_TIME, self._now)
        self._keep_times = keep_times

    def add(self, archive: TarArchive, member: TarMember) -> None:
        name = self._check_path(member.name, "path")
        path = self._directory / name
        try:
            if member.kind is TarKind.DIRECTORY:
                path.mkdir(parents=True, exist_ok=True)
                return
            if member.kind is TarKind.SPECIAL:
                raise UnsafeArchive(f"'{member.name}' is neither a file, a directory nor a link")
            if not name:
                raise UnsafeArchive(f"path '{member.name}' is that of the directory")
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.kind is TarKind.FILE:
                with path.open("xb") as file:
                    archive.copy(file)
                path.chmod(0o755 if member.is_executable else 0o644)
                self._files.add(name)
            elif member.kind is TarKind.LINK:
                self.links[name] = self._check_link(name, member)
                path.symlink_to(member.target)
            else:
                target = self._check_path(member.target, "link to")
                if target not in self._files:
                    raise UnsafeArchive(f"hard link '{member.name}' leads to '{member.target}', which is not a file")
                os.link(self._directory / target, path)
        except (FileExistsError, NotADirectoryError):
            raise UnsafeArchive(f"path '{member.name}' is that of another member, or below a file") from None
        modified = min(max(member.modified, 0), self._now) if self._keep_times else self._time
        os.utime(path, (modified, modified), follow_symlinks=False)

    def set_times(self) -> None:
        """Set the times of the directories, which changed with each file in them."""
        for root, _, _ in os.walk(self._directory):
            os.utime(root, (self._time, self._time))

    def _check_path(self, name: str, kind: str) -> str:
        """Return a path without `.` and empty parts."""
        clean = "/" * name.startswith("/") + "/".join(part for part in name.split("/") if part not in ("", "."))
        if clean and (fault := find_name_fault(clean)):
            raise UnsafeArchive(f"{kind} '{name}' {fault}")
        for part in (clean, *_list_parents(clean)):
            if part in self.links:
                raise UnsafeArchive(f"{kind} '{name}' goes through the link '{part}'")
        return clean

    def _check_link(self, name: str, member: TarMember) -> str:
        """Return the path that a symbolic link leads to."""
        if member.target.startswith("/"):
            raise UnsafeArchive(f"link '{member.name}' has the absolute target '{member.target}'")
        climbs = [index for index, part in enumerate(member.target.split("/")) if part == ".."]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.target))
        if target.split("/")[0] == ".." or climbs != list(range(len(climbs))):
            raise UnsafeArchive(f"link '{member.name}' leads out of the directory: '{member.target}'")
        if target != "." and (fault := find_name_fault(target)):
            raise UnsafeArchive(f"the target of link '{member.name}' {fault}")
        return target


def _list_parents(name: str) -> Iterator[str]:
    while name := posixpath.dirname(name):
        yield name
