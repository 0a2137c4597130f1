"""The recipes of the built-in collection: each resolves for every target and profile, and declares products and a license."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from everywheel.config.project import load_project
from everywheel.config.recipe import Linkage
from everywheel.config.recipe_loader import load_recipes
from everywheel.config.recipe_resolver import find_unsupported, resolve_recipe
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import Target, parse_target
from everywheel.sources.cache import find_source
from everywheel.sources.patch_archive import read_patches
from everywheel.sources.request import PinnedFile, WrongPin, list_patch_archives, list_source_files
from everywheel.store.local import default_store

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
    "cpe",
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
            if find_unsupported(recipe, target, linkage):
                continue
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


# A DLL has neither.
SHARED = [n for n, r in RECIPES.items() if r.products.libraries and not find_unsupported(r, TARGETS[0], Linkage.SHARED)]


@pytest.mark.parametrize("name", SHARED)
def test_every_library_declares_its_sonames_and_exports(name: str) -> None:
    products = RECIPES[name].products

    assert set(products.sonames) == set(products.libraries)
    assert products.exports


PINNED = [file for file in list_source_files(RECIPES.values()) if file.archive is None]
PATCH_ARCHIVES = list_patch_archives(list_source_files(RECIPES.values()))


@pytest.mark.parametrize("name", SHARED)
def test_every_library_has_a_check_of_its_features(name: str) -> None:
    recipe = RECIPES[name]

    assert recipe.files.keys() & {"check.c", "check.cpp"}
    assert recipe.products.provides


@pytest.mark.parametrize("file", [*PINNED, *PATCH_ARCHIVES], ids=lambda file: file.filename)
def test_every_pinned_file_has_two_independent_locations(file: PinnedFile) -> None:
    hosts = {urlsplit(url).hostname for url in file.urls}

    assert len(hosts) + bool(file.sha1) + (file.debian is not None) >= 2
    assert file.size


@pytest.mark.parametrize("archive", PATCH_ARCHIVES, ids=lambda file: file.filename)
def test_every_patch_is_in_its_archive_in_the_order_of_its_series(archive: PinnedFile) -> None:
    path = find_source(default_store(), archive.sha256)
    if path is None:
        pytest.skip("the archive is not in the store: `everywheel sources fetch` fetches it if a patch is missing")
    patches = [file for file in list_source_files(RECIPES.values()) if file.archive == archive]

    contents = read_patches(archive, path, patches)

    assert [reason for reason in contents.values() if isinstance(reason, WrongPin)] == []
    assert hashlib.sha1(path.read_bytes()).hexdigest() == archive.sha1


def test_every_target_has_a_complete_plan() -> None:
    project = load_project(ROOT)

    plan = make_plan(project, TARGETS, Identities(artifacts="a", toolchain="t", packaging="p"))

    assert sum(id.startswith("wheel:") for id in plan.steps) == len(TARGETS)


def test_the_allocators_of_libvips_and_libwebp_are_the_same() -> None:
    paths = (ROOT / "recipes/libvips/overlay/libvips/large_blocks.c", ROOT / "recipes/libwebp/overlay/large_blocks.c")

    assert len({path.read_bytes() for path in paths}) == 1
