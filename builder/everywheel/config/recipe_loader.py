"""Reading and validating recipe.toml files; every error names the file and the key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path, PurePosixPath

from everywheel.config.recipe import (
    Build,
    BuildSystem,
    DebianFile,
    Feature,
    License,
    Optimize,
    Override,
    Patch,
    Products,
    Recipe,
    Source,
    suggest,
)
from everywheel.config.toml_reader import Table, read_toml
from everywheel.errors import UsageError

_LOCATIONS = 'add `urls = ["https://…"]`, or `debian = { package = "…", file = "…" }`'


def load_recipes(directories: Iterable[Path]) -> dict[str, Recipe]:
    """Load every `<name>/recipe.toml` of the directories; a recipe replaces one of the same name in an earlier directory.

    Raises UsageError, naming file and key, for an error in a recipe.
    """
    recipes: dict[str, Recipe] = {}
    for directory in directories:
        if not directory.is_dir():
            raise UsageError(
                f"{directory}: the folder of recipes does not exist", hint="name one in `recipes` of [tool.everywheel]"
            )
        for path in sorted(directory.glob("*/recipe.toml")):
            recipe = load_recipe(path)
            recipes[recipe.name] = recipe
    for recipe in recipes.values():
        _check_requirements(recipe, recipes)
    return recipes


def load_recipe(path: Path) -> Recipe:
    """Load one recipe.toml.

    Raises UsageError, naming file and key, for an error in the file.
    """
    table = read_toml(path)
    name, version = table.text("name"), table.text("version")
    if name != path.parent.name:
        raise UsageError(
            f"{path}: 'name' is '{name}' but the folder is '{path.parent.name}'", hint="give both the same name"
        )
    license_table = table.table("license")
    features = table.table("features", {})
    products = table.table("products")
    recipe = Recipe(
        name=name,
        version=version,
        summary=table.text("summary", ""),
        directory=path.parent,
        license=License(spdx=license_table.text("spdx"), files=license_table.texts("files", ...)),
        source=_load_source(table.table("source"), version),
        build=_load_build(table.table("build")),
        products=Products(
            libraries=products.texts("libraries"),
            headers=products.texts("headers"),
            pkgconfig=products.texts("pkgconfig"),
            programs=products.texts("programs"),
            sonames=products.text_map("sonames"),
            exports=products.texts("exports"),
            provides=products.texts("provides"),
            evidence=products.texts("evidence"),
        ),
        requires=table.texts("requires"),
        build_requires=table.texts("build-requires"),
        features={feature: _load_feature(features.table(feature), feature) for feature in features},
        profiles=table.text_lists("profiles"),
        overrides=tuple(_load_override(override) for override in table.tables("overrides")),
        files=_digest_files(path.parent),
    )
    license_table.reject_unknown_keys()
    products.reject_unknown_keys()
    table.reject_unknown_keys()
    for profile, names in recipe.profiles.items():
        for feature in names:
            if feature not in recipe.features:
                raise UsageError(
                    f"{path}: profile '{profile}' names an unknown feature '{feature}'",
                    hint=suggest(feature, recipe.features),
                )
    return recipe


def _load_source(table: Table, version: str) -> Source:
    urls = tuple(url.replace("{version}", version) for url in table.texts("urls"))
    debian = _load_debian(table, version)
    filename = debian.file if debian else PurePosixPath(urls[0]).name if urls else ""
    if not filename:
        raise UsageError(
            f"{table.location}: neither 'urls' nor 'debian' names a location of the source", hint=_LOCATIONS
        )
    source = Source(
        filename=filename,
        sha256=_load_sha256(table),
        urls=urls,
        debian=debian,
        patches=tuple(_load_patch(patch, version) for patch in table.tables("patches")),
    )
    table.reject_unknown_keys()
    return source


def _load_patch(table: Table, version: str) -> Patch:
    patch = Patch(
        name=table.text("name"),
        sha256=_load_sha256(table),
        urls=tuple(url.replace("{version}", version) for url in table.texts("urls")),
        debian=_load_debian(table, version),
    )
    if not patch.urls and patch.debian is None:
        raise UsageError(
            f"{table.location}: neither 'urls' nor 'debian' names a location of '{patch.name}'", hint=_LOCATIONS
        )
    table.reject_unknown_keys()
    return patch


def _load_debian(table: Table, version: str) -> DebianFile | None:
    if not table.has("debian"):
        return None
    debian = table.table("debian")
    file = DebianFile(
        package=debian.text("package"),
        file=debian.text("file").replace("{version}", version),
        revision=debian.text("revision", ""),
    )
    debian.reject_unknown_keys()
    return file


def _load_sha256(table: Table) -> str:
    value = table.text("sha256")
    if len(value) != 64 or value.strip("0123456789abcdef"):
        raise UsageError(
            f"{table.location}: 'sha256' must be 64 lower-case hex digits",
            details={"value": value},
            hint="`sha256sum ARCHIVE` prints it",
        )
    return value


def _load_build(table: Table) -> Build:
    system = _load_choice(table, "system", BuildSystem)
    build = Build(
        system=BuildSystem(system),
        subdir=table.text("subdir", ""),
        options=table.scalars("options"),
        enable=table.texts("enable"),
        disable=table.texts("disable"),
        defines=table.texts("defines"),
        flags=table.texts("flags"),
        link_flags=table.texts("link-flags"),
        optimize=Optimize(_load_choice(table, "optimize", Optimize, "balanced")),
        cxx_runtime=table.flag("cxx-runtime", True),
        headers=table.text_map("headers"),
    )
    table.reject_unknown_keys()
    return build


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
        provides=table.texts("provides"),
        evidence=table.texts("evidence"),
    )
    table.reject_unknown_keys()
    return feature


def _load_override(table: Table) -> Override:
    when = table.text_map("when")
    for fact in when:
        if fact not in ("os", "libc", "arch", "endian", "linkage"):
            raise UsageError(
                f"{table.location}: unknown condition '{fact}'", hint="known: os, libc, arch, endian, linkage"
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
        exports=table.texts("extend-exports"),
        system=BuildSystem(_load_choice(table, "system", BuildSystem)) if table.has("system") else None,
    )
    table.reject_unknown_keys()
    return override


def _digest_files(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != "recipe.toml")
    return {path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _check_requirements(recipe: Recipe, recipes: Mapping[str, Recipe]) -> None:
    optional = [name for feature in recipe.features.values() for name in (*feature.requires, *feature.build_requires)]
    conditional = [name for override in recipe.overrides for name in (*override.requires, *override.build_requires)]
    for name in (*recipe.requires, *recipe.build_requires, *optional, *conditional):
        if name not in recipes:
            raise UsageError(
                f"{recipe.directory / 'recipe.toml'}: requires '{name}', but there is no such recipe",
                hint=suggest(name, recipes),
            )
