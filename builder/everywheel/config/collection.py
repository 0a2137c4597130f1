"""Collections of recipes: the built-in one, which every installation contains, and the folders of a project before it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from everywheel.config.recipe import Recipe, ResolvedRecipe
from everywheel.config.recipe_folders import RECIPE_FILE, check_folder
from everywheel.config.recipe_loader import find_unknown_requirement, load_recipes
from everywheel.config.settings_file import find_settings, has_project
from everywheel.config.suggestions import find_similar
from everywheel.config.text_rules import RECIPE_NAME
from everywheel.config.toml_reader import Table
from everywheel.errors import MachineError, UsageError
from everywheel.execution.notices import report_notice

BUILT_IN = "built-in"
"""The name of the built-in collection in messages and tables."""
_PACKAGE = Path(__file__).parents[1]


def find_built_in(package: Path = _PACKAGE) -> Path:
    """Return the folder of the built-in collection: in the package, or in a checkout the folder `recipes` of its root.

    Raises MachineError when the installation has none.
    """
    folders = (package / "recipes", package.parents[1] / "recipes")
    for folder in folders:
        if folder.is_dir():
            return folder
    raise MachineError(
        "the built-in recipes are missing in this installation",
        details={"searched": ", ".join(map(str, folders))},
        hint="install everywheel again: `pip install --force-reinstall everywheel`",
    )


def load_collections(folders: Iterable[Path] = ()) -> dict[str, Recipe]:
    """Load the built-in recipes and those of the folders, sorted by name; the last recipe of a name replaces the others.

    A folder that is the built-in collection is loaded once, and replaced built-in recipes are not read. Raises UsageError,
    naming file and key, for an error in a recipe.
    """
    own = tuple(folders)
    recipes = load_recipes(own)
    built_in = find_built_in()
    if built_in.resolve() not in {folder.resolve() for folder in own}:
        recipes |= load_recipes([built_in], without=recipes)
    unknown = find_unknown_requirement(recipes)
    if unknown is not None:
        recipe, table, name = unknown
        location = ": ".join(filter(None, (str(recipe.directory / "recipe.toml"), table)))
        raise UsageError(
            f"{location}: requires '{name}', but there is no such recipe",
            hint=_suggest_requirement(name, recipe, recipes),
        )
    return dict(sorted(recipes.items()))


def list_recipe_folders(root: Path, table: Table) -> tuple[Path, ...]:
    """Return the folders of a project's own recipes: those of its table, by default `recipes` if it exists.

    Raises UsageError for a folder in the table without any recipe.
    """
    if table.has("recipes"):
        folders = tuple(root / folder for folder in table.texts("recipes"))
        for folder in folders:
            check_folder(folder, table.describe("recipes"))
        return folders
    return (root / "recipes",) if (root / "recipes").is_dir() else ()


def find_recipe_folders(root: Path) -> tuple[Path, ...]:
    """Return the folders of own recipes of the project in a folder; none when the folder has no project."""
    if not has_project(root):
        return ()
    settings = find_settings(root.absolute())
    return list_recipe_folders(settings.folder, settings.table)


def load_available_recipes(root: Path) -> dict[str, Recipe]:
    """Load the recipes of the project in a folder with the built-in ones; only these when the folder has no project.

    Reports own recipes that are not read, since the project is in another folder.
    """
    report_unread_recipes(root)
    return load_collections(find_recipe_folders(root))


def report_unread_recipes(root: Path) -> None:
    """Report own recipes that a command does not read, since the project is in another folder."""
    if unread := find_unread_recipes(root):
        report_notice("; ".join(unread))


def find_unread_recipes(root: Path) -> tuple[str, str] | None:
    """Return why recipes in a folder without a project, or those of the project around it, are not read, and what to do.

    Returns None when there are none.
    """
    if has_project(root):
        return None
    project = next(filter(_has_own_recipes, root.absolute().parents), None)
    location = os.path.relpath(project, root) if project is not None and root == Path() else str(project)
    if any(root.glob(f"recipes/*/{RECIPE_FILE}")):
        hint = "add one with `[tool.everywheel]`"
        fact = f"{root / 'recipes'}/ is not read: this folder has no pyproject.toml"
        return fact, hint if project is None else f"{hint}, or run with `-p {location}`"
    if project is None:
        return None
    return (
        f"the recipes of the project in {location} are not read: this folder is not its root",
        f"run with `-p {location}`",
    )


def _has_own_recipes(root: Path) -> bool:
    try:
        folders = find_recipe_folders(root)
    except (UsageError, OSError):  # a command in that folder reports it
        return False
    built_in = find_built_in().resolve()
    return any(folder.resolve() != built_in and any(folder.glob(f"*/{RECIPE_FILE}")) for folder in folders)


def name_collection(recipe: Recipe) -> str:
    """Return the collection of a recipe: `built-in`, or its folder."""
    return BUILT_IN if is_built_in(recipe) else str(recipe.directory.parent)


def is_installed(recipe: Recipe | ResolvedRecipe) -> bool:
    """Return whether a recipe is a part of an installation of this package, which no command changes."""
    return recipe.directory.resolve().is_relative_to(_PACKAGE.resolve())


def is_built_in(recipe: Recipe) -> bool:
    """Return whether a recipe is in the built-in collection, which may also be a folder of the project."""
    return recipe.directory.parent.resolve() == find_built_in().resolve()


def choose_recipe(name: str, recipes: Mapping[str, Recipe]) -> Recipe:
    """Return the recipe of a name; raise UsageError for one that does not exist."""
    if name not in recipes:
        raise UsageError(f"there is no recipe '{name}'", hint=suggest_recipe(name, recipes))
    return recipes[name]


def is_own(recipe: Recipe, root: Path) -> bool:
    """Return whether a recipe is that of the project in a folder, which may be the one with the built-in collection."""
    if is_built_in(recipe):
        return not is_installed(recipe) and recipe.directory.resolve().is_relative_to(root.resolve())
    return True


def suggest_recipe(name: str, recipes: Mapping[str, Recipe]) -> str:
    """Return a hint for the name of a recipe that does not exist: the most similar one, or those of the project.

    The hint names the collection of a built-in recipe.
    """
    if similar := _suggest_similar(name, recipes):
        return similar
    own = sorted(name for name, recipe in recipes.items() if not is_built_in(recipe))
    listed = "`everywheel recipes list` lists the built-in ones"
    return f"known in this project: {', '.join(own)}; {listed}" if own else listed


def _suggest_requirement(name: str, recipe: Recipe, recipes: Mapping[str, Recipe]) -> str:
    """Return a hint for a requirement of a recipe that does not exist: another recipe, or how to write it."""
    if not RECIPE_NAME.accepts(name):
        return "requirements are names of recipes, without versions"
    others = {other: known for other, known in recipes.items() if other != recipe.name}
    return _suggest_similar(name, others) or f"`everywheel recipes new {name}` drafts one"


def _suggest_similar(name: str, recipes: Mapping[str, Recipe]) -> str:
    package = name.removesuffix("-dev")
    stem = re.sub(r"(?<=[a-z])[\d.]+(-.*)?$", "", package)  # `libcurl4-openssl-dev` is Debian's package of libcurl
    known = {**_list_other_names(recipes), **{recipe: recipe for recipe in recipes}}
    forms = [form for text in (name, package, stem) for form in (text, text.removeprefix("lib"))]
    meant = [known[form] for form in forms if form in known] or [find_similar(package, recipes)]
    if not meant[0]:
        return ""
    note = f" ({BUILT_IN})" if is_built_in(recipes[meant[0]]) else ""
    return f"did you mean '{meant[0]}'{note}?"


def _list_other_names(recipes: Mapping[str, Recipe]) -> dict[str, str]:
    """Return the recipes by other names of theirs: those of their libraries (`z`, `ssl`) and of their pkg-config files."""
    return {
        other: name
        for name, recipe in sorted(recipes.items(), reverse=True)
        for other in (*recipe.products.libraries, *recipe.products.pkgconfig)
    }
