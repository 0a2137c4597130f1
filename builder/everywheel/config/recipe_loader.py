"""Reading and validating recipe.toml files; every error names the file and the key."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from everywheel.config.recipe import (
    Build,
    BuildSystem,
    Feature,
    License,
    Linkage,
    Optimize,
    Override,
    Products,
    Recipe,
    suggest,
)
from everywheel.config.recipe_folders import find_recipes
from everywheel.config.source_loader import load_source
from everywheel.config.text_rules import (
    CPE,
    FILE_NAME,
    LINE,
    PATH,
    RECIPE_NAME,
    SYMBOLS,
    VERSION,
)
from everywheel.config.toml_reader import Table, read_toml
from everywheel.errors import UsageError
from everywheel.execution.input_files import ListedFile, UnusableFile, list_files, read_file
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import OPERATING_SYSTEMS

_LARGEST_FILE = 64 << 20  # bytes of a file next to recipe.toml
_CONDITIONS: Mapping[str, tuple[str, ...]] = {
    "os": tuple(OPERATING_SYSTEMS),
    "libc": ("glibc", "musl", ""),
    "arch": tuple(ARCHES),
    "endian": ("little", "big"),
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
    name, version = table.text("name", rule=RECIPE_NAME), table.text("version", rule=VERSION)
    if name != path.parent.name:
        raise UsageError(
            f"{path}: 'name' is '{name}' but the folder is '{path.parent.name}'", hint="give both the same name"
        )
    license_table = table.table("license")
    features = table.table("features", {})
    recipe = Recipe(
        name=name,
        version=version,
        summary=table.text("summary", "", rule=LINE),
        cpe=table.text("cpe", "", rule=CPE),
        directory=path.parent,
        license=License(spdx=_load_spdx(license_table), files=_load_license_files(license_table)),
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
    license_table.reject_unknown_keys()
    table.reject_unknown_keys()
    for profile, names in recipe.profiles.items():
        for feature in names:
            if feature not in recipe.features:
                raise UsageError(
                    f"{path}: profile '{profile}' names an unknown feature '{feature}'",
                    hint=suggest(feature, recipe.features),
                )
    return recipe


def _load_license_files(table: Table) -> tuple[str, ...]:
    files = table.texts("files", ..., rule=PATH)
    if not files:
        raise UsageError(
            f"{table.location}: 'files' names no file",
            hint="name the files of the source that have the license's text; if it has none, add one in `overlay/`",
        )
    return files


def _load_spdx(table: Table) -> str:
    """Return the canonical spelling of the license expression (PEP 639)."""
    text = table.text("spdx", rule=LINE)
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression as error:
        raise UsageError(
            f"{table.location}: 'spdx' is not an SPDX license expression",
            details={"value": text, "reason": error},
            hint="https://spdx.org/licenses lists the identifiers; `LicenseRef-…` names any other license",
        ) from None


def _load_build(table: Table) -> Build:
    system = _load_choice(table, "system", BuildSystem)
    build = Build(
        system=BuildSystem(system),
        subdir=table.text("subdir", "", rule=PATH),
        configure=table.texts("configure", rule=LINE),
        compile=table.texts("compile", rule=LINE),
        install=table.texts("install", ["install"], rule=LINE),
        machine_programs=table.texts("machine-programs"),
        options=table.scalars("options"),
        enable=table.texts("enable"),
        disable=table.texts("disable"),
        defines=table.texts("defines"),
        flags=table.texts("flags"),
        link_flags=table.texts("link-flags"),
        optimize=Optimize(_load_choice(table, "optimize", Optimize, "balanced")),
        cxx_runtime=table.flag("cxx-runtime", True),
        headers=table.text_map("headers", rule=PATH),
    )
    table.reject_unknown_keys()
    return build


def _load_products(table: Table) -> Products:
    products = Products(
        libraries=table.texts("libraries", rule=FILE_NAME),
        headers=table.texts("headers", rule=PATH),
        pkgconfig=table.texts("pkgconfig", rule=FILE_NAME),
        programs=table.texts("programs", rule=PATH),
        sonames=table.text_map("sonames", rule=FILE_NAME),
        exports=table.texts("exports", rule=SYMBOLS),
        provides=table.texts("provides"),
        evidence=table.texts("evidence"),
    )
    table.reject_unknown_keys()
    return products


def _load_choice(table: Table, key: str, choices: type[StrEnum], default: object = ...) -> str:
    value = table.text(key, default)
    if value not in list(choices):
        raise UsageError(
            f"{table.location}: '{key}' must be one of {', '.join(choices)}, not '{value}'",
            hint=suggest(value, choices),
        )
    return value


def _load_feature(table: Table, name: str) -> Feature:
    feature = Feature(
        name=name,
        requires=table.texts("requires"),
        build_requires=table.texts("build-requires"),
        enable=table.texts("enable"),
        options=table.scalars("options"),
        exports=table.texts("exports", rule=SYMBOLS),
        provides=table.texts("provides"),
        evidence=table.texts("evidence"),
    )
    table.reject_unknown_keys()
    return feature


def _load_override(table: Table) -> Override:
    when = table.text_map("when")
    for fact, glob in when.items():
        if fact not in _CONDITIONS:
            raise UsageError(f"{table.location}: unknown condition '{fact}'", hint=f"known: {', '.join(_CONDITIONS)}")
        if not any(fnmatchcase(value, glob) for value in _CONDITIONS[fact]):
            raise UsageError(
                f"{table.location}: no target has '{fact}' = '{glob}'",
                hint=suggest(glob, filter(None, _CONDITIONS[fact])),
            )
    override = Override(
        when=when,
        requires=table.texts("extend-requires"),
        build_requires=table.texts("extend-build-requires"),
        enable=table.texts("extend-enable"),
        disable=table.texts("extend-disable"),
        defines=table.texts("extend-defines"),
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
    table.reject_unknown_keys()
    return override


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


def find_unknown_requirement(recipes: Mapping[str, Recipe]) -> tuple[Recipe, str] | None:
    """Return a recipe and a name in its requirements that no recipe has, or None when every requirement is known."""
    for recipe in recipes.values():
        optional = [name for part in recipe.features.values() for name in (*part.requires, *part.build_requires)]
        conditional = [name for part in recipe.overrides for name in (*part.requires, *part.build_requires)]
        systems = [recipe.build.system, *(part.system for part in recipe.overrides if part.system is not None)]
        programs = [name for system in systems for name in system.programs]
        for name in (*recipe.requires, *recipe.build_requires, *optional, *conditional, *programs):
            if name not in recipes:
                return recipe, name
    return None
