"""Hints for failures of a build backend: the cause is in the messages of compilers and build systems."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.errors import BuildError
from everywheel.platforms.target import Target, parse_target
from everywheel.wheels.failure_hints import explain_failure

LINUX, MAC = parse_target("manylinux2014_x86_64"), parse_target("macosx_11_0_arm64")


def find_hint(output: str, extension: Path = Path("/none/demo"), target: Target = LINUX) -> str | None:
    error = BuildError("demo failed", excerpt=output.splitlines())
    explain_failure(error, extension, target)
    return error.hint


@pytest.mark.parametrize(
    ("output", "compiler"),
    [
        ("gcc: fatal error: cannot execute ‘as’: execvp: No such file or directory", "gcc"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'g++'", "g++"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'x86_64-linux-gnu-gcc-12'",
            "x86_64-linux-gnu-gcc-12",
        ),
        ("building\n/bin/sh: 1: clang: not found", "clang"),
        ("make: cl.exe: command not found", "cl.exe"),
        ('clang: error: unable to execute command: Executable "ld" doesn\'t exist!', "clang"),
    ],
)
def test_a_build_that_starts_a_compiler_of_this_machine_gets_a_hint(output: str, compiler: str) -> None:
    assert find_hint(output) == (
        f"the build starts the compiler '{compiler}' by its own name, which is that of this machine: it must use the compiler "
        "of the target, which $CC, $CXX and $LDSHARED name, as does Python's `sysconfig`"
    )


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ('error: unable to find dynamic system library "ssl" using strategy paths_first. searched paths: none', "ssl"),
        ("a.c:1:10: fatal error: 'yaml.h' file not found", "yaml.h"),
        ('../meson.build:3:0: ERROR: Dependency "expat" not found, tried pkgconfig', "expat"),
        ("meson.build:3:12: ERROR: C shared or static library 'lz4' not found", "lz4"),
        ("  Could NOT find ZLIB (missing: ZLIB_LIBRARY ZLIB_INCLUDE_DIR)", "ZLIB"),
    ],
)
def test_a_library_that_is_missing_gets_a_hint(output: str, name: str) -> None:
    assert find_hint(output) == (
        f"'{name}' is not among the libraries of the target: name its recipe in `requires`; `everywheel recipes search` "
        "finds recipes"
    )


@pytest.mark.parametrize("header", ["netinet/tcp_fsm.h", "IOKit/IOKitLib.h", "CoreFoundation/CoreFoundation.h"])
def test_a_header_of_apples_sdk_gets_a_hint_of_its_own(header: str) -> None:
    output = f"psutil/_psutil_osx.c:12:10: fatal error: '{header}' file not found"
    assert find_hint(output, target=MAC) == (
        f"'{header}' is a header of Apple's SDK, which zig does not have: switch off the part of the project that includes "
        "it, or build for macOS on a Mac with `--engine native`"
    )
    assert str(find_hint(output)).startswith(f"'{header}' is not among the libraries of the target")
    assert str(find_hint("a.c:1:10: fatal error: 'yaml.h' file not found", target=MAC)).startswith(
        "'yaml.h' is not among"
    )


@pytest.mark.parametrize(
    ("output", "file"),
    [
        ("../src/a.c:1:1: error: checking cache failed: file_open FileNotFound /build/src/a.c", "../src/a.c"),
        ("../meson.build:3:0: ERROR: File ../src/a.c does not exist.", "../src/a.c"),
        ("CMake Error at CMakeLists.txt:3 (add_library):\n  Cannot find source file:\n    ../src/a.c\n", "../src/a.c"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '../VERSION'", "../VERSION"),
        (
            "c.c:1:10: fatal error: 'own/a.h' file not found\nerror: 'cc' '-I../none' '-I../include' '-c' 'c.c'",
            "../include/own/a.h",
        ),
    ],
)
def test_a_file_above_the_project_gets_a_hint_if_it_exists(output: str, file: str, tmp_path: Path) -> None:
    extension = tmp_path / "demo"
    extension.mkdir()
    assert f"'{file}' is not in the copy" not in str(find_hint(output, extension))
    path = tmp_path / file.removeprefix("../")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()

    assert find_hint(output, extension) == (
        f"'{file}' is not in the copy of the project that is built, since it is outside of demo: move it into that folder, or "
        "make a link to it there, which is followed"
    )


@pytest.mark.parametrize(
    "output",
    [
        "a.c:2:48: error: '__builtin_ia32_crc32qi' needs target feature crc32",
        "a.c:2:48: error: always_inline function '_mm_crc32_u32' requires target feature 'crc32', but would be inlined into "
        "function 'f' that is compiled without support for 'crc32'",
    ],
)
def test_instructions_that_the_oldest_processor_does_not_have_get_a_hint(output: str) -> None:
    assert find_hint(output) == (
        "not every processor of the target has the instructions 'crc32': if the code runs them only where they exist, "
        '`environment = { CFLAGS = "-mcrc32" }` (CXXFLAGS for C++) in an override for this processor enables them'
    )


def test_a_subproject_that_meson_would_download_gets_a_hint() -> None:
    output = (
        "ERROR: Subproject libcsiphash-1 is buildable: NO\n"
        "../source/meson.build:14:14: ERROR: Automatic wrap-based subproject downloading is disabled"
    )
    assert find_hint(output) == (
        "the build would download 'libcsiphash-1', which nothing pins: name its recipe in `requires`, or add the "
        "folder of the subproject to the project (`meson subprojects download`)"
    )


def test_other_failures_get_no_hint_and_a_hint_is_kept() -> None:
    assert find_hint("a.c:1:1: error: unknown type name 'gcc'") is None
    error = BuildError("demo failed", excerpt=["gcc: not found"], hint="read the log")
    explain_failure(error, Path(), LINUX)
    assert error.hint == "read the log"
