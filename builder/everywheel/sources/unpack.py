"""Unpacking archives into source trees; no member may be written outside of the destination directory."""

from __future__ import annotations

import gzip
import posixpath
import secrets
import shutil
import sys
import zlib
from pathlib import Path, PurePosixPath

from everywheel.archives.lzma_compat import LZMAError
from everywheel.errors import SourceError
from everywheel.execution.cancellation import until_canceled
from everywheel.execution.files import translate_os_errors
from everywheel.sources.request import COMPARE_PIN, PinnedFile, Unavailable

if sys.version_info >= (3, 12):
    import tarfile
else:  # Debian 12's 3.11.2 has no extraction filters (PEP 706)
    from backports import tarfile

_ARCHIVE_ERRORS = (tarfile.TarError, EOFError, zlib.error, LZMAError, gzip.BadGzipFile)
_LARGEST_MEMBER = 64 << 20  # bytes; a patch is far smaller


class _Refused(Exception):
    """An archive has a member that must not be unpacked."""


class _ExtractionFilter:
    """An extraction filter that is stricter than `data` (PEP 706) and runs before it.

    `data` has had vulnerabilities with links that lead through other links
    (https://github.com/python/cpython/issues/135034). Here no member may be below a link or
    replace one, and a link's target may have `..` only at its start, so its text shows where it leads.
    """

    def __init__(self) -> None:
        self.links: dict[PurePosixPath, str] = {}

    def __call__(self, member: tarfile.TarInfo, directory: str, /) -> tarfile.TarInfo | None:
        path = self._check_path(member.name, "path")
        if member.issym() or member.islnk():
            self._check_link(path, member)
        elif not (member.isfile() or member.isdir()):
            raise _Refused(f"'{member.name}' is neither a file, a directory nor a link")
        return tarfile.data_filter(member, directory)

    def _check_path(self, name: str, kind: str) -> PurePosixPath:
        path = PurePosixPath(name)
        if path.is_absolute():
            raise _Refused(f"absolute {kind} '{name}'")
        if ".." in path.parts:
            raise _Refused(f"{kind} '{name}' leads out of the directory")
        for part in (path, *path.parents):
            if part in self.links:
                raise _Refused(f"{kind} '{name}' goes through the link '{part}'")
        return path

    def _check_link(self, path: PurePosixPath, member: tarfile.TarInfo) -> None:
        if member.islnk():
            self._check_path(member.linkname, "link to")
            return
        target = PurePosixPath(member.linkname)
        if target.is_absolute():
            raise _Refused(f"link '{member.name}' has the absolute target '{member.linkname}'")
        parent_parts = [index for index, part in enumerate(target.parts) if part == ".."]
        resolved_target = posixpath.normpath(path.parent / target)
        if resolved_target.split("/")[0] == ".." or parent_parts != list(range(len(parent_parts))):
            raise _Refused(f"link '{member.name}' leads out of the directory: '{member.linkname}'")
        self.links[path] = resolved_target


def unpack_archive(file: PinnedFile, archive: Path, directory: Path) -> None:
    """Unpack a tar archive of any compression into a new directory, without its single top-level directory.

    Raises SourceError for an archive that is truncated, empty, or leads out of the directory, which then does not exist.
    """
    scratch = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
    guard = _ExtractionFilter()
    try:
        with translate_os_errors(directory):
            scratch.mkdir(parents=True)
            try:
                with tarfile.open(archive) as tar:
                    tar.extractall(scratch, until_canceled(tar), filter=guard)
            except (_Refused, tarfile.FilterError) as reason:
                raise _report_hostile(file, str(reason)) from None
            except _ARCHIVE_ERRORS as reason:
                raise _report_broken(file, archive, reason) from None
            except OSError as error:
                if error.errno is not None:
                    raise
                raise _report_broken(file, archive, error) from None  # bz2 raises a plain OSError for bad data
            _move_top(file, scratch, directory, guard)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _move_top(file: PinnedFile, scratch: Path, directory: Path, guard: _ExtractionFilter) -> None:
    entries = list(scratch.iterdir())
    if not entries:
        raise SourceError(f"{file.title} is an empty archive", hint=COMPARE_PIN)
    if len(entries) > 1 or entries[0].is_symlink() or not entries[0].is_dir():
        scratch.replace(directory)
        return
    for path, resolved_target in guard.links.items():
        if resolved_target.split("/")[0] != entries[0].name:
            raise _report_hostile(file, f"link '{path}' leads out of the directory: '{resolved_target}'")
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
    begin = start[:24].decode("ascii", errors="backslashreplace").replace("\n", " ")
    return SourceError(f"{file.title} is not a tar archive", details={"begins with": begin}, hint=COMPARE_PIN)


def read_member(archive: Path, name: str) -> bytes | None:
    """Return the content of one regular file in a tar archive, or None when there is no such member.

    Raises Unavailable for an archive that cannot be read.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if posixpath.normpath(member.name) == name and member.isreg() and member.size <= _LARGEST_MEMBER:
                    file = tar.extractfile(member)
                    return None if file is None else file.read()
    except (*_ARCHIVE_ERRORS, OSError) as error:
        raise Unavailable(f"cannot be read: {str(error).lower()}") from None
    return None
