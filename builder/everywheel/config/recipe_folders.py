"""Folders of recipes: the recipe.toml files in them, and files that are none because of their names."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from everywheel.errors import UsageError

RECIPE_FILE = "recipe.toml"
_TABLE = re.compile(rb"^\[(?:source|build|products)\]", re.MULTILINE)


def find_recipes(directory: Path) -> Iterator[Path]:
    """Yield the paths of the recipes in a folder, sorted.

    Raises UsageError when a folder in it cannot be read, and for a recipe that has another name or is in another folder: it
    would be as if it did not exist.
    """
    if not directory.is_dir():
        raise UsageError(
            f"{directory}: the folder of recipes does not exist", hint="name one in `recipes` of [tool.everywheel]"
        )
    try:
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
            path = Path(entry)
            names = os.listdir(path) if entry.is_dir() else []  # noqa: PTH208  in Python 3.14, Path hides errors
            if RECIPE_FILE in names:
                yield path / RECIPE_FILE
            else:
                _check_name(path, names)
    except OSError as error:
        raise UsageError(
            f"{error.filename}: cannot be read: {(error.strerror or str(error)).lower()}",
            hint="the folders of recipes must be readable; check their owners and modes",
        ) from None


def check_folder(directory: Path, location: str) -> None:
    """Raise UsageError when a folder that the settings name has files, but no recipe; an empty one gets its first.

    Hidden files, such as the one that keeps an empty folder in a repository, and a README do not count.
    """
    others = (path for path in directory.iterdir() if not path.name.startswith((".", "_", "README")))
    if next(find_recipes(directory), None) is None and any(others):
        raise UsageError(
            f"{location} names {directory}, which has no recipe: none of its folders contains a {RECIPE_FILE}",
            hint="name the folder that contains a folder for each recipe",
        )


def list_folders_without_recipe(directory: Path) -> list[str]:
    """Return the names of folders with files, but without recipe.toml; names with `.` or `_` first are not for recipes."""
    folders = [path for path in sorted(directory.iterdir()) if path.is_dir() and not path.name.startswith((".", "_"))]
    return [path.name for path in folders if any(path.iterdir()) and not (path / RECIPE_FILE).exists()]


def _check_name(path: Path, names: list[str]) -> None:
    """Raise UsageError for a file with a name similar to recipe.toml in a folder, and for a recipe that has no folder."""
    for name in sorted(names):
        if difflib.get_close_matches(name.casefold().removesuffix(".txt"), [RECIPE_FILE], 1, 0.9):
            raise UsageError(
                f"{path / name} is not read: the file of a recipe has the name {RECIPE_FILE}", hint="rename it"
            )
    if path.suffix == ".toml" and path.is_file() and _TABLE.search(path.read_bytes()):
        hint = f"move it to {path.with_suffix('') / RECIPE_FILE}"
        if path.name == RECIPE_FILE:
            hint = "move it into such a folder, or name the folder above in `recipes` of [tool.everywheel]"
        raise UsageError(f"{path} is not read: a recipe is a file {RECIPE_FILE} in a folder of its name", hint=hint)
