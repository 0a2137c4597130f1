"""Reading and validating recipe.toml files; every error names the file and the key."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from everywheel.config.conditions import FACTS, load_conditions
from everywheel.config.known_keys import RECIPE_KEYS
from everywheel.config.license_loader import load_license
from everywheel.config.recipe import (
    Build,
    BuildSystem,
    Feature,
    Linkage,
    Optimize,
    Override,
    Products,
    Recipe,
)
from everywheel.config.recipe_checks import check_recipe, list_parts
from everywheel.config.recipe_folders import find_recipes
from everywheel.config.source_loader import load_source
from everywheel.config.suggestions import suggest
from everywheel.config.text_rules import (
    CPE,
    DEFINITION,
    FILE_NAME,
    LINE,
    PATH,
    PKGCONFIG,
    RECIPE_NAME,
    SWITCH,
    SYMBOLS,
    VERSION,
)
from everywheel.config.toml_reader import Table, read_toml
from everywheel.errors import UsageError
from everywheel.execution.input_files import ListedFile, UnusableFile, list_files, read_file

_LARGEST_FILE = 64 << 20  # bytes of a file next to recipe.toml
_CONDITIONS: Mapping[str, tuple[str, ...]] = {
    **FACTS,
    "linkage": (Linkage.SHARED, Linkage.STATIC),
}


def load_recipes(directories: Iterable[Path], *, without: Collection[str] = ()) -> dict[str, Recipe]:
    """Load every `<name>/recipe.toml` of the directories; a recipe replaces one of the same name in an earlier directory.

    Recipes with the names in `without` are not read. Raises UsageError, naming file and key, for an error in a recipe.
    """
    recipes: dict[str, Recipe] = {}
    for directory in directories:
        for path in find_recipes(directory):
            if path.parent.name not in without:
                recipe = load_recipe(path)
                recipes[recipe.name] = recipe
    return recipes


def load_recipe(path: Path) -> Recipe:
    """Load one recipe.toml.

    Raises UsageError, naming file and key, for an error in the file.
    """
    files = _list_files(path.parent)
    table = read_toml(path)
    table.check_keys(RECIPE_KEYS)
    name, version = table.text("name", rule=RECIPE_NAME), table.text("version", rule=VERSION)
    if name != path.parent.name:
        raise UsageError(
            f"{path}: 'name' is '{name}' but the folder is '{path.parent.name}'", hint="give both the same name"
        )
    features = table.table("features", {})
    recipe = Recipe(
        name=name,
        version=version,
        summary=table.text("summary", "", rule=LINE),
        cpe=table.text("cpe", "", rule=CPE),
        directory=path.parent,
        license=load_license(table.table("license")),
        source=load_source(table.table("source"), version),
        build=_load_build(table.table("build")),
        products=_load_products(table.table("products")),
        requires=table.texts("requires"),
        build_requires=table.texts("build-requires"),
        features={feature: _load_feature(features.table(feature), feature) for feature in features},
        profiles=table.text_lists("profiles"),
        overrides=tuple(_load_override(override) for override in table.tables("overrides")),
        alternatives=table.texts("alternatives", rule=RECIPE_NAME),
        files={file.name: _hash(file) for file in files},
        executables=tuple(file.name for file in files if file.executable),
    )
    check_recipe(recipe)
    return recipe


def _load_build(table: Table) -> Build:
    table.check_keys(RECIPE_KEYS, "build")
    system = _load_choice(table, "system", BuildSystem)
    return Build(
        system=BuildSystem(system),
        subdir=table.text("subdir", "", rule=PATH),
        configure=table.texts("configure", rule=LINE),
        compile=table.texts("compile", rule=LINE),
        install=table.texts("install", ["install"], rule=LINE),
        machine_programs=table.texts("machine-programs"),
        options=table.scalars("options"),
        enable=table.texts("enable", rule=SWITCH),
        disable=table.texts("disable", rule=SWITCH),
        defines=table.texts("defines", rule=DEFINITION),
        flags=table.texts("flags"),
        link_flags=table.texts("link-flags"),
        optimize=Optimize(_load_choice(table, "optimize", Optimize, "balanced")),
        cxx_runtime=table.flag("cxx-runtime", True),
        headers=table.text_map("headers", rule=PATH),
    )


def _load_products(table: Table) -> Products:
    table.check_keys(RECIPE_KEYS, "products")
    return Products(
        libraries=table.texts("libraries", rule=FILE_NAME),
        headers=table.texts("headers", rule=PATH),
        pkgconfig=table.texts("pkgconfig", rule=PKGCONFIG),
        programs=table.texts("programs", rule=PATH),
        sonames=table.text_map("sonames", rule=FILE_NAME),
        exports=table.texts("exports", rule=SYMBOLS),
        provides=table.texts("provides"),
        evidence=table.texts("evidence"),
    )


def _load_choice(table: Table, key: str, choices: type[StrEnum], default: object = ...) -> str:
    value = table.text(key, default)
    if value not in list(choices):
        raise UsageError(
            f"{table.location}: '{key}' must be one of {', '.join(choices)}, not '{value}'",
            hint=suggest(value, choices),
        )
    return value


def _load_feature(table: Table, name: str) -> Feature:
    table.check_keys(RECIPE_KEYS, "features.*")
    return Feature(
        name=name,
        requires=table.texts("requires"),
        build_requires=table.texts("build-requires"),
        enable=table.texts("enable", rule=SWITCH),
        options=table.scalars("options"),
        exports=table.texts("exports", rule=SYMBOLS),
        provides=table.texts("provides"),
        evidence=table.texts("evidence"),
    )


def _load_override(table: Table) -> Override:
    table.check_keys(RECIPE_KEYS, "overrides")
    return Override(
        when=load_conditions(table, _CONDITIONS),
        requires=table.texts("extend-requires"),
        build_requires=table.texts("extend-build-requires"),
        enable=table.texts("extend-enable", rule=SWITCH),
        disable=table.texts("extend-disable", rule=SWITCH),
        defines=table.texts("extend-defines", rule=DEFINITION),
        flags=table.texts("extend-flags"),
        link_flags=table.texts("extend-link-flags"),
        options=table.scalars("options"),
        provides=table.texts("extend-provides"),
        evidence=table.texts("extend-evidence"),
        exports=table.texts("extend-exports", rule=SYMBOLS),
        configure=table.texts("extend-configure", rule=LINE),
        unsupported=table.text("unsupported", "", rule=LINE),
        system=BuildSystem(_load_choice(table, "system", BuildSystem)) if table.has("system") else None,
    )


def _list_files(directory: Path) -> list[ListedFile]:
    """Return the files next to recipe.toml; raise UsageError for one that cannot be used, or a link out of the folder."""
    try:
        return [file for file in list_files(directory, within=directory) if file.name != "recipe.toml"]
    except UnusableFile as error:
        raise _report_unusable(error) from None


def _hash(file: ListedFile) -> str:
    try:
        return hashlib.sha256(read_file(file.path, _LARGEST_FILE)).hexdigest()
    except (UnusableFile, FileNotFoundError) as error:
        raise _report_unusable(error) from None


def _report_unusable(error: Exception) -> UsageError:
    return UsageError(str(error), hint="a recipe's folder contains readable files, folders, and links that stay in it")


def find_unknown_requirement(recipes: Mapping[str, Recipe]) -> tuple[Recipe, str, str] | None:
    """Return a recipe, the table of it that requires an unknown recipe, and that name; None if every requirement is known.

    The table is empty for the top of the file.
    """
    for recipe in recipes.values():
        required = [("", (*recipe.requires, *recipe.build_requires))]
        for location, part in list_parts(recipe):
            if isinstance(part, Feature | Override):
                required.append((location, (*part.requires, *part.build_requires)))
            if isinstance(part, Build | Override) and part.system is not None:
                required.append((location, part.system.programs))
        for location, names in required:
            for name in names:
                if name not in recipes:
                    return recipe, location, name
    return None
