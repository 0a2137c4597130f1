"""Hints for failures of a build backend: the cause is in the messages of compilers and build systems."""

from __future__ import annotations

import pytest
from everywheel.errors import BuildError
from everywheel.wheels.failure_hints import explain_failure


def find_hint(output: str) -> str | None:
    error = BuildError("demo failed", excerpt=output.splitlines())
    explain_failure(error)
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


def test_other_failures_get_no_hint_and_a_hint_is_kept() -> None:
    assert find_hint("a.c:1:1: error: unknown type name 'gcc'") is None
    error = BuildError("demo failed", excerpt=["gcc: not found"], hint="read the log")
    explain_failure(error)
    assert error.hint == "read the log"
