"""The files of a recipe with other pins: their new texts, a copy of the recipe with them, and the replacement of the files."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.recipe import Recipe
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.source import DebianFile
from everywheel.errors import UsageError
from everywheel.execution.files import flush_file, translate_os_errors
from everywheel.sources.distro.apt import ListedFile
from everywheel.sources.fetch import fetch_sources
from everywheel.sources.locations import SourceLocations
from everywheel.sources.progress import ProgressCallback
from everywheel.sources.recipe_text import rewrite_recipe
from everywheel.sources.request import PinnedFile
from everywheel.sources.update import RecipeUpdate

FILE = "recipe.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """The change of one file of a recipe; `name` is its path in the recipe's folder."""

    name: str
    old: str
    new: str


def write_pins(
    update: RecipeUpdate, store: Path, locations: SourceLocations, progress: ProgressCallback
) -> tuple[FileChange, ...]:
    """Fetch the new files of an update into the store, and return the changes of the recipe's files, recipe.toml last.

    The version in `project()` of the overlay's build files is changed as well: libraries and pkg-config files contain it.
    Raises SourceError when a file is not available with the hash in the signed lists.
    """
    recipe = update.recipe
    files = [file for file in (update.archive, update.packaging) if file is not None]
    pins = [_pin(update, file) for file in files]
    paths = fetch_sources(pins, store=store, locations=locations, progress=progress)
    changes = []
    for name in recipe.files:
        if name.startswith("overlay/") and name.endswith("/meson.build") and update.changes_version:
            old = (recipe.directory / name).read_text(encoding="utf-8")
            new = replace_project_version(old, recipe.version, update.version)
            changes += [FileChange(name=name, old=old, new=new)] if new != old else []
    old = (recipe.directory / FILE).read_text(encoding="utf-8")
    new = rewrite_recipe(old, update, {sha256: _hash_sha1(path) for sha256, path in paths.items()})
    return (*changes, FileChange(name=FILE, old=old, new=new))


def replace_project_version(text: str, old: str, new: str) -> str:
    """Return a meson.build with another version in its `project()`."""
    return re.sub(rf"(\bproject\([^()]*\bversion *: *)'{re.escape(old)}'", rf"\g<1>'{new}'", text, count=1)


def _pin(update: RecipeUpdate, file: ListedFile) -> PinnedFile:
    return PinnedFile(
        label=f"{update.recipe.name} {update.version}",
        filename=file.name,
        sha256=file.sha256,
        size=file.size,
        debian=DebianFile(package=update.revision.package, file=file.name),
    )


def _hash_sha1(path: Path) -> str:
    """Return the hash by which the snapshot service has a file; its bytes are known by their sha256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()


def copy_recipe(recipe: Recipe, changes: Sequence[FileChange], folder: Path) -> Recipe:
    """Copy a recipe with its overlay and patches to a folder, with the changes, and load it from there.

    Raises UsageError if the result is not a valid recipe.
    """
    copy = folder / recipe.name
    with translate_os_errors(copy):
        shutil.copytree(recipe.directory, copy)
        for change in changes:
            (copy / change.name).write_text(change.new, encoding="utf-8")
    return load_recipe(copy / FILE)


def replace_files(recipe: Recipe, changes: Sequence[FileChange]) -> None:
    """Replace files of a recipe, each in one step; if one cannot be replaced, those before it get their old texts back.

    Raises UsageError when a file does not have the old text any more: an editor may have changed it in the meantime.
    """
    done: list[FileChange] = []
    try:
        for change in changes:
            _replace((recipe.directory / change.name).resolve(), change.old, change.new)
            done.append(change)
    except BaseException:
        for change in done:
            _replace((recipe.directory / change.name).resolve(), change.new, change.old)
        raise


def _replace(path: Path, old: str, new: str) -> None:
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with translate_os_errors(path):
        if path.read_text(encoding="utf-8") != old:
            raise UsageError(f"{path}: was changed during the update", hint="run it again: the file is as you left it")
        try:
            fresh.write_text(new, encoding="utf-8")
            shutil.copymode(path, fresh)
            flush_file(fresh)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
