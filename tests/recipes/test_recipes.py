"""The recipes of the built-in collection: each resolves for every target and profile, and declares products and a license."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from everywheel.config.project import load_project
from everywheel.config.recipe import Linkage, resolve_recipe
from everywheel.config.recipe_loader import load_recipes
from everywheel.planning.plan import Identities, make_plan
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import Target, parse_target

ROOT = Path(__file__).parents[2]
RECIPES = load_recipes([ROOT / "recipes"])
LINUX = [
    tag
    for arch in ARCHES.values()
    for tag in ("manylinux_{}_{}_{}".format(*arch.lowest_glibc, arch.name), f"musllinux_1_2_{arch.name}")
]
TARGETS = tuple(map(parse_target, (*LINUX, "macosx_11_0_arm64", "macosx_10_15_x86_64")))
KEY_ORDER = [
    "name",
    "version",
    "summary",
    "license",
    "requires",
    "build-requires",
    "source",
    "build",
    "features",
    "profiles",
    "products",
    "overrides",
]


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.tag)
def test_every_recipe_resolves_for_every_target_with_every_profile(name: str, target: Target) -> None:
    recipe = RECIPES[name]

    for features in [(), *recipe.profiles.values(), tuple(recipe.features)]:
        for linkage in (Linkage.SHARED, Linkage.STATIC):
            resolved = resolve_recipe(recipe, target, linkage=linkage, features=features)

            assert not set(resolved.build.enable) & set(resolved.build.disable)


@pytest.mark.parametrize("name", RECIPES)
def test_the_tables_of_every_recipe_have_the_same_order(name: str) -> None:
    keys = list(tomllib.loads((ROOT / "recipes" / name / "recipe.toml").read_text()))

    assert keys == sorted(keys, key=KEY_ORDER.index)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_products_and_a_license(name: str) -> None:
    recipe = RECIPES[name]

    assert recipe.products.libraries or recipe.products.headers or recipe.products.programs
    assert recipe.license.files
    assert recipe.summary


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.products.libraries])
def test_every_library_declares_its_sonames_and_exports(name: str) -> None:
    products = RECIPES[name].products

    assert set(products.sonames) == set(products.libraries)
    assert products.exports


def test_every_target_has_a_complete_plan() -> None:
    project = load_project(ROOT)

    plan = make_plan(project, TARGETS, Identities(artifacts="a", toolchain="t", packaging="p"))

    assert sum(id.startswith("wheel:") for id in plan.steps) == len(TARGETS)


def test_the_allocators_of_libvips_and_libwebp_are_the_same() -> None:
    paths = (ROOT / "recipes/libvips/overlay/libvips/large_blocks.c", ROOT / "recipes/libwebp/overlay/large_blocks.c")

    assert len({path.read_bytes() for path in paths}) == 1
