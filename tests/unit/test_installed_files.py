"""A build that writes to the prefix of the build machine instead of the staging directory is an error, as any user."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.config.recipe import Linkage
from everywheel.config.recipe_loader import load_recipe
from everywheel.config.recipe_resolver import resolve_recipe
from everywheel.errors import BuildError
from everywheel.libraries.installed_files import check_installed
from everywheel.libraries.make_failures import explain_cmake_failure, explain_make_failure
from everywheel.platforms.target import parse_target

RECIPES = Path(__file__).parents[2] / "recipes"
FACT = "the build installs into /everywheel of this machine instead of the staging directory"
HINT = 'a makefile without DESTDIR can get the staged prefix: `options = { PREFIX = "{stage}" }` in [build]'


def test_a_build_that_wrote_to_the_prefix_of_this_machine_is_an_error(tmp_path: Path) -> None:
    recipe = resolve_recipe(
        load_recipe(RECIPES / "libsodium" / "recipe.toml"),
        parse_target("manylinux2014_x86_64"),
        linkage=Linkage.STATIC,
    )

    with pytest.raises(BuildError) as caught:
        check_installed(tmp_path, recipe, wrote_prefix=True)

    assert (caught.value.fact, caught.value.hint) == (f"{recipe.label}: {FACT}", f"remove /everywheel; {HINT}")
    assert caught.value.details == {"exists now": "/everywheel"}


@pytest.mark.parametrize(
    "line",
    [
        "mkdir: cannot create directory '/everywheel': Permission denied",
        "install: cannot create regular file '/everywheel/lib/libfoo.a': Permission denied",
        "cp: cannot create directory '/everywheel/include': Read-only file system",
    ],
)
def test_a_build_that_may_not_write_to_the_prefix_of_this_machine_has_the_same_error(line: str) -> None:
    error = BuildError("foo 1.0: install: exit code 2", excerpt=(line, "make: *** [Makefile:9: install] Error 1"))

    explain_make_failure(error, "foo 1.0")

    assert (error.fact, error.hint) == (f"foo 1.0: {FACT}", HINT)


def test_a_directory_of_a_similar_name_is_not_the_prefix() -> None:
    error = BuildError("foo 1.0", excerpt=("mkdir: cannot create directory '/everywheel2': Permission denied",))

    explain_make_failure(error, "foo 1.0")

    assert error.fact == "foo 1.0"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (
            "FETCHCONTENT_FULLY_DISCONNECTED is set to true, which requires the source directory for dependency\n"
            "a-very-long-name-of-a-dependency to already be populated.",
            "a-very-long-name-of-a-dependency",
        ),
        ("fatal: transport 'https' not allowed", "a file"),
        ('status_code: 7\n      status_string: "Could not connect to server"', "a file"),
    ],
)
def test_downloads_of_cmake_files_are_named(line: str, what: str) -> None:
    error = BuildError("foo 1.0: configure failed (exit 1)", excerpt=tuple(line.splitlines()))

    explain_cmake_failure(error, "foo 1.0")

    assert error.fact == f"foo 1.0: the CMake files download {what}, and builds download nothing"


def test_a_text_in_a_source_file_is_not_taken_for_a_download() -> None:
    line = "net.c:3:12: error: no member 'x' in: return \"Could not connect to server\";"
    error = BuildError("foo 1.0: compile failed (exit 1)", excerpt=(line,))

    explain_cmake_failure(error, "foo 1.0")

    assert error.fact == "foo 1.0: compile failed (exit 1)"
