"""Bundles: all sources and patches in one archive or folder, for a machine without a package client or network.

A bundle has the files `SHA256SUMS`, `SHA256SUMS.sig` if it is signed, `index.json`, which lists each source, then
`sources/<sha256>`, sorted, then the recipes with their patches and overlays, `recipes/<name>/…`: together with the sources,
everything that the libraries are built from. It is a plain tar archive, which is not compressed, because its files are, or a
folder, whose `sources` is a mirror once a web server serves it. The same sources produce the same bytes.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from everywheel.config.recipe import Recipe, ResolvedRecipe
from everywheel.errors import SourceError, UsageError
from everywheel.execution.cancellation import until_canceled
from everywheel.execution.files import is_directory, remove_path, translate_os_errors
from everywheel.sources.bundle_index import (
    INDEX,
    NAMES,
    RECIPES,
    SIGNATURE,
    SUMS,
    BundledFile,
    BundleIndex,
    write_index,
    write_sums,
)
from everywheel.sources.cache import find_source
from everywheel.sources.request import PinnedFile
from everywheel.sources.signature import check_key, sign

_COMPRESSED = (".gz", ".xz", ".bz2", ".zst", ".lz", ".tgz", ".txz", ".zip")
_OUTPUT_HINT = "name a new folder, an empty one, or an earlier bundle, which is replaced"

_Content = bytes | Path


def bundle_sources(
    sources: Sequence[PinnedFile],
    bundle: Path,
    *,
    store: Path,
    recipes: Iterable[Recipe | ResolvedRecipe] = (),
    key: Path | None = None,
) -> tuple[BundledFile, ...]:
    """Pack the store's copies of sources, and recipes, into a new bundle, which appears only when it is complete.

    A name that ends with `.tar` is that of an archive, another one that of a folder. `key` signs the bundle, see
    `signature.sign`. Raises SourceError that names every file that is not in the store.
    """
    is_archive = check_output(bundle, key)
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
    contents = _list_contents(files, present, _read_recipes(recipes), key)
    scratch = bundle.with_name(f".{bundle.name}.{secrets.token_hex(4)}")
    try:
        with translate_os_errors(bundle):
            bundle.parent.mkdir(parents=True, exist_ok=True)
            (_write_archive if is_archive else _write_folder)(scratch, contents)
            _move(scratch, bundle)
    finally:
        remove_path(scratch)
    return files


def check_output(bundle: Path, key: Path | None) -> bool:
    """Return whether a bundle of this name is an archive; raise UsageError for a path or a key that cannot be used."""
    if key is not None:
        check_key(key)
    if bundle.suffix in _COMPRESSED:
        raise UsageError(
            f"{bundle}: bundles are not compressed, because their files are",
            hint="a name that ends with .tar is that of an archive, another one that of a folder",
        )
    is_archive = bundle.suffix == ".tar"
    if is_archive and bundle.is_dir():
        raise UsageError(f"{bundle} is a folder", hint="name a file, or remove the folder")
    if not is_archive and os.path.lexists(bundle) and not _is_bundle(bundle):
        raise UsageError(f"{bundle} is in the way of the bundle", hint=_OUTPUT_HINT)
    return is_archive


def _is_bundle(folder: Path) -> bool:
    """Return whether a path is an empty folder or one that has nothing but a bundle, so that it may be replaced."""
    if not is_directory(folder):
        return False
    names = {path.name for path in folder.iterdir()}
    return not names or (names <= NAMES and {SUMS, INDEX} <= names)


def _read_recipes(recipes: Iterable[Recipe | ResolvedRecipe]) -> Mapping[str, bytes]:
    """Return the contents of the recipes' files by their names in a bundle."""
    return {
        f"{RECIPES}/{recipe.name}/{file}": (recipe.directory / file).read_bytes()
        for recipe in sorted(recipes, key=lambda recipe: recipe.name)
        for file in sorted({"recipe.toml", *recipe.files})
    }


def _list_contents(
    files: Sequence[BundledFile], paths: Mapping[str, Path], recipes: Mapping[str, bytes], key: Path | None
) -> dict[str, _Content]:
    """Return what a bundle consists of, in order: bytes, or the path of a file to copy, by the names in the bundle."""
    index = write_index(BundleIndex(files=tuple(files), recipes={name: len(data) for name, data in recipes.items()}))
    sums = write_sums(index, files, recipes)
    signature: dict[str, _Content] = {} if key is None else {SIGNATURE: sign(sums, key)}
    return {SUMS: sums, **signature, INDEX: index, **{file.path: paths[file.sha256] for file in files}, **recipes}


def _write_archive(path: Path, contents: Mapping[str, _Content]) -> None:
    with path.open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, size, content in _open_contents(contents):
                member = tarfile.TarInfo(name)  # owner 0, mode 0644, time 0
                member.size = size
                tar.addfile(member, content)
        file.flush()
        os.fsync(file.fileno())


def _write_folder(path: Path, contents: Mapping[str, _Content]) -> None:
    """Write a folder that any user may read, so that a web server can serve it; all times are 0, as in an archive."""
    path.mkdir()
    for name, _, content in _open_contents(contents):
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as copy:
            shutil.copyfileobj(content, copy)
            copy.flush()
            os.fsync(copy.fileno())
        file.chmod(0o644)
        os.utime(file, (0, 0))
    for folder in (path, *(entry for entry in path.rglob("*") if entry.is_dir())):
        folder.chmod(0o755)


def _open_contents(contents: Mapping[str, _Content]) -> Iterator[tuple[str, int, Any]]:
    """Yield the name, the size in bytes and the open content of each file."""
    for name, content in until_canceled(contents.items()):
        if isinstance(content, bytes):
            yield name, len(content), io.BytesIO(content)
        else:
            with content.open("rb") as file:
                yield name, os.fstat(file.fileno()).st_size, file


def _move(scratch: Path, bundle: Path) -> None:
    """Move a complete bundle to its place; an earlier one that is a folder is first moved away, then removed."""
    if not is_directory(bundle):
        scratch.replace(bundle)
        return
    old = bundle.with_name(f"{scratch.name}.old")
    bundle.replace(old)
    try:
        scratch.replace(bundle)
    except OSError:
        old.replace(bundle)
        raise
    remove_path(old)
