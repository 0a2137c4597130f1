"""Patches in a distribution's packaging: read from an archive whose hash was checked, in the order of its series."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath

from everywheel.archives.refusal import ArchiveError
from everywheel.archives.tar_reader import TarKind, TarLimits, open_tar
from everywheel.sources.cache import hash_bytes
from everywheel.sources.request import PinnedFile, WrongPin

_LARGEST_PATCH = 64 << 20  # bytes
_LIMITS = TarLimits(members=20_000, always=128 << 20)
_MAGIC = {".xz": b"\xfd7zXZ\x00", ".gz": b"\x1f\x8b", ".tgz": b"\x1f\x8b", ".bz2": b"BZh", ".tar": b""}
_FORMATS = {b"\xfd7zXZ\x00": "xz", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"PK\x03\x04": "zip"}


def read_patches(archive: PinnedFile, path: Path, patches: Sequence[PinnedFile]) -> Mapping[str, bytes | WrongPin]:
    """Return the content of each patch by its sha256, or the reason why the archive does not have it.

    Nothing is unpacked: members are read one by one, and their names are only compared. Raises WrongPin for a file that is
    not an archive of the kind that its name states, and for patches whose order is not that of the archive's `series`.
    """
    _check_format(archive, path)
    folders = {PurePosixPath(patch.member).parent.as_posix() for patch in patches}
    series = {f"{folder}/series" for name in folders for folder in (name, posixpath.dirname(name))}
    contents = _read_members(archive, path, {patch.member for patch in patches} | series)
    for name in sorted(series & contents.keys()):
        _check_order(archive, name, contents[name].decode(errors="replace"), patches)
    return {patch.sha256: _choose(archive, patch, contents) for patch in patches}


def _check_format(archive: PinnedFile, path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(6)
    suffix = PurePosixPath(archive.filename).suffix
    if not start.startswith(_MAGIC.get(suffix, b"")):
        actual = next((name for magic, name in _FORMATS.items() if start.startswith(magic)), None)
        begin = (
            f"is compressed with {actual}" if actual else f"begins with {start.decode('ascii', 'backslashreplace')!r}"
        )
        raise WrongPin(f"is not what its name states: {archive.filename} {begin}")


def _read_members(archive: PinnedFile, path: Path, names: set[str]) -> dict[str, bytes]:
    """Return the contents of the regular files with these names; the first of several with the same name."""
    contents: dict[str, bytes] = {}
    try:
        with open_tar(path, _LIMITS) as members:
            for member in members:
                name = posixpath.normpath(member.name)
                if name in names and member.kind is TarKind.FILE:
                    contents.setdefault(name, members.read(_LARGEST_PATCH))
    except ArchiveError as reason:
        raise WrongPin(f"{archive.filename} cannot be read: {str(reason).lower()}") from None
    return contents


def _check_order(archive: PinnedFile, name: str, series: str, patches: Sequence[PinnedFile]) -> None:
    """Raise WrongPin for patches in another order than that of the series, which quilt applies; it may have others as well."""
    folder = posixpath.dirname(name)
    rows = [line.split("#")[0].split() for line in series.splitlines()]
    order = {f"{folder}/{row[0]}": number for number, row in enumerate(rows) if row}
    listed = [patch.member for patch in patches if patch.member in order]
    for before, after in pairwise(listed):
        if order[before] > order[after]:
            raise WrongPin(f"its {name} applies {after} before {before}, and the recipe lists them in the other order")


def _choose(archive: PinnedFile, patch: PinnedFile, contents: Mapping[str, bytes]) -> bytes | WrongPin:
    content = contents.get(patch.member)
    if content is None:
        return WrongPin(f"{patch.member} is not in {archive.filename}")
    actual = hash_bytes(content)
    if actual != patch.sha256:
        return WrongPin(f"{patch.member} in {archive.filename} has sha256 {actual}")
    if patch.size not in (0, len(content)):
        return WrongPin(f"{patch.member} in {archive.filename} has {len(content)} bytes, but {patch.size} are pinned")
    return content
