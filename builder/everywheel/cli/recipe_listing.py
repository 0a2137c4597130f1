"""Recipes as text: tables of several, the description of one, and the words by which one is found."""

from __future__ import annotations

import json
from collections.abc import Iterable

from everywheel.cli.output import echo, make_table, print_table
from everywheel.config.collection import is_built_in, name_collection
from everywheel.config.recipe import Feature, Override, Products, Recipe


def has_text(recipe: Recipe, text: str) -> bool:
    """Return whether a text occurs in the names of a recipe, in lower and upper case alike."""
    products, debian = recipe.products, recipe.source.debian
    names = (
        recipe.name,
        recipe.summary,
        debian.package if debian else "",
        *recipe.features,
        *(f"lib{library}" for library in products.libraries),
        *products.headers,
        *products.pkgconfig,
        *products.programs,
    )
    return any(text.casefold() in name.casefold() for name in names)


def print_recipes(recipes: Iterable[Recipe], as_json: bool) -> None:
    """Print a table of recipes, or a JSON document."""
    if as_json:
        rows = [
            {
                "name": recipe.name,
                "version": recipe.version,
                "summary": recipe.summary,
                "license": recipe.license.spdx,
                "collection": name_collection(recipe),
            }
            for recipe in recipes
        ]
        echo(json.dumps(rows, indent=1))
        return
    table = make_table("recipe", "version", "license", "collection", "summary")
    for recipe in recipes:
        collection = name_collection(recipe) if is_built_in(recipe) else "project"
        table.add_row(recipe.name, recipe.version, recipe.license.spdx, collection, recipe.summary)
    print_table(table)


def describe_recipe(recipe: Recipe) -> dict[str, str]:
    """Return the parts of a recipe as lines of text by their labels; a part that the recipe does not have is empty."""
    source, products = recipe.source, recipe.products
    package = [f"Debian package {source.debian.package}"] if source.debian else []
    conditions = [_describe_condition(override) for override in recipe.overrides]
    reasons = [
        f"{_describe_condition(override)} ({override.unsupported})"
        for override in recipe.overrides
        if override.unsupported
    ]
    parts: list[Products | Feature | Override] = [products, *recipe.features.values(), *recipe.overrides]
    own = [name for name in recipe.files if name.startswith("patches/") and name.endswith(".patch")]
    return {
        "name": f"{recipe.name} {recipe.version}",
        "summary": recipe.summary,
        "license": recipe.license.spdx,
        "collection": name_collection(recipe),
        "source": f"{source.filename}, sha256 {source.sha256}",
        "locations": ", ".join([*package, *source.urls]),
        "patches": ", ".join([*(patch.name for patch in source.patches), *own]),
        "requires": ", ".join(recipe.requires),
        "build-requires": ", ".join(recipe.build_requires),
        "system": recipe.build.system,
        "features": ", ".join(_describe_feature(feature) for feature in recipe.features.values()),
        "profiles": ", ".join(f"{name} = {' '.join(parts)}" for name, parts in recipe.profiles.items()),
        "differs for": ", ".join(dict.fromkeys(conditions)),
        "unsupported": ", ".join(reasons),
        "alternatives": ", ".join(recipe.alternatives),
        "libraries": ", ".join(products.libraries),
        "pkg-config": ", ".join(products.pkgconfig),
        "headers": ", ".join(products.headers),
        "programs": ", ".join(products.programs),
        "sonames": ", ".join(products.sonames.values()),
        "exports": " ".join(dict.fromkeys(pattern for part in parts for pattern in part.exports)),
        "provides": ", ".join(dict.fromkeys(name for part in parts for name in part.provides)),
        "files": ", ".join(recipe.files),
    }


def _describe_condition(override: Override) -> str:
    return " ".join(f"{fact}={glob}" for fact, glob in override.when.items())


def _describe_feature(feature: Feature) -> str:
    return f"{feature.name} ({' '.join(feature.requires)})" if feature.requires else feature.name
