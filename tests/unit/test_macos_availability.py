"""Availability of symbols on macOS, as a compiler reports it; builds/ has a test with a real compiler."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.errors import BuildError, MachineError
from everywheel.wheels.macos_availability import find_newer_symbols

MKFIFOAT = "availability.c:9:1: error: 'mkfifoat' is only available on macOS 13.0 or newer [-Werror]"
CANARY = "availability.c:10:1: error: 'everywheel_in_no_macos' is only available on macOS 99.0 or newer [-Werror]"
HINT = "  hint: use clang and Apple's headers, and no flag that disables -Wunguarded-availability"


def make_compiler(folder: Path, code: int, *lines: str) -> Path:
    """Return a program that prints the lines for every input."""
    (folder / "messages").write_text("".join(f"{line}\n" for line in lines))
    compiler = folder / "cc"
    compiler.write_text(f"#!/bin/sh\ncat {folder / 'messages'} >&2\nexit {code}\n")
    compiler.chmod(0o755)
    return compiler


def find(folder: Path, compiler: Path) -> dict[str, str]:
    environ = {"PATH": "/usr/bin:/bin"}
    return find_newer_symbols({"malloc", "mkfifoat"}, compiler, folder, environ, label="demo 1.0 for macosx_11_0_arm64")


def test_symbols_that_the_compiler_reports_are_returned(tmp_path: Path) -> None:
    assert find(tmp_path, make_compiler(tmp_path, 1, MKFIFOAT, CANARY)) == {"mkfifoat": "13.0"}
    assert find(tmp_path, make_compiler(tmp_path, 1, CANARY)) == {}


def test_the_symbol_that_no_macos_has_is_the_last(tmp_path: Path) -> None:
    find(tmp_path, make_compiler(tmp_path, 1, CANARY))

    uses = [line for line in (tmp_path / "availability.c").read_text().splitlines() if "everywheel_need_" in line]
    assert [line.partition("&")[2] for line in uses] == ["malloc;", "mkfifoat;", "everywheel_in_no_macos;"]


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
    ids=["false", "true", "silent", "no headers", "crashed", "another version"],
)
def test_a_compiler_that_reports_no_availability_is_an_error(code: int, lines: tuple[str, ...], tmp_path: Path) -> None:
    compiler = make_compiler(tmp_path, code, *lines)

    with pytest.raises(BuildError) as caught:
        find(tmp_path, compiler)

    command = f"{compiler} -fsyntax-only -ferror-limit=0 -Werror=unguarded-availability {tmp_path}/availability.c"
    assert caught.value.render().splitlines() == [
        "error: demo 1.0 for macosx_11_0_arm64: the compiler does not report symbols that are newer than the oldest macOS",
        f"  command: {command}",
        f"  exit code: {code}",
        *(f"  | {line}" for line in lines),
        HINT,
    ]


def test_a_missing_compiler_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as caught:
        find(tmp_path, tmp_path / "nowhere")

    assert caught.value.render() == (
        f"error: demo 1.0 for macosx_11_0_arm64: cannot start {tmp_path}/nowhere\n"
        "  reason: No such file or directory\n"
        "  hint: `everywheel doctor` lists what is missing on this machine"
    )
