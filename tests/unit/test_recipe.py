"""Recipes as they are written, and as they are resolved for one target."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.config.recipe import BuildSystem, Linkage, Optimize, Recipe
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.recipe_resolver import find_unsupported, resolve_recipe
from everywheel.errors import UsageError
from everywheel.platforms.target import parse_target

TEXT = """
name = "libfoo"
version = "1.2"
license = { spdx = "MIT", files = ["LICENSE"] }
requires = ["zlib"]

[source]
urls = ["https://example.org/foo-{version}.tar.gz"]
debian = { package = "foo", file = "foo_{version}.orig.tar.gz" }
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"

[build]
system = "meson"
optimize = "speed"
disable = ["tests"]

[build.options]
level = 1

[features.jpeg]
requires = ["jpeg"]
enable = ["jpeg"]
provides = ["jpegload"]

[features.png]
requires = ["png"]
enable = ["png"]
options = { level = 2 }

[profiles]
web = ["jpeg", "png"]

[products]
libraries = ["foo"]

[[overrides]]
when = { libc = "musl", arch = "a*" }
extend-defines = ["MUSL"]
extend-requires = ["stack"]

[[overrides]]
when = { linkage = "shared" }
options = { shared = true }
"""
GLIBC, MUSL = parse_target("manylinux2014_x86_64"), parse_target("musllinux_1_2_aarch64")


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    folder = tmp_path / "libfoo"
    (folder / "overlay").mkdir(parents=True)
    (folder / "recipe.toml").write_text(TEXT)
    (folder / "overlay" / "meson.build").write_text("project('foo')")
    (folder / "check.c").write_text("int main(void) { return 0; }")
    return load_recipe(folder / "recipe.toml")


def test_a_recipe_has_the_values_of_its_file(recipe: Recipe) -> None:
    assert (recipe.build.system, recipe.build.optimize) == (BuildSystem.MESON, Optimize.SPEED)
    assert recipe.source.urls == ("https://example.org/foo-1.2.tar.gz",)
    assert recipe.source.filename == "foo_1.2.orig.tar.gz"
    assert sorted(recipe.files) == ["check.c", "overlay/meson.build"]


def test_a_resolved_recipe_names_its_overlay_and_its_check_program(recipe: Recipe) -> None:
    resolved = resolve_recipe(recipe, GLIBC, linkage=Linkage.STATIC)

    assert resolved.overlay == ("overlay/meson.build",)
    assert resolved.check == recipe.directory / "check.c"


def test_a_feature_that_is_not_selected_is_disabled_by_name(recipe: Recipe) -> None:
    resolved = resolve_recipe(recipe, GLIBC, linkage=Linkage.STATIC, features=["png"])

    assert resolved.build.enable == ("png",)
    assert resolved.build.disable == ("tests", "jpeg")
    assert resolved.requires == ("zlib", "png")
    assert resolved.build.options == {"level": 2}
    assert resolved.products.provides == ()


def test_overrides_apply_where_every_condition_holds(recipe: Recipe) -> None:
    shared_glibc = resolve_recipe(recipe, GLIBC, linkage=Linkage.SHARED)
    static_musl = resolve_recipe(recipe, MUSL, linkage=Linkage.STATIC)

    assert (shared_glibc.build.defines, shared_glibc.build.options["shared"]) == ((), True)
    assert (static_musl.build.defines, static_musl.requires) == (("MUSL",), ("zlib", "stack"))
    assert "shared" not in static_musl.build.options


def test_a_later_override_replaces_the_switches_and_options_of_the_same_name(recipe: Recipe) -> None:
    path = recipe.directory / "recipe.toml"
    build = '[build]\nenable = ["fast", "cache"]\ndisable = ["simd", "tests", "docs"]\n'
    overrides = (
        '[[overrides]]\nwhen = { os = "linux" }\nextend-enable = ["simd", "jpeg"]\nextend-disable = ["fast"]\n'
        '[[overrides]]\nwhen = { libc = "musl" }\nextend-disable = ["simd"]\n'
        'options = { docs = "html", cache = "small" }\n'
    )
    path.write_text(TEXT.replace("[build]\n", build).replace('\ndisable = ["tests"]\n', "\n") + overrides)
    recipe = load_recipe(path)

    glibc, musl = (resolve_recipe(recipe, target, linkage=Linkage.STATIC).build for target in (GLIBC, MUSL))

    assert (glibc.enable, glibc.disable) == (("cache", "simd", "jpeg"), ("fast", "tests", "docs", "png"))
    assert (musl.enable, musl.disable) == (("jpeg",), ("fast", "simd", "tests", "png"))
    assert musl.options == {"level": 1, "docs": "html", "cache": "small"}


def test_a_later_switch_replaces_an_option_of_a_configure_script(recipe: Recipe) -> None:
    path = recipe.directory / "recipe.toml"
    build = '[build]\nsystem = "autotools"\noptions = { "with-ssl" = "{prefix}", "enable-jit" = "all", level = "1" }\n'
    overrides = '[[overrides]]\nwhen = { os = "linux" }\nextend-disable = ["with-ssl", "jit"]\n'
    start, end = TEXT.index("[build]\n"), TEXT.index("[features")
    path.write_text(TEXT[:start] + build + TEXT[end:] + overrides)

    resolved = resolve_recipe(load_recipe(path), GLIBC, linkage=Linkage.STATIC).build

    assert {"with-ssl", "jit"} <= set(resolved.disable)
    assert resolved.options == {"level": "1"}


def test_a_selected_feature_enables_what_the_recipe_disables(recipe: Recipe) -> None:
    path = recipe.directory / "recipe.toml"
    path.write_text(TEXT.replace('disable = ["tests"]', 'disable = ["tests", "png"]'))

    build = resolve_recipe(load_recipe(path), GLIBC, linkage=Linkage.STATIC, features=["png"]).build

    assert (build.enable, build.disable) == (("png",), ("tests", "jpeg"))


def test_an_override_states_why_a_target_is_not_supported(recipe: Recipe) -> None:
    path = recipe.directory / "recipe.toml"
    path.write_text(f'{TEXT}\n[[overrides]]\nwhen = {{ libc = "musl" }}\nunsupported = "it calls functions of glibc"\n')
    recipe = load_recipe(path)

    assert find_unsupported(recipe, GLIBC, Linkage.STATIC) == ""
    assert find_unsupported(recipe, MUSL, Linkage.STATIC) == "it calls functions of glibc"
    assert resolve_recipe(recipe, GLIBC, linkage=Linkage.STATIC).name == "libfoo"
    with pytest.raises(UsageError, match="cannot be built for musllinux_1_2_aarch64"):
        resolve_recipe(recipe, MUSL, linkage=Linkage.STATIC)


def test_an_unknown_feature_is_an_error_with_a_suggestion(recipe: Recipe) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_recipe(recipe, GLIBC, linkage=Linkage.STATIC, features=["jpg"])

    assert caught.value.render() == "error: libfoo has no feature 'jpg'\n  hint: did you mean 'jpeg'?"
