"""Resource scripts of libraries for Windows, compiled by Meson, CMake and a makefile with zig's resource compiler."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pefile
import pytest
from fixture_project import FixtureProject
from test_make_builds import add_make_source, add_recipe

SCRIPT = """#include <windows.h>
#include "version.h"
VS_VERSION_INFO VERSIONINFO
FILEVERSION 1,2,3,4
BEGIN
  BLOCK "StringFileInfo"
  BEGIN
    BLOCK "040904b0"
    BEGIN
      VALUE "ProductName", NAME
      VALUE "OriginalFilename", FILE_NAME
      VALUE "LegalCopyright", L"Müller"
    END
  END
END
"""
FILES = {
    "src/small.c": "__declspec(dllexport) int small_answer(void) { return 42; }\n",
    "src/small.rc": SCRIPT,
    "include dir/version.h": '#define NAME "small product"\n',
}
MESON = """project('small', 'c', version: '1.0')
resources = import('windows').compile_resources(
  'src/small.rc',
  args: ['-c65001', '-DFILE_NAME="libsmall.dll"'],
  include_directories: include_directories('include dir'),
)
library('small', 'src/small.c', resources, install: true)
"""
CMAKE = """cmake_minimum_required(VERSION 3.20)
project(small VERSION 1.0 LANGUAGES C RC)
add_library(small src/small.c src/small.rc)
set_source_files_properties(src/small.rc PROPERTIES COMPILE_OPTIONS "-c;65001")
target_compile_definitions(small PRIVATE FILE_NAME="libsmall.dll")
target_include_directories(small PRIVATE "include dir")
install(TARGETS small)
"""
# The arguments are those of `libtool --tag=RC --mode=compile`.
MAKEFILE = """libsmall.dll: src/small.c small.o
\t$(CC) $(CFLAGS) -shared -o $@ $^ -Wl,--out-implib,libsmall.dll.a
small.o: src/small.rc
\t$(WINDRES) --codepage=65001 --define FILE_NAME='"libsmall.dll"' "--include-dir=include dir" -i $< -o $@
install: libsmall.dll
\tmkdir -p $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/bin
\tcp libsmall.dll $(DESTDIR)$(PREFIX)/bin/ && cp libsmall.dll.a $(DESTDIR)$(PREFIX)/lib/
"""
BUILDS = {
    "meson": {"meson.build": MESON},
    "cmake": {"CMakeLists.txt": CMAKE},
    "make": {"Makefile": MAKEFILE},
}


def read_strings(dll: Path) -> Mapping[str, str]:
    """Return the strings of the version resource of a DLL."""
    (info,) = pefile.PE(str(dll)).FileInfo
    tables = [table for entry in info if entry.Key == b"StringFileInfo" for table in entry.StringTable]
    return {key.decode(): value.decode() for table in tables for key, value in table.entries.items()}


@pytest.mark.parametrize("system", BUILDS)
def test_a_dll_contains_its_version_resource(tmp_path: Path, python_headers: Path, system: str) -> None:
    project = FixtureProject(tmp_path, python_headers)
    add_make_source(project)
    add_recipe(project, "small", f'system = "{system}"', {**FILES, **BUILDS[system]})
    project.replace(
        "recipes/small/recipe.toml", "[products]", '[products]\nlibraries = ["small"]\nexports = ["small_*"]'
    )
    project.replace("pyproject.toml", 'shared = ["libfoo"]', 'shared = ["small"]')

    project.run("deps", "small", "-t", "win_amd64", "--prefix", str(tmp_path / "prefix"))

    (dll,) = (tmp_path / "prefix" / "bin").glob("*.dll")
    assert read_strings(dll) == {
        "ProductName": "small product",
        "OriginalFilename": "libsmall.dll",
        "LegalCopyright": "Müller",
    }
