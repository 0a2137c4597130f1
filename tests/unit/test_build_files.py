"""Build files that a source does not have: the error names the key of the recipe, and the build files of the source."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.config.recipe import Linkage, ResolvedRecipe
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.recipe_resolver import resolve_recipe
from everywheel.errors import BuildError
from everywheel.libraries.build_files import check_build_file
from everywheel.platforms.target import parse_target

TEXT = """
name = "small"
version = "1.0"
license = {{ spdx = "MIT", files = ["LICENSE"] }}
[source]
urls = ["https://example.org/small-1.0.tar"]
sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
[build]
{build}
[products]
"""
EDIT = "correct `system` or `subdir` in [build], or write overlay/meson.build"
RELEASE = "autoconf is not run: pin the archive of upstream's release, which has it, or write overlay/meson.build"


def make_recipe(folder: Path, build: str) -> ResolvedRecipe:
    path = folder / "small" / "recipe.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(TEXT.format(build=build))
    return resolve_recipe(load_recipe(path), parse_target("musllinux_1_2_aarch64"), linkage=Linkage.STATIC)


def make_source(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder / "source"


@pytest.mark.parametrize(
    ("build", "fact", "hint"),
    [
        ('system = "meson"', "the source has no meson.build", EDIT),
        ('system = "cmake"\nsubdir = "lib"', "the source has no CMakeLists.txt in 'lib'", EDIT),
        ('system = "cmake"\nsubdir = "src"', "the source has no folder 'src'", "correct `subdir` in [build]"),
        ('system = "make"', "the source has no Makefile", EDIT),
        ('system = "autotools"\nconfigure = ["config.sh"]', "the source has no config.sh", EDIT),
        (
            'system = "autotools"',
            "the source has no configure, but the configure.ac that autoconf makes it from",
            RELEASE,
        ),
    ],
)
def test_a_missing_build_file_is_an_error_that_names_those_of_the_source(
    tmp_path: Path, build: str, fact: str, hint: str
) -> None:
    source = make_source(
        tmp_path, "CMakeLists.txt", "configure.ac", "lib/a.c", "lib/sub/Makefile", "lib/sub/deep/meson.build"
    )
    recipe = make_recipe(tmp_path, build)

    with pytest.raises(BuildError) as caught:
        check_build_file(recipe, source)

    assert caught.value.render() == (
        f"error: small 1.0 for musllinux_1_2_aarch64: {fact}\n"
        "  build files: CMakeLists.txt, configure.ac, lib/sub/Makefile\n"
        f"  hint: {hint} ({recipe.directory / 'recipe.toml'})"
    )


def test_a_source_with_many_build_files_or_none_is_described(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, 'system = "meson"')

    with pytest.raises(BuildError) as none:
        check_build_file(recipe, make_source(tmp_path, "a.c"))
    with pytest.raises(BuildError) as many:
        check_build_file(recipe, make_source(tmp_path, *(f"{folder}/Makefile" for folder in "abcdef")))

    assert none.value.details == {"build files": "none"}
    assert many.value.details == {"build files": "a/Makefile, b/Makefile, c/Makefile, d/Makefile, e/Makefile, …"}


@pytest.mark.parametrize(
    ("build", "name"),
    [
        ('system = "meson"\nsubdir = "build/meson"', "build/meson/meson.build"),
        ('system = "make"', "GNUmakefile"),
        ('system = "make"\ncompile = ["-f", "unix.mk", "all"]', "unix.mk"),
        ('system = "make"\nconfigure = ["perl", "Configure"]', "Configure"),
        ('system = "headers"\n[build.headers]\n"." = "include"', "small.h"),
    ],
)
def test_a_source_with_the_build_file_is_accepted(tmp_path: Path, build: str, name: str) -> None:
    check_build_file(make_recipe(tmp_path, build), make_source(tmp_path, name))
