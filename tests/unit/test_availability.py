"""Asking a compiler since when macOS has a symbol: only one that can tell is believed. (builds/ asks a real one.)"""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.errors import BuildError, MachineError
from everywheel.wheels.macos_availability import find_newer

MKFIFOAT = "availability.c:9:1: error: 'mkfifoat' is only available on macOS 13.0 or newer [-Werror]"
CANARY = "availability.c:10:1: error: 'everywheel_in_no_macos' is only available on macOS 99.0 or newer [-Werror]"
HINT = "  hint: clang does, with Apple's headers; no flag may switch off -Wunguarded-availability"


def make_compiler(folder: Path, code: int, *lines: str) -> Path:
    """Make a compiler that says these lines whatever it is given."""
    (folder / "said").write_text("".join(f"{line}\n" for line in lines))
    compiler = folder / "cc"
    compiler.write_text(f"#!/bin/sh\ncat {folder / 'said'} >&2\nexit {code}\n")
    compiler.chmod(0o755)
    return compiler


def ask(folder: Path, compiler: Path) -> dict[str, str]:
    environ = {"PATH": "/usr/bin:/bin"}
    return find_newer({"malloc", "mkfifoat"}, compiler, folder, environ, what="demo 1.0 for macosx_11_0_arm64")


def test_what_the_compiler_says_of_each_symbol_is_returned(tmp_path: Path) -> None:
    assert ask(tmp_path, make_compiler(tmp_path, 1, MKFIFOAT, CANARY)) == {"mkfifoat": "13.0"}
    assert ask(tmp_path, make_compiler(tmp_path, 1, CANARY)) == {}


def test_the_symbol_of_no_macos_is_the_last_that_is_asked_for(tmp_path: Path) -> None:
    ask(tmp_path, make_compiler(tmp_path, 1, CANARY))

    asked = [line for line in (tmp_path / "availability.c").read_text().splitlines() if "everywheel_need_" in line]
    assert [line.partition("&")[2] for line in asked] == ["malloc;", "mkfifoat;", "everywheel_in_no_macos;"]


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        (1, ()),
        (0, ()),
        (0, ("warning: unknown option",)),
        (1, ("fatal error: 'Availability.h' file not found",)),
        (139, (MKFIFOAT,)),
        (1, (MKFIFOAT, CANARY.replace("99.0", "9.0"))),
    ],
    ids=["false", "true", "silent", "no headers", "broken off", "another version"],
)
def test_a_compiler_that_cannot_tell_is_no_proof(code: int, lines: tuple[str, ...], tmp_path: Path) -> None:
    compiler = make_compiler(tmp_path, code, *lines)

    with pytest.raises(BuildError) as caught:
        ask(tmp_path, compiler)

    command = f"{compiler} -fsyntax-only -ferror-limit=0 -Werror=unguarded-availability {tmp_path}/availability.c"
    assert caught.value.render().splitlines() == [
        "error: demo 1.0 for macosx_11_0_arm64: the compiler does not say which symbols are newer than the oldest macOS",
        f"  command: {command}",
        f"  exit code: {code}",
        *(f"  | {line}" for line in lines),
        HINT,
    ]


def test_a_compiler_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as caught:
        ask(tmp_path, tmp_path / "nowhere")

    assert caught.value.render() == (
        f"error: demo 1.0 for macosx_11_0_arm64: cannot start {tmp_path}/nowhere\n"
        "  reason: No such file or directory\n"
        "  hint: `everywheel doctor` says what this machine lacks"
    )
