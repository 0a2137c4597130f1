"""Bundles: all sources and patches in one archive, for a machine without a package client or network.

A bundle is a plain tar archive: `index.json`, which lists each file, then `sources/<sha256>`, sorted, then the recipes with
their patches and overlays, `recipes/<name>/…`: together with the sources, everything that the libraries were built from. The
same sources produce the same bytes. It is not compressed, because its files are.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everywheel.archives.refusal import ArchiveError, BrokenArchive
from everywheel.archives.tar_reader import TarArchive, TarKind, open_tar
from everywheel.config.recipe import Recipe, ResolvedRecipe
from everywheel.errors import SourceError
from everywheel.execution.cancellation import until_canceled
from everywheel.execution.files import translate_os_errors
from everywheel.sources.cache import find_source, open_scratch, store_source
from everywheel.sources.request import HashMismatch, PinnedFile

_INDEX = "index.json"
_FORMAT = 1
_MAX_INDEX = 4 << 20  # bytes
_BUNDLE_HINT = "create the bundle again with `everywheel sources bundle` on a machine that has the sources"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledFile:
    """One file of a bundle; `size` in bytes."""

    label: str
    filename: str
    sha256: str
    size: int


def bundle_sources(
    sources: Sequence[PinnedFile], bundle: Path, *, store: Path, recipes: Iterable[Recipe | ResolvedRecipe] = ()
) -> tuple[BundledFile, ...]:
    """Pack the store's copies of sources, and recipes, into a new archive, which appears only when it is complete.

    Raises SourceError that names every file that is not in the store.
    """
    unique = {source.sha256: source for source in sources}
    paths = {sha256: find_source(store, sha256) for sha256 in sorted(unique)}
    missing = [unique[sha256] for sha256, path in paths.items() if path is None]
    if missing:
        raise SourceError(
            f"{len(missing)} of {len(unique)} sources are not in the store, so they cannot be bundled",
            excerpt=[f"{source.title}  sha256 {source.sha256}" for source in missing],
            hint="`everywheel sources fetch` fetches them",
        )
    present = {sha256: path for sha256, path in paths.items() if path is not None}
    files = tuple(
        BundledFile(
            label=unique[sha256].label, filename=unique[sha256].filename, sha256=sha256, size=path.stat().st_size
        )
        for sha256, path in present.items()
    )
    scratch = bundle.with_name(f".{bundle.name}.{secrets.token_hex(4)}")
    try:
        with translate_os_errors(bundle):
            bundle.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as file:
                _write_bundle(file, files, present, _read_recipes(recipes))
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(bundle)
    finally:
        scratch.unlink(missing_ok=True)
    return files


def _read_recipes(recipes: Iterable[Recipe | ResolvedRecipe]) -> Mapping[str, bytes]:
    """Return the contents of the recipes' files by their names in a bundle."""
    return {
        f"recipes/{recipe.name}/{file}": (recipe.directory / file).read_bytes()
        for recipe in sorted(recipes, key=lambda recipe: recipe.name)
        for file in sorted({"recipe.toml", *recipe.files})
    }


def _write_bundle(
    file: Any, files: Sequence[BundledFile], paths: Mapping[str, Path], recipes: Mapping[str, bytes]
) -> None:
    index = {
        "format": _FORMAT,
        "files": [
            {"filename": entry.filename, "label": entry.label, "sha256": entry.sha256, "size": entry.size}
            for entry in files
        ],
        "recipes": {name: len(content) for name, content in recipes.items()},
    }
    text = (json.dumps(index, indent=1, sort_keys=True) + "\n").encode()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(_describe(_INDEX, len(text)), io.BytesIO(text))
        for entry in until_canceled(files):
            with paths[entry.sha256].open("rb") as content:
                tar.addfile(_describe(f"sources/{entry.sha256}", entry.size), content)
        for name, data in recipes.items():
            tar.addfile(_describe(name, len(data)), io.BytesIO(data))


def _describe(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)  # owner 0, mode 0644, time 0
    member.size = size
    return member


def import_bundle(bundle: Path, *, store: Path) -> tuple[BundledFile, ...]:
    """Add every source of a bundle to the store and return them; the recipes are for readers and are not imported.

    First the members are checked: a bundle has only the index and the regular files that the index lists. Then each
    file is hashed; correct files are kept, and a SourceError names all others.
    """
    if bundle.exists() and not (bundle.is_file() or bundle.is_dir()):
        raise _refuse(bundle, "it is a device or a named pipe")
    try:
        with open_tar(bundle) as members:
            entries = _check_members(bundle, members)
        wrong = _store_members(bundle, entries, store)
    except FileNotFoundError:
        raise SourceError(f"{bundle}: no such bundle", hint=_BUNDLE_HINT) from None
    except IsADirectoryError:
        raise _refuse(bundle, "it is a directory") from None
    except ArchiveError as error:
        raise _refuse(bundle, f"truncated or not a tar archive ({str(error).lower()})") from None
    if wrong:
        raise SourceError(
            f"{bundle}: {len(wrong)} of {len(entries)} files do not have the hash in the index and were discarded",
            excerpt=wrong,
            hint=f"the other files are in the store; {_BUNDLE_HINT}",
        )
    return tuple(entries.values())


def _store_members(bundle: Path, entries: Mapping[str, BundledFile], store: Path) -> list[str]:
    """Copy the sources of a bundle into the store, and return a line for each one that does not have its hash."""
    wrong: list[str] = []
    with open_tar(bundle) as members:
        for member in members:
            entry = entries.get(member.name)
            if entry is None:
                continue
            with open_scratch(store) as scratch:
                file = scratch / "file"
                with translate_os_errors(file), file.open("wb") as copy:
                    members.copy(copy)
                try:
                    store_source(store, file, entry.sha256)
                except HashMismatch as reason:
                    wrong.append(f"{entry.label}: {entry.filename}: {reason}")
    return wrong


def _refuse(bundle: Path, reason: str) -> SourceError:
    return SourceError(f"{bundle} is not a bundle of sources", details={"reason": reason}, hint=_BUNDLE_HINT)


def _check_members(bundle: Path, members: TarArchive) -> dict[str, BundledFile]:
    """Return the sources in the index by their names, after checking that the archive has no other members."""
    if members.is_compressed:
        raise BrokenArchive("it is compressed")
    archive = iter(members)
    first = next(archive, None)
    if first is None or first.name != _INDEX or first.kind is not TarKind.FILE or first.size > _MAX_INDEX:
        raise _refuse(bundle, f"it does not begin with {_INDEX}")
    files, recipes = _read_index(bundle, members.read(_MAX_INDEX))
    expected = {f"sources/{entry.sha256}": entry for entry in files}
    sizes = {**recipes, **{name: entry.size for name, entry in expected.items()}}
    seen: set[str] = set()
    for member in archive:
        if member.name not in sizes:
            raise _refuse(bundle, f"'{member.name}' is not in the index")
        if member.kind is not TarKind.FILE:
            raise _refuse(bundle, f"'{member.name}' is not a regular file")
        if member.name in seen:
            raise _refuse(bundle, f"'{member.name}' is in it twice")
        if member.size != sizes[member.name]:
            raise _refuse(bundle, f"'{member.name}' has {member.size} bytes, but the index lists {sizes[member.name]}")
        seen.add(member.name)
    for name in sizes:
        if name not in seen:
            raise _refuse(bundle, f"'{name}' is in the index, but missing from the archive")
    return expected


def _read_index(bundle: Path, text: bytes) -> tuple[list[BundledFile], dict[str, int]]:
    """Return the sources that an index lists, and the files of recipes with their sizes."""
    try:
        index = json.loads(text)
        if index["format"] != _FORMAT:
            raise _refuse(bundle, f"format {index['format']!r} in the index, but this version reads format {_FORMAT}")
        files = [
            BundledFile(label=row["label"], filename=row["filename"], sha256=row["sha256"], size=row["size"])
            for row in index["files"]
        ]
        recipes = dict(index.get("recipes", {}))
        is_valid = all(
            isinstance(entry.label, str)
            and isinstance(entry.filename, str)
            and isinstance(entry.size, int)
            and len(entry.sha256) == 64
            and not entry.sha256.strip("0123456789abcdef")
            for entry in files
        ) and all(
            name.startswith("recipes/") and ".." not in name.split("/") and isinstance(size, int)
            for name, size in recipes.items()
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        is_valid, files, recipes = False, [], {}
    if not is_valid:
        raise _refuse(bundle, f"{_INDEX} is not an index of sources")
    return files, recipes
