"""The plan of libvips' SDK: for every target of the project, and without any effect on the wheels."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.cli.sdk import PROFILE, plan_sdk, prepare_project
from everywheel.config.project import load_project
from everywheel.config.recipe import Linkage
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.planning.steps import LibraryStep, StepKind
from everywheel.platforms.target import Target
from everywheel.sources.request import list_source_files

PROJECT = load_project(Path(__file__).parents[2])
IDENTITIES = Identities(artifacts="a", toolchain="t", packaging="p")
RECIPE = PROJECT.recipes["libvips"]
LINUX = ("aarch64", "armv7l", "i686", "ppc64le", "riscv64", "s390x", "x86_64")
SERVER_LIBRARIES = "aom dav1d libde265 libheif libtiff"
LIBRARIES = "expat glib highway lcms2 libexif libffi libjpeg-turbo libpng libvips libwebp pcre2 zlib"


def plan_libvips(targets: tuple[Target, ...], linkage: Linkage, profile: str = PROFILE) -> tuple[LibraryStep, ...]:
    chosen = () if profile == PROFILE else ("libvips",)
    project = replace(PROJECT, features={**PROJECT.features, "libvips": RECIPE.profiles[profile]})
    plan = plan_sdk(prepare_project(project, ["libvips"], linkage, chosen), targets, ["libvips"], IDENTITIES)
    return tuple(plan.libraries.values())


@pytest.mark.parametrize("linkage", [Linkage.STATIC, Linkage.SHARED])
def test_an_sdk_is_planned_for_seven_architectures_of_linux_and_for_macos_and_windows(linkage: Linkage) -> None:
    steps = plan_libvips(PROJECT.every_target, linkage)

    systems = [(t.os, t.libc or "", t.arch.name) for t in PROJECT.every_target]
    linux = itertools.product(["linux"], ["glibc", "musl"], LINUX)
    others = itertools.product(["darwin", "windows"], [""], ["aarch64", "x86_64"])
    assert sorted(systems) == sorted([*linux, *others])
    for target in PROJECT.every_target:
        recipes = {s.recipe.name: s.recipe for s in steps if s.platform == target.tag and s.kind is StepKind.LIBRARY}
        assert sorted(recipes) == LIBRARIES.split(), target.tag
        assert recipes["libvips"].features == RECIPE.profiles[PROFILE]
        assert recipes["libvips"].linkage is linkage
        assert {recipe.linkage for name, recipe in recipes.items() if name != "libvips"} == {Linkage.STATIC}
        assert {"vips_*", "g_*", "glib_*"} <= {*recipes["libvips"].products.exports}


def test_the_profile_for_servers_has_that_for_sdks_and_more_formats() -> None:
    steps = plan_libvips(PROJECT.every_target, Linkage.SHARED, "server")

    assert {*RECIPE.profiles[PROFILE], "heif", "tiff"} == {*RECIPE.profiles["server"]}
    for target in PROJECT.every_target:
        recipes = {s.recipe.name: s.recipe for s in steps if s.platform == target.tag and s.kind is StepKind.LIBRARY}
        assert sorted(recipes) == sorted([*LIBRARIES.split(), *SERVER_LIBRARIES.split()]), target.tag
        assert recipes["libvips"].features == RECIPE.profiles["server"]


def test_the_profile_for_sdks_changes_no_key_of_a_wheel() -> None:
    """A wheel's libvips is one of the steps whose keys its own key contains."""
    features = {name: feature for name, feature in RECIPE.features.items() if name != "glib"}
    profiles = {name: profile for name, profile in RECIPE.profiles.items() if name != PROFILE}
    without = replace(
        PROJECT, recipes={**PROJECT.recipes, "libvips": replace(RECIPE, features=features, profiles=profiles)}
    )

    keys, keys_without = (
        {id: step.key for id, step in make_plan(project, PROJECT.every_target, IDENTITIES).steps.items()}
        for project in (PROJECT, without)
    )

    assert len(features) + 1 == len(RECIPE.features)
    assert keys == keys_without


def test_the_sources_of_a_release_are_those_of_the_sdks_too() -> None:
    released = {file.sha256 for file in list_source_files(make_plan(PROJECT, PROJECT.released, IDENTITIES).recipes)}

    for linkage in (Linkage.STATIC, Linkage.SHARED):
        recipes = tuple(step.recipe for step in plan_libvips(PROJECT.every_target, linkage))
        assert {file.sha256 for file in list_source_files(recipes)} <= released
