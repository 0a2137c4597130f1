"""Unpacking archives into source trees; no member may be written outside of the destination directory."""

from __future__ import annotations

import posixpath
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from everywheel.archives.refusal import ArchiveError, BrokenArchive, UnsafeArchive
from everywheel.archives.tar_reader import TarKind, open_tar
from everywheel.archives.tar_unpacking import unpack_tar
from everywheel.errors import SourceError
from everywheel.execution.files import translate_os_errors
from everywheel.sources.request import COMPARE_PIN, PinnedFile, Unavailable

# The first bytes of archives that are not unpacked.
_UNSUPPORTED = {
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf": "an archive of 7-Zip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"LZIP": "compressed with lzip",
}
_TAR_HINT = (
    "name a tar archive of upstream's in `urls`, compressed with gzip, bzip2 or xz, or Debian's file in `debian`"
)
_LARGEST_MEMBER = 64 << 20  # bytes; a patch is far smaller


def unpack_archive(file: PinnedFile, archive: Path, directory: Path) -> None:
    """Unpack a tar archive into a new directory, without its single top-level directory.

    It is not compressed, or with gzip, bzip2 or xz. Raises SourceError for an archive that is truncated, empty, or leads
    out of the directory, which then does not exist.
    """
    scratch = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
    try:
        with translate_os_errors(directory):
            scratch.mkdir(parents=True)
            try:
                links = unpack_tar(archive, scratch)
            except UnsafeArchive as reason:
                raise _report_hostile(file, str(reason)) from None
            except BrokenArchive as reason:
                raise _report_broken(file, archive, reason) from None
            _move_top(file, scratch, directory, links)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _move_top(file: PinnedFile, scratch: Path, directory: Path, links: Mapping[str, str]) -> None:
    entries = list(scratch.iterdir())
    if not entries:
        raise SourceError(f"{file.title} is an empty archive", hint=COMPARE_PIN)
    if len(entries) > 1 or entries[0].is_symlink() or not entries[0].is_dir():
        scratch.replace(directory)
        return
    for path, target in links.items():
        if target.split("/")[0] != entries[0].name:
            raise _report_hostile(file, f"link '{path}' leads out of the directory: '{target}'")
    entries[0].replace(directory)


def _report_hostile(file: PinnedFile, reason: str) -> SourceError:
    return SourceError(f"{file.title} is not safe to unpack", details={"reason": reason}, hint=COMPARE_PIN)


def _report_broken(file: PinnedFile, archive: Path, reason: BaseException) -> SourceError:
    """Distinguish a damaged archive from a file that is not an archive, by its first bytes."""
    with archive.open("rb") as content:
        start = content.read(512)
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")) or start[257:262] == b"ustar":
        details = {"reason": str(reason).lower().splitlines()[0]}
        return SourceError(f"{file.title} is truncated or damaged", details=details, hint=COMPARE_PIN)
    if not start:
        return SourceError(f"{file.title} is an empty file", hint=COMPARE_PIN)
    if unsupported := next((kind for magic, kind in _UNSUPPORTED.items() if start.startswith(magic)), ""):
        return SourceError(f"{file.title} is {unsupported}, which is not supported", hint=_TAR_HINT)
    begin = start[:24].decode("ascii", errors="backslashreplace").replace("\n", " ")
    return SourceError(f"{file.title} is not a tar archive", details={"begins with": begin}, hint=COMPARE_PIN)


def read_member(archive: Path, name: str) -> bytes | None:
    """Return the content of one regular file in a tar archive, or None when there is no such member.

    Raises Unavailable for an archive that cannot be read.
    """
    try:
        with open_tar(archive) as members:
            for member in members:
                if posixpath.normpath(member.name) == name and member.kind is TarKind.FILE:
                    return members.read(_LARGEST_MEMBER)
    except (ArchiveError, OSError) as error:
        raise Unavailable(f"cannot be read: {str(error).lower()}") from None
    return None
