"""Broken promises of a recipe, each checked on the prefix that the finished workshop built."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.config.recipe import Linkage, ResolvedRecipe, resolve_recipe
from everywheel.config.recipe_loader import load_recipe
from everywheel.errors import BuildError
from everywheel.libraries.products import check_products
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store
from workshop import Workshop

TARGETS = ("manylinux2014_x86_64", "musllinux_1_2_aarch64", "macosx_11_0_arm64", "win_amd64")


def resolve(workshop: Workshop, tag: str) -> ResolvedRecipe:
    recipe = load_recipe(workshop.project / "recipes" / "libfoo" / "recipe.toml")
    return resolve_recipe(recipe, parse_target(tag), linkage=Linkage.SHARED, features=["answer"])


def unpack_libfoo(workshop: Workshop, tag: str) -> Path:
    """Unpack the finished libfoo of a target, and return its prefix."""
    store, target, prefix = Store(workshop.store), parse_target(tag), workshop.folder / tag
    (entry,) = [entry for entry in store.entries() if (entry.name, entry.target) == ("libfoo", target.tag)]
    prefix.mkdir()
    store.unpack(entry.key, prefix)
    return prefix


@pytest.mark.parametrize("tag", TARGETS)
def test_a_finished_prefix_keeps_every_promise(copy: Workshop, tag: str) -> None:
    check_products(unpack_libfoo(copy, tag), resolve(copy, tag), ())


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
def test_a_broken_promise_is_named(copy: Workshop, old: str, new: str, promise: str) -> None:
    prefix = unpack_libfoo(copy, TARGETS[0])
    copy.replace("recipes/libfoo/recipe.toml", old, new)

    with pytest.raises(BuildError) as raised:
        check_products(prefix, resolve(copy, TARGETS[0]), ())

    assert list(raised.value.details) == ["promise 1"]
    assert promise in str(raised.value.details["promise 1"])


def test_a_path_of_the_build_machine_is_named(copy: Workshop) -> None:
    prefix = unpack_libfoo(copy, TARGETS[0])
    (prefix / "include" / "foo.h").write_text("/* /build/machine/path */\n")

    with pytest.raises(BuildError) as raised:
        check_products(prefix, resolve(copy, TARGETS[0]), ("/build/machine",))

    assert "include/foo.h" in str(raised.value.details["promise 1"])


def test_a_library_for_another_architecture_is_named(copy: Workshop) -> None:
    with pytest.raises(BuildError) as raised:
        check_products(unpack_libfoo(copy, "musllinux_1_2_aarch64"), resolve(copy, "musllinux_1_2_x86_64"), ())

    assert any("x86_64" in str(problem) for problem in raised.value.details.values())
