"""The facts about a processor architecture on macOS and on Windows, for the table in `architectures`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MacosArch:
    """An architecture on macOS.

    `name` is the spelling in platform tags and in the output of lipo. `cpu_type` is the number in Mach-O headers
    (<mach/machine.h>). `first` is the first macOS that runs on the architecture. `lowest` is the oldest macOS that zig has
    a libc and libraries for, or None for an architecture that wheels cannot be built for. `needs_signature` states whether
    the kernel refuses to load a file without a code signature. `variants` are CPU subtypes that lipo names differently.
    `long_double` is described in `Arch`. `github_runner` is the machine of GitHub Actions that runs it.
    """

    name: str
    cpu_type: int
    first: tuple[int, int] = (0, 0)
    lowest: tuple[int, int] | None = None
    needs_signature: bool = False
    variants: tuple[tuple[int, str], ...] = ()
    long_double: tuple[int, int] = (53, 8)
    github_runner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsArch:
    """An architecture on Windows.

    `name` is the spelling in platform tags (`x86` for the tag `win32`). `coff_machine` is the number in the header of an
    object file, `pe_machine` is the same number as pefile spells it. `python_dlls` are the DLLs of the Visual C++ runtime
    that every installation of Python contains. `runs_under_wine` states whether Wine on x86_64 runs its programs, and
    `is_target` whether wheels can be built for it. `long_double` is described in `Arch`. `github_runner` is the machine of
    GitHub Actions that runs it, and `runner_has_mingw` whether that machine has a compiler of MinGW for its own architecture.
    """

    name: str
    coff_machine: int
    pe_machine: str
    python_dlls: frozenset[str]
    runs_under_wine: bool = False
    is_target: bool = True
    long_double: tuple[int, int] = (53, 8)
    github_runner: str = ""
    runner_has_mingw: bool = True
