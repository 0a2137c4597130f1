"""The file of a recipe with other pins: its new text, a copy of the recipe with it, and the replacement of the file."""

from __future__ import annotations

import hashlib
import secrets
import shutil
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


def read_recipe(recipe: Recipe) -> str:
    """Return the text of a recipe's file."""
    return (recipe.directory / FILE).read_text(encoding="utf-8")


def write_pins(
    text: str, update: RecipeUpdate, store: Path, locations: SourceLocations, progress: ProgressCallback
) -> str:
    """Fetch the new files of an update into the store, and return the recipe's text with their hashes.

    Raises SourceError when one is not available with the hash in the signed lists.
    """
    files = [file for file in (update.archive, update.packaging) if file is not None]
    pins = [_pin(update, file) for file in files]
    paths = fetch_sources(pins, store=store, locations=locations, progress=progress)
    return rewrite_recipe(text, update, {sha256: _hash_sha1(path) for sha256, path in paths.items()})


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


def copy_recipe(recipe: Recipe, text: str, folder: Path) -> Recipe:
    """Copy a recipe with its overlay and patches to a folder, with another text, and load it from there.

    Raises UsageError for a text that is not a valid recipe.
    """
    copy = folder / recipe.name
    with translate_os_errors(copy):
        shutil.copytree(recipe.directory, copy)
        (copy / FILE).write_text(text, encoding="utf-8")
    return load_recipe(copy / FILE)


def replace_recipe(recipe: Recipe, old: str, new: str) -> None:
    """Replace the text of a recipe's file in one step.

    Raises UsageError when the file does not have the old text any more: an editor may have changed it in the meantime.
    """
    path = (recipe.directory / FILE).resolve()
    with translate_os_errors(path):
        if path.read_text(encoding="utf-8") != old:
            raise UsageError(f"{path}: was changed during the update", hint="run it again: the file is as you left it")
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            fresh.write_text(new, encoding="utf-8")
            shutil.copymode(path, fresh)
            flush_file(fresh)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
