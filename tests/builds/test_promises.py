"""The products that a recipe promises, checked in the prefix of an artifact that `built_project` has built."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.config.recipe import Linkage, ResolvedRecipe
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.recipe_resolver import resolve_recipe
from everywheel.errors import BuildError
from everywheel.libraries.products import check_products
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store
from fixture_project import FixtureProject

TARGETS = ("manylinux2014_x86_64", "musllinux_1_2_aarch64", "macosx_11_0_arm64", "win_amd64")


def resolve(project: FixtureProject, tag: str) -> ResolvedRecipe:
    recipe = load_recipe(project.root / "recipes" / "libfoo" / "recipe.toml")
    return resolve_recipe(recipe, parse_target(tag), linkage=Linkage.SHARED, features=["answer"])


def unpack_libfoo(project: FixtureProject, tag: str) -> Path:
    """Unpack the artifact of libfoo for a target, and return its prefix."""
    store, target, prefix = Store(project.store), parse_target(tag), project.folder / tag
    (entry,) = [entry for entry in store.entries() if (entry.name, entry.target) == ("libfoo", target.tag)]
    prefix.mkdir()
    store.unpack(entry.key, prefix)
    return prefix


@pytest.mark.parametrize("tag", TARGETS)
def test_a_correct_prefix_has_every_product(project_copy: FixtureProject, tag: str) -> None:
    check_products(unpack_libfoo(project_copy, tag), resolve(project_copy, tag), ())


@pytest.mark.parametrize(
    ("old", "new", "promise"),
    [
        ('libraries = ["foo"]', 'libraries = ["foo", "fool"]', "lib/libfool.so"),
        ('"include/foo.h"', '"include/food.h"', "include/food.h"),
        ("libfoo.so.1", "libfoo.so.2", "lib/libfoo.so has the soname 'libfoo.so.1', not 'libfoo.so.2'"),
        ('pkgconfig = ["foo"]', 'pkgconfig = ["fou"]', "lib/pkgconfig/fou.pc"),
        ('exports = ["foo_answer"]', 'exports = ["foo_question"]', "foo_answer"),
        (
            'exports = ["foo_answer"]',
            'exports = ["foo_answer"]\nevidence = ["forty-two"]',
            "forty-two",
        ),
    ],
)
def test_a_missing_or_wrong_product_is_named(project_copy: FixtureProject, old: str, new: str, promise: str) -> None:
    prefix = unpack_libfoo(project_copy, TARGETS[0])
    project_copy.replace("recipes/libfoo/recipe.toml", old, new)

    with pytest.raises(BuildError) as raised:
        check_products(prefix, resolve(project_copy, TARGETS[0]), ())

    assert list(raised.value.details) == ["promise 1", "installed"]
    assert promise in str(raised.value.details["promise 1"])


def test_a_path_of_the_build_machine_is_named(project_copy: FixtureProject) -> None:
    prefix = unpack_libfoo(project_copy, TARGETS[0])
    (prefix / "include" / "foo.h").write_text("/* /build/machine/path */\n")

    with pytest.raises(BuildError) as raised:
        check_products(prefix, resolve(project_copy, TARGETS[0]), ("/build/machine",))

    assert "include/foo.h" in str(raised.value.details["promise 1"])


def test_a_library_for_another_architecture_is_named(project_copy: FixtureProject) -> None:
    with pytest.raises(BuildError) as raised:
        check_products(
            unpack_libfoo(project_copy, "musllinux_1_2_aarch64"), resolve(project_copy, "musllinux_1_2_x86_64"), ()
        )

    assert any("x86_64" in str(problem) for problem in raised.value.details.values())


def test_a_headers_recipe_with_a_wrong_directory_names_it(project: FixtureProject) -> None:
    project.add_headers_recipe("h0")
    project.replace("recipes/h0/recipe.toml", '"." = ', '"missing" = ')

    _, errors = project.run("deps", "h0", "-t", TARGETS[0], exit_code=1)

    assert "error: h0 1.0 for manylinux_2_17_x86_64: the source has no directory 'missing'" in errors
    assert f"  hint: correct [build.headers] of {project.root}/recipes/h0/recipe.toml" in errors
