"""Bundles: every source and patch in one archive, for a machine with neither package client nor network.

A bundle is a plain tar: `index.json`, which names each file, then `sources/<sha256>`, sorted, then the recipes with their own
patches and build files, `recipes/<name>/…`: with the sources they are all that a library was made of. The same sources give
the same bytes. It is not compressed, since what it holds is.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everywheel.config.recipe import Recipe, ResolvedRecipe
from everywheel.errors import SourceError
from everywheel.execution.files import translate_os_errors
from everywheel.sources.cache import find_source, open_scratch, store_source
from everywheel.sources.request import HashMismatch, PinnedFile

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


def bundle_sources(
    wanted: Sequence[PinnedFile], bundle: Path, *, store: Path, recipes: Iterable[Recipe | ResolvedRecipe] = ()
) -> tuple[BundledFile, ...]:
    """Pack the store's copies of all wanted files, and recipes, into a new archive, which appears only when it is whole.

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
        with translate_os_errors(bundle):
            bundle.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as file:
                _write_bundle(file, files, found, _list_recipes(recipes))
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(bundle)
    finally:
        scratch.unlink(missing_ok=True)
    return files


def _list_recipes(recipes: Iterable[Recipe | ResolvedRecipe]) -> Mapping[str, bytes]:
    """Return what lies in the recipes' folders, by the name that it has in a bundle."""
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
            {"filename": one.filename, "label": one.label, "sha256": one.sha256, "size": one.size} for one in files
        ],
        "recipes": {name: len(content) for name, content in recipes.items()},
    }
    text = (json.dumps(index, indent=1, sort_keys=True) + "\n").encode()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(_describe(_INDEX, len(text)), io.BytesIO(text))
        for one in files:
            with paths[one.sha256].open("rb") as content:
                tar.addfile(_describe(f"sources/{one.sha256}", one.size), content)
        for name, data in recipes.items():
            tar.addfile(_describe(name, len(data)), io.BytesIO(data))


def _describe(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)  # owner 0, mode 0644, time 0
    member.size = size
    return member


def import_bundle(bundle: Path, *, store: Path) -> tuple[BundledFile, ...]:
    """Take every source of a bundle into the store and return what these were; recipes are for people, and left there.

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
                    with translate_os_errors(file), file.open("wb") as copy:
                        shutil.copyfileobj(content, copy)
                    try:
                        store_source(store, file, one.sha256)
                    except HashMismatch as reason:
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
    """Return the index's sources with their members, after checking that there is nothing else."""
    first = tar.next()
    if first is None or first.name != _INDEX or not _is_plain(first) or first.size > _LARGEST_INDEX:
        raise _refuse(bundle, f"it does not begin with {_INDEX}")
    content = tar.extractfile(first)
    files, recipes = _read_index(bundle, content.read() if content is not None else b"")
    expected = {f"sources/{one.sha256}": one for one in files}
    sizes = {**recipes, **{name: one.size for name, one in expected.items()}}
    found: dict[str, tarfile.TarInfo] = {}
    end = bundle.stat().st_size
    while (member := tar.next()) is not None:
        if member.name not in sizes:
            raise _refuse(bundle, f"'{member.name}' is not in its index")
        if not _is_plain(member):
            raise _refuse(bundle, f"'{member.name}' is not a plain file")
        if member.name in found:
            raise _refuse(bundle, f"'{member.name}' stands in it twice")
        if member.size != sizes[member.name]:
            raise _refuse(bundle, f"'{member.name}' has {member.size} bytes, {sizes[member.name]} in its index")
        if member.offset_data + member.size > end:
            raise _refuse(bundle, "it is truncated")
        found[member.name] = member
    for name in sizes:
        if name not in found:
            raise _refuse(bundle, f"'{name}' is in its index and nowhere else")
    return [(one, found[name]) for name, one in expected.items()]


def _is_plain(member: tarfile.TarInfo) -> bool:
    return member.isreg() and not member.issparse()


def _read_index(bundle: Path, text: bytes) -> tuple[list[BundledFile], dict[str, int]]:
    """Return the sources that an index names, and its recipes' files with their sizes."""
    try:
        index = json.loads(text)
        if index["format"] != _FORMAT:
            raise _refuse(bundle, f"format {index['format']!r} in its index, and this version reads format {_FORMAT}")
        files = [
            BundledFile(label=row["label"], filename=row["filename"], sha256=row["sha256"], size=row["size"])
            for row in index["files"]
        ]
        recipes = dict(index.get("recipes", {}))
        right = all(
            isinstance(one.label, str)
            and isinstance(one.filename, str)
            and isinstance(one.size, int)
            and len(one.sha256) == 64
            and not one.sha256.strip("0123456789abcdef")
            for one in files
        ) and all(
            name.startswith("recipes/") and ".." not in name.split("/") and isinstance(size, int)
            for name, size in recipes.items()
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        right, files, recipes = False, [], {}
    if not right:
        raise _refuse(bundle, f"{_INDEX} is not an index of sources")
    return files, recipes
