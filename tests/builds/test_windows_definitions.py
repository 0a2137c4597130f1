"""The exports of DLLs whose source does not mark them: those that the patterns of the recipe match."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from everywheel.binaries.pe import read_pe
from everywheel.toolchains.define_exports import define_exports
from fixture_project import FixtureProject
from test_make_builds import add_recipe
from test_repair import compile_c

__all__ = ["compile_c"]  # a fixture

WINDOWS = "win_amd64"
SOURCES = {
    "a.c": """int small_limit = 42, small_common;
int inner_b(void), small_part(void);
int small_a(void) { return inner_b() + small_part() + small_limit; }
__attribute__((visibility("hidden"))) int small_hidden(void) { return small_a(); }
""",
    "b.c": """int inner_b(void) { return 0; }
static int small_own(void) { return 1; }
int small_b(void) { return small_own(); }
""",
    "c.c": "int small_whole(void) { return 2; }\n",
    "d.c": "int small_part(void) { return 3; }\n",
    "e.c": "int small_unused(void) { return 4; }\n",
}
NAMES = ("small_a", "small_b", "small_common", "small_limit", "small_part", "small_whole")
MESON = """project('small', 'c')
whole = static_library('whole', 'c.c')
part = static_library('part', 'd.c', 'e.c')
library('small', 'a.c', 'b.c', link_whole: whole, link_with: part, install: true)
"""
CMAKE = """cmake_minimum_required(VERSION 3.20)
project(small LANGUAGES C)
add_library(whole OBJECT c.c)
add_library(part STATIC d.c e.c)
add_library(small a.c b.c $<TARGET_OBJECTS:whole>)
target_link_libraries(small PRIVATE part)
install(TARGETS small)
"""


def build(
    project: FixtureProject, system: str, files: dict[str, str], prefix: Path, exports: tuple[str, ...] = ("small_*",)
) -> tuple[str, ...]:
    """Build a recipe that exports symbols; return what its DLL exports."""
    add_recipe(project, "small", f'system = "{system}"', files)
    project.replace(
        "recipes/small/recipe.toml", "[products]", f'[products]\nlibraries = ["small"]\nexports = {json.dumps(exports)}'
    )
    project.replace("pyproject.toml", 'shared = ["libfoo"]', 'shared = ["small"]')
    project.run("deps", "small", "-t", WINDOWS, "--prefix", str(prefix))
    (dll,) = (prefix / "bin").glob("*.dll")
    return read_pe(dll.read_bytes()).exports


@pytest.mark.parametrize("build_file", ["meson.build", "CMakeLists.txt"])
def test_a_dll_exports_what_the_recipe_declares(project: FixtureProject, tmp_path: Path, build_file: str) -> None:
    system, text = ("meson", MESON) if build_file == "meson.build" else ("cmake", CMAKE)

    exports = build(project, system, {**SOURCES, build_file: text}, tmp_path / "prefix")

    assert exports == NAMES


@pytest.mark.parametrize("file", ["b.c", "d.c"])
def test_a_dll_whose_source_marks_exports_has_only_those(project: FixtureProject, tmp_path: Path, file: str) -> None:
    marked = f"__declspec(dllexport) int small_marked(void) {{ return 1; }}\n{SOURCES[file]}"

    exports = build(project, "meson", {**SOURCES, file: marked, "meson.build": MESON}, tmp_path / "prefix")

    assert exports == ("small_marked",)


def test_a_definition_of_the_project_is_used(project: FixtureProject, tmp_path: Path) -> None:
    files = {**SOURCES, "small.def": "EXPORTS\n  small_b\n"}
    text = MESON.replace("install:", "vs_module_defs: 'small.def', install:")

    exports = build(project, "meson", {**files, "meson.build": text}, tmp_path / "prefix")

    assert exports == ("small_b",)


CXX = {
    "small.cpp": """#include <stdexcept>
#include <string>
#include <vector>
namespace small {
struct Counter {
  virtual ~Counter() = default;
  virtual int count(const std::string &text);
  static int instances;
};
int Counter::instances = 0;
int Counter::count(const std::string &text) {
  std::vector<std::string> words(++instances, text);
  if (words.empty()) throw std::runtime_error(text);
  return static_cast<int>(words.size());
}
}
namespace inner { int other(int number) { return number; } }
""",
    "meson.build": """project('small', 'cpp')
library('small', 'small.cpp', install: true)
""",
}


def test_a_dll_of_cxx_classes_exports_their_names_and_not_the_cxx_library(
    project: FixtureProject, tmp_path: Path
) -> None:
    """The names of the namespace `small` are mangled as `_ZN5small…`, and those of its types as `_ZTVN5small…` and so on."""
    exports = build(project, "meson", CXX, tmp_path / "prefix", exports=("_ZN5small*", "_ZT?N5small*"))

    assert {"_ZN5small7Counter9instancesE", "_ZTIN5small7CounterE", "_ZTVN5small7CounterE"} < set(exports)
    assert [name for name in exports if "5small7Counter" not in name] == []


@pytest.fixture
def dll(compile_c: Callable[..., bytes], tmp_path: Path) -> Path:
    """A DLL that exports two functions and a variable."""
    path = tmp_path / "a b" / "small.dll"
    path.parent.mkdir()
    path.write_bytes(
        compile_c(WINDOWS, "int small_limit = 1;\nint small_a(void) { return 0; }\nint inner(void) { return 1; }\n")
    )
    return path


def run_program(file: Path, *arguments: object) -> str | None:
    """Return the definition that the program writes, or None."""
    subprocess.run(
        [sys.executable, "-m", "everywheel.toolchains.define_exports", file, *map(str, arguments)], check=True
    )
    return file.read_text() if file.exists() else None


def test_data_is_exported_as_data(dll: Path) -> None:
    facts = read_pe(dll.read_bytes())

    assert define_exports(facts, ["small_*"]) == 'EXPORTS\n  "small_a"\n  "small_limit" DATA\n'
    assert define_exports(facts, ["*"]) == ""
    assert define_exports(facts, ["other_*"]) == ""


def test_the_dll_of_a_link_is_read(dll: Path, tmp_path: Path) -> None:
    file, response = tmp_path / "exports.def", tmp_path / "rsp"
    response.write_text(f'-shared "x y.o" -o "{dll}"')
    expected = 'EXPORTS\n  "small_a"\n'

    assert run_program(file, "small_a", "--", "-shared", "-o", dll) == expected
    assert run_program(file, "*", "--", "-shared", "-o", dll) is None
    assert run_program(file, "small_a", "--", f"-o{dll}") == expected
    assert run_program(file, "small_a", "--", "-o", dll, "own.def") is None
    assert run_program(file, "small_a", "--", f"@{response}") == expected
    assert run_program(file, "small_a", "--", "-shared", "-o", dll.with_name("other.dll")) is None
