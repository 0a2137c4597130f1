"""The exports of DLLs whose source does not mark them: those that the patterns of the recipe match."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from everywheel.binaries.pe import read_pe
from everywheel.toolchains.define_exports import define_exports, list_objects
from fixture_project import FixtureProject
from test_make_builds import add_recipe
from test_repair import compile_c

__all__ = ["compile_c"]  # a fixture

WINDOWS = "win_amd64"
SOURCES = {
    "a.c": "int small_limit = 42, small_common;\nint inner_b(void);\nint small_a(void) { return inner_b() + small_limit; }\n",
    "b.c": """int inner_b(void) { return 0; }
static int small_own(void) { return 1; }
int small_b(void) { return small_own(); }
""",
    "c.c": "int small_whole(void) { return 2; }\n",
    "d.c": "int small_unused(void) { return 3; }\n",
}
MESON = """project('small', 'c')
whole = static_library('whole', 'c.c')
part = static_library('part', 'd.c')
library('small', 'a.c', 'b.c', link_whole: whole, link_with: part, install: true)
"""
CMAKE = """cmake_minimum_required(VERSION 3.20)
project(small LANGUAGES C)
add_library(whole OBJECT c.c)
add_library(part STATIC d.c)
add_library(small a.c b.c $<TARGET_OBJECTS:whole>)
target_link_libraries(small PRIVATE part)
install(TARGETS small)
"""


def build(project: FixtureProject, system: str, files: dict[str, str], prefix: Path) -> tuple[str, ...]:
    """Build a recipe that exports `small_*`; return what its DLL exports."""
    add_recipe(project, "small", f'system = "{system}"', files)
    project.replace(
        "recipes/small/recipe.toml", "[products]", '[products]\nlibraries = ["small"]\nexports = ["small_*"]'
    )
    project.replace("pyproject.toml", 'shared = ["libfoo"]', 'shared = ["small"]')
    project.run("deps", "small", "-t", WINDOWS, "--prefix", str(prefix))
    (dll,) = (prefix / "bin").glob("*.dll")
    return read_pe(dll.read_bytes()).exports


def run_program(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "everywheel.toolchains.define_exports", *map(str, arguments)], check=True)


@pytest.mark.parametrize("build_file", ["meson.build", "CMakeLists.txt"])
def test_a_dll_exports_what_the_recipe_declares(project: FixtureProject, tmp_path: Path, build_file: str) -> None:
    system, text = ("meson", MESON) if build_file == "meson.build" else ("cmake", CMAKE)

    exports = build(project, system, {**SOURCES, build_file: text}, tmp_path / "prefix")

    assert exports == ("small_a", "small_b", "small_common", "small_limit", "small_whole")


def test_a_dll_whose_source_marks_exports_has_only_those(project: FixtureProject, tmp_path: Path) -> None:
    marked = {**SOURCES, "b.c": f"__declspec(dllexport) int small_marked(void) {{ return 1; }}\n{SOURCES['b.c']}"}

    exports = build(project, "meson", {**marked, "meson.build": MESON}, tmp_path / "prefix")

    assert exports == ("small_marked",)


def test_a_definition_of_the_project_is_used(project: FixtureProject, tmp_path: Path) -> None:
    files = {**SOURCES, "small.def": "EXPORTS\n  small_b\n"}
    text = MESON.replace("install:", "vs_module_defs: 'small.def', install:")

    exports = build(project, "meson", {**files, "meson.build": text}, tmp_path / "prefix")

    assert exports == ("small_b",)


def test_data_is_exported_as_data(compile_c: Callable[..., bytes]) -> None:
    objects = [compile_c(WINDOWS, source, "-c", "-fno-lto") for source in SOURCES.values()]

    text = define_exports(objects, ["small_*m*", "small_[ab]"])

    lines = ["EXPORTS", '  "small_a"', '  "small_b"', '  "small_common" DATA', '  "small_limit" DATA']
    assert text.splitlines() == lines
    assert define_exports(objects, ["other_*"]) == ""


def test_only_archives_that_are_linked_as_a_whole_are_read() -> None:
    inputs = ["-shared", "a.o", "b.a", "-Wl,--whole-archive,c.a,--no-whole-archive", "-lfoo", "x y.obj"]
    others = ["-Wl,--whole-archive", "y.a", "-Wl,--no-whole-archive", "z.a", "-o", "d.dll"]

    assert [str(path) for path in list_objects([*inputs, *others])] == ["a.o", "c.a", "x y.obj", "y.a"]


def test_objects_that_a_response_file_names_are_read(compile_c: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "a b.o").write_bytes(compile_c(WINDOWS, SOURCES["b.c"], "-c", "-fno-lto"))
    (tmp_path / "rsp").write_text(f'-shared "{tmp_path}/a b.o" -o d.dll')
    file = tmp_path / "exports.def"

    run_program(file, "small_*", "--", f"@{tmp_path / 'rsp'}")
    assert file.read_text() == 'EXPORTS\n  "small_b"\n'
    file.unlink()
    run_program(file, "small_*", "--", f"@{tmp_path / 'rsp'}", "own.def")
    assert not file.exists()
