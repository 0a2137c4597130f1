"""Bundles: every source and patch in one archive, for a machine with neither package client nor network.

A bundle is a plain tar: `index.json`, which names each file, then `sources/<sha256>`, sorted. The same sources give the
same bytes. It is not compressed, since what it holds is.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.disk import explain_disk
from builder.errors import SourceError
from builder.sources.landing import find_source, open_scratch, take_source
from builder.sources.wanted import Wanted, WrongBytes

_INDEX = "index.json"
_FORMAT = 1
_LARGEST_INDEX = 4 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledFile:
    """One file of a bundle; `size` in bytes."""

    label: str
    filename: str
    sha256: str
    size: int


def bundle_sources(wanted: Sequence[Wanted], bundle: Path, *, store: Path) -> tuple[BundledFile, ...]:
    """Pack the store's copies of all wanted files into a new archive, which appears only when it is whole.

    Raises SourceError that names everything that is not in the store.
    """
    unique = {one.sha256: one for one in wanted}
    paths = {sha256: find_source(store, sha256) for sha256 in sorted(unique)}
    missing = [unique[sha256] for sha256, path in paths.items() if path is None]
    if missing:
        raise SourceError(
            f"{len(missing)} of {len(unique)} sources are not in the store, so they cannot be bundled",
            excerpt=[f"{one.title}  sha256 {one.sha256}" for one in missing],
            hint="`everywheel sources fetch` fetches them",
        )
    found = {sha256: path for sha256, path in paths.items() if path is not None}
    files = tuple(
        BundledFile(
            label=unique[sha256].label, filename=unique[sha256].filename, sha256=sha256, size=path.stat().st_size
        )
        for sha256, path in found.items()
    )
    scratch = bundle.with_name(f".{bundle.name}.{secrets.token_hex(4)}")
    try:
        with explain_disk(bundle):
            bundle.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as file:
                _write_bundle(file, files, found)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(bundle)
    finally:
        scratch.unlink(missing_ok=True)
    return files


def _write_bundle(file: Any, files: Sequence[BundledFile], paths: Mapping[str, Path]) -> None:
    index = {
        "format": _FORMAT,
        "files": [
            {"filename": one.filename, "label": one.label, "sha256": one.sha256, "size": one.size} for one in files
        ],
    }
    text = (json.dumps(index, indent=1, sort_keys=True) + "\n").encode()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(_describe(_INDEX, len(text)), io.BytesIO(text))
        for one in files:
            with paths[one.sha256].open("rb") as content:
                tar.addfile(_describe(f"sources/{one.sha256}", one.size), content)


def _describe(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)  # owner 0, mode 0644, time 0
    member.size = size
    return member


def import_bundle(bundle: Path, *, store: Path) -> tuple[BundledFile, ...]:
    """Take every file of a bundle into the store and return what it held.

    The bundle's shape is checked before anything is stored: nothing but the index and the plain files it names. Then
    each file is hashed; those that are right are kept, and a SourceError names all that are not.
    """
    try:
        with tarfile.open(bundle, mode="r:") as tar:
            members = _check_shape(bundle, tar)
            wrong: list[str] = []
            for one, member in members:
                content = tar.extractfile(member)
                assert content is not None  # it is a regular file
                with open_scratch(store) as scratch:
                    file = scratch / "file"
                    with explain_disk(file), file.open("wb") as copy:
                        shutil.copyfileobj(content, copy)
                    try:
                        take_source(store, file, one.sha256)
                    except WrongBytes as reason:
                        wrong.append(f"{one.label}: {one.filename}: {reason}")
    except FileNotFoundError:
        raise SourceError(f"{bundle}: no such bundle", hint=_MAKE) from None
    except IsADirectoryError:
        raise _refuse(bundle, "it is a folder") from None
    except (tarfile.TarError, EOFError) as error:
        raise _refuse(bundle, f"not a whole tar archive ({str(error).lower()})") from None
    if wrong:
        raise SourceError(
            f"{bundle}: {len(wrong)} of {len(members)} files are not what the bundle says, and were thrown away",
            excerpt=wrong,
            hint=f"the other files are in the store; {_MAKE}",
        )
    return tuple(one for one, _ in members)


_MAKE = "make it anew with `everywheel sources bundle` on a machine that has the sources"


def _refuse(bundle: Path, reason: str) -> SourceError:
    return SourceError(f"{bundle} is not a bundle of sources", details={"reason": reason}, hint=_MAKE)


def _check_shape(bundle: Path, tar: tarfile.TarFile) -> list[tuple[BundledFile, tarfile.TarInfo]]:
    """Return the index's files with their members, after checking that there is nothing else."""
    first = tar.next()
    if first is None or first.name != _INDEX or not _is_plain(first) or first.size > _LARGEST_INDEX:
        raise _refuse(bundle, f"it does not begin with {_INDEX}")
    content = tar.extractfile(first)
    files = _read_index(bundle, content.read() if content is not None else b"")
    expected = {f"sources/{one.sha256}": one for one in files}
    found: dict[str, tuple[BundledFile, tarfile.TarInfo]] = {}
    end = bundle.stat().st_size
    while (member := tar.next()) is not None:
        one = expected.get(member.name)
        if one is None:
            raise _refuse(bundle, f"'{member.name}' is not in its index")
        if not _is_plain(member):
            raise _refuse(bundle, f"'{member.name}' is not a plain file")
        if member.name in found:
            raise _refuse(bundle, f"'{member.name}' stands in it twice")
        if member.size != one.size:
            raise _refuse(bundle, f"'{member.name}' has {member.size} bytes, {one.size} in its index")
        if member.offset_data + member.size > end:
            raise _refuse(bundle, "it is truncated")
        found[member.name] = (one, member)
    for name in expected:
        if name not in found:
            raise _refuse(bundle, f"'{name}' is in its index and nowhere else")
    return list(found.values())


def _is_plain(member: tarfile.TarInfo) -> bool:
    return member.isreg() and not member.issparse()


def _read_index(bundle: Path, text: bytes) -> list[BundledFile]:
    try:
        index = json.loads(text)
        if index["format"] != _FORMAT:
            raise _refuse(bundle, f"format {index['format']!r} in its index, and this version reads format {_FORMAT}")
        files = [
            BundledFile(label=row["label"], filename=row["filename"], sha256=row["sha256"], size=row["size"])
            for row in index["files"]
        ]
        right = all(
            isinstance(one.label, str)
            and isinstance(one.filename, str)
            and isinstance(one.size, int)
            and len(one.sha256) == 64
            and not one.sha256.strip("0123456789abcdef")
            for one in files
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        right, files = False, []
    if not right:
        raise _refuse(bundle, f"{_INDEX} is not an index of sources")
    return files
