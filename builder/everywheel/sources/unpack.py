"""Unpacking: an archive becomes a source tree; nothing may leave the folder it is unpacked into."""

from __future__ import annotations

import gzip
import posixpath
import secrets
import shutil
import sys
import zlib
from pathlib import Path, PurePosixPath

from everywheel.errors import SourceError
from everywheel.execution.files import translate_os_errors
from everywheel.sources.lzma_compat import LZMAError
from everywheel.sources.request import COMPARE_PIN, PinnedFile, Unavailable

if sys.version_info >= (3, 12):
    import tarfile
else:  # Debian 12's 3.11.2 has no extraction filters (PEP 706)
    from backports import tarfile

_BROKEN = (tarfile.TarError, EOFError, zlib.error, LZMAError, gzip.BadGzipFile)
_LARGEST_MEMBER = 64 << 20  # bytes; a patch is far smaller


class _Refused(Exception):
    """An archive holds something that must not be unpacked."""


class _Guard:
    """An extraction filter that is stricter than `data` and has the last word before it.

    `data` alone has had holes by way of links that lead through other links. Here no member may lie below a link, take
    a link's place, or link with a `..` after a name; then where a link leads can be seen from its text alone.
    """

    def __init__(self) -> None:
        self.links: dict[PurePosixPath, str] = {}

    def __call__(self, member: tarfile.TarInfo, folder: str, /) -> tarfile.TarInfo | None:
        path = self._check_path(member.name, "path")
        if member.issym() or member.islnk():
            self._check_link(path, member)
        elif not (member.isfile() or member.isdir()):
            raise _Refused(f"'{member.name}' is neither a file, a folder nor a link")
        return tarfile.data_filter(member, folder)

    def _check_path(self, name: str, kind: str) -> PurePosixPath:
        path = PurePosixPath(name)
        if path.is_absolute():
            raise _Refused(f"absolute {kind} '{name}'")
        if ".." in path.parts:
            raise _Refused(f"{kind} '{name}' leaves the folder")
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
        climbs = [index for index, part in enumerate(target.parts) if part == ".."]
        end = posixpath.normpath(path.parent / target)
        if end.split("/")[0] == ".." or climbs != list(range(len(climbs))):
            raise _Refused(f"link '{member.name}' leaves the folder: '{member.linkname}'")
        self.links[path] = end


def unpack_archive(wanted: PinnedFile, archive: Path, into: Path) -> None:
    """Unpack a tar archive of any compression into a folder that does not exist yet, without its single top folder.

    Raises SourceError for an archive that is truncated, empty, or reaches out of the folder; then there is no folder.
    """
    scratch = into.with_name(f".{into.name}.{secrets.token_hex(4)}")
    guard = _Guard()
    try:
        with translate_os_errors(into):
            scratch.mkdir(parents=True)
            try:
                with tarfile.open(archive) as tar:
                    tar.extractall(scratch, filter=guard)
            except (_Refused, tarfile.FilterError) as reason:
                raise _report_hostile(wanted, str(reason)) from None
            except _BROKEN as reason:
                raise _report_broken(wanted, archive, reason) from None
            except OSError as error:
                if error.errno is not None:
                    raise
                raise _report_broken(wanted, archive, error) from None  # bz2 says so with a bare OSError
            _settle(wanted, scratch, into, guard)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _settle(wanted: PinnedFile, scratch: Path, into: Path, guard: _Guard) -> None:
    tops = list(scratch.iterdir())
    if not tops:
        raise SourceError(f"{wanted.title} is an empty archive", hint=COMPARE_PIN)
    if len(tops) > 1 or tops[0].is_symlink() or not tops[0].is_dir():
        scratch.replace(into)
        return
    for path, end in guard.links.items():
        if end.split("/")[0] != tops[0].name:
            raise _report_hostile(wanted, f"link '{path}' leaves the folder: '{end}'")
    tops[0].replace(into)


def _report_hostile(wanted: PinnedFile, reason: str) -> SourceError:
    return SourceError(f"{wanted.title} must not be unpacked", details={"reason": reason}, hint=COMPARE_PIN)


def _report_broken(wanted: PinnedFile, archive: Path, reason: BaseException) -> SourceError:
    """Tell an archive that was cut off from a file that never was one, by how it begins."""
    with archive.open("rb") as file:
        start = file.read(512)
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")) or start[257:262] == b"ustar":
        details = {"reason": str(reason).lower().splitlines()[0]}
        return SourceError(f"{wanted.title} is truncated or damaged", details=details, hint=COMPARE_PIN)
    begin = start[:24].decode("ascii", errors="backslashreplace").replace("\n", " ")
    return SourceError(f"{wanted.title} is not a tar archive", details={"begins with": begin}, hint=COMPARE_PIN)


def read_member(archive: Path, name: str) -> bytes | None:
    """Return the content of one regular file in a tar archive, None where there is none of that name.

    Raises Unavailable for an archive that cannot be read.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if posixpath.normpath(member.name) == name and member.isreg() and member.size <= _LARGEST_MEMBER:
                    file = tar.extractfile(member)
                    return None if file is None else file.read()
    except (*_BROKEN, OSError) as error:
        raise Unavailable(f"cannot be read: {str(error).lower()}") from None
    return None
