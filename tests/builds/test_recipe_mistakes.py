"""Mistakes in a recipe of a small library with CMake files: the exact text that their author sees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fixture_project import FixtureProject
from test_make_builds import add_recipe

ROOT = Path(__file__).parents[2]
_OTHER = re.compile(r"\[|  log: |\d+ done, |  failed: ")
TARGET = "musllinux_1_2_aarch64"
RUN = "manylinux_2_17_x86_64"
CMAKE = """cmake_minimum_required(VERSION 3.20)
project(vec C)
option(SIMD "vectors" ON)
add_library(vec vec.c)
if(SIMD)
  target_compile_definitions(vec PRIVATE WITH_SIMD)
endif()
install(TARGETS vec)
install(FILES vec.h DESTINATION include)
install(FILES vec.pc DESTINATION lib/pkgconfig)
"""
CODE = """int vec(void) { return 1; }
#ifdef WITH_SIMD
int vec_simd(void) { return 2; }
#endif
"""
PC = "Name: vec\nDescription: vec\nVersion: 1\nCflags: -I/everywheel/include\nLibs: -L/everywheel/lib -lvec\n"
FILES = {"CMakeLists.txt": CMAKE, "vec.c": CODE, "vec.h": "int vec(void);\nint vec_simd(void);\n", "vec.pc": PC}
PRODUCTS = '[products]\nlibraries = ["vec"]\npkgconfig = ["vec"]\n'
CHECK = "#include <vec.h>\n#include <stdio.h>\n#include <stdlib.h>\nint main(int count, char **names)\n{\n    %s\n}\n"


@pytest.fixture
def small(project: FixtureProject) -> FixtureProject:
    """A project with the recipe `small`, whose build and products are right."""
    add_recipe(project, "small", 'system = "cmake"', FILES)
    project.replace("recipes/small/recipe.toml", "[products]\n", PRODUCTS)
    return project


def run(project: FixtureProject, *args: str, exit_code: int = 0) -> list[str]:
    """Run a command; return its output, and its errors without logs and results, with the project's paths replaced."""
    output, errors = project.run(*args, exit_code=exit_code)
    text = (output + errors).replace(str(project.root), "{root}").replace(str(project.store), "{store}")
    return [line for line in text.splitlines() if not _OTHER.match(line)]


def build(project: FixtureProject, target: str = TARGET, exit_code: int = 1) -> list[str]:
    return run(project, "deps", "small", "-t", target, exit_code=exit_code)


def test_both_linkages_of_a_named_recipe_are_built_and_checked(small: FixtureProject) -> None:
    small.replace("recipes/small/recipe.toml", '["vec"]\npkg', '["vec"]\nsonames = { vec = "libvec.so.9" }\npkg')
    args = ("recipes", "check", "--build", "small", "-t", TARGET)

    wrong = run(small, *args, exit_code=1)
    small.replace("recipes/small/recipe.toml", "libvec.so.9", "libvec.so")
    right = run(small, *args)

    assert wrong[1:] == [
        f"error: small 1.0 for {TARGET}: the build did not produce what the recipe promises",
        "  promise 1: lib/libvec.so has the soname 'libvec.so', not 'libvec.so.9'",
        "  installed: lib/libvec.so, lib/pkgconfig/vec.pc, include/vec.h",
        "  hint: correct [products] of the recipe, or the options that should have produced them",
    ]
    assert right[1:] == [f"{TARGET}: small 1.0 is built and checked, static and shared"]


def test_a_shared_library_that_exports_nothing_is_an_error(small: FixtureProject) -> None:
    small.replace("recipes/small/recipe.toml", '["vec"]\npkg', '["vec"]\nexports = ["fo_*"]\npkg')

    errors = run(small, "recipes", "check", "--build", "small", "-t", TARGET, exit_code=1)

    assert "  promise 1: lib/libvec.so exports no symbol: none of its own matches fo_* in `exports`" in errors


def test_a_library_that_is_named_with_its_prefix_is_an_error_with_its_name(small: FixtureProject) -> None:
    small.replace("recipes/small/recipe.toml", '["vec"]\npkg', '["libvec", "bar"]\npkg')

    assert build(small) == [
        f"error: small 1.0 for {TARGET}: the build did not produce what the recipe promises",
        "  promise 1: lib/liblibvec.a is missing: write 'vec' for lib/libvec.a",
        "  promise 2: lib/libbar.a is missing",
        "  installed: lib/libvec.a, lib/pkgconfig/vec.pc, include/vec.h",
        "  hint: correct [products] of the recipe, or the options that should have produced them",
    ]


def test_an_unused_name_is_a_warning(small: FixtureProject) -> None:
    small.replace(
        "recipes/small/recipe.toml", '"cmake"', '"cmake"\nenable = ["SIMD", "SIMPLE"]\noptions = { FOO_LEVEL = 1 }'
    )

    assert build(small, exit_code=0) == [
        f"{TARGET}: 1 library in the store",
        f"warning: small 1.0 for {TARGET}: CMake does not use SIMPLE, FOO_LEVEL of {{root}}/recipes/small/recipe.toml: "
        "`cmake -G Ninja -S source -B list -LH` in `everywheel shell small` lists the options",
    ]
    listed = run(small, "shell", "small", "--run", "cmake -G Ninja -S source -B list -LH")
    assert "SIMD:BOOL=ON" in listed


@pytest.mark.parametrize(
    ("body", "error", "detail"),
    [
        ("abort();", "the check program ended with signal 6, SIGABRT", None),
        ("return 3;", "the check program ended with exit 3", None),
        ("return 1;", "the check program ended with exit 1", None),
        (
            'puts("b"); return 0;',
            "the built library does not provide a feature that the recipe promises",
            "  missing: b",
        ),
    ],
)
def test_a_check_program_that_fails_is_an_error(
    small: FixtureProject, body: str, error: str, detail: str | None
) -> None:
    small.replace("recipes/small/recipe.toml", '["vec"]\npkg', '["vec"]\nprovides = ["a", "b"]\npkg')
    (small.root / "recipes" / "small" / "check.c").write_text(CHECK % body)

    lines = build(small, RUN)

    hint = (
        "correct {root}/recipes/small/check.c, which prints each name that is missing; "
        f"`everywheel shell small --target {RUN}` opens the workspace"
    )
    if detail is not None:
        hint = "configure disabled a feature; its output in the log names the reason"
    shown = [detail, "  | b"] if detail is not None else []
    assert lines == [f"error: small 1.0 for {RUN}: {error}", "  promised: a b", *shown, f"  hint: {hint}"]


def test_a_check_program_that_does_not_compile_is_an_error(small: FixtureProject) -> None:
    small.replace("recipes/small/recipe.toml", '["vec"]\npkg', '["vec"]\nprovides = ["a"]\npkg')
    check = small.root / "recipes" / "small" / "check.c"
    hint = (
        f"  hint: correct {{root}}/recipes/small/check.c%s; `everywheel shell small --target {RUN}` opens the workspace"
    )

    check.write_text(CHECK % "return vecd;")
    lines = build(small, RUN)
    assert lines[0] == f"error: small 1.0 for {RUN}: check failed (exit 1)"
    assert lines[-1] == hint % ""

    check.write_text(CHECK % "extern int bar(void); return bar();")
    lines = build(small, RUN)
    assert lines[0] == f"error: small 1.0 for {RUN}: check failed (exit 1)"
    assert lines[-1] == hint % ", `exports`, or the libraries in the pkg-config file"


def test_a_wrong_folder_is_an_error_before_anything_is_configured(small: FixtureProject) -> None:
    small.replace("recipes/small/recipe.toml", '"cmake"', '"cmake"\nsubdir = "src"')

    assert build(small) == [
        f"error: small 1.0 for {TARGET}: the source has no folder 'src'",
        "  build files: CMakeLists.txt",
        "  hint: correct `subdir` in [build] ({root}/recipes/small/recipe.toml)",
    ]


def test_the_build_file_of_the_page_builds_a_source_without_one(project: FixtureProject) -> None:
    page = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```meson\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    products = (
        'libraries = ["foo"]\nheaders = ["include/foo.h"]\npkgconfig = ["foo"]\nsonames = { foo = "libfoo.so.1" }\n'
    )
    add_recipe(
        project, "small", 'system = "meson"', {"foo.c": "int foo(void) { return 1; }\n", "foo.h": "int foo(void);\n"}
    )
    project.replace("recipes/small/recipe.toml", "[products]\n", f"[products]\n{products}")
    project.replace("recipes/small/recipe.toml", "license", 'alternatives = ["libfoo"]\nlicense')
    (project.root / "recipes" / "small" / "overlay").mkdir()
    (project.root / "recipes" / "small" / "overlay" / "meson.build").write_text(text)

    lines = run(project, "recipes", "check", "--build", "small", "-t", TARGET)

    assert lines[1:] == [f"{TARGET}: small 1.0 is built and checked, static and shared"]
