"""Launchers: compiler wrappers for Windows, where build systems can start only executables.

A launcher is a copy of a small program (`windows_launcher.c`) next to a file that contains the command to start.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.execution.process import join_windows_args
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compilers import Compilers
from everywheel.toolchains.toolchain import Toolchain, ToolchainOptions

SOURCE = Path(__file__).with_name("windows_launcher.c")
SUFFIX = ".exe"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """The command of a launcher, which its own arguments are appended to, and additional environment variables.

    `libraries` is the directory that the launcher prints when Meson calls a compiler with `-print-search-dirs`.
    """

    command: Sequence[object]
    libraries: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def write_launchers(
    toolchain: Toolchain, compilers: Compilers, compiled: Path, tools: Tools, options: ToolchainOptions
) -> None:
    """Write the launchers of a toolchain as copies of the program `compiled`.

    Unlike the shell wrappers, they do not change arguments: Windows binaries have no RUNPATH, and MinGW accepts GNU options.
    """
    libraries = toolchain.prefix / "lib"
    folders = (libraries / "pkgconfig", toolchain.prefix / "share" / "pkgconfig")
    search = os.pathsep.join(folder.as_posix() for folder in folders)
    pkgconf = [tools.pkgconf, *(["--static"] if options.static_pkgconfig else [])]
    specs = {
        "cc": LaunchSpec(command=compilers.c, libraries=libraries),
        "c++": LaunchSpec(command=compilers.cxx, libraries=libraries),
        "build-cc": LaunchSpec(command=compilers.build_c),
        "build-c++": LaunchSpec(command=compilers.build_cxx),
        "ar": LaunchSpec(command=compilers.ar),
        "ranlib": LaunchSpec(command=compilers.ranlib),
        "dlltool": LaunchSpec(command=compilers.dlltool),
        "windres": LaunchSpec(command=compilers.windres),
        "pkg-config": LaunchSpec(command=pkgconf, environment={"PKG_CONFIG_LIBDIR": search}),
    }
    for name, spec in specs.items():
        write_launcher(toolchain.program(name), compiled, spec)


def write_launcher(program: Path, compiled: Path, spec: LaunchSpec) -> None:
    """Write a launcher as `program`, with `<program>.launch` for `windows_launcher.c`."""
    libraries = "" if spec.libraries is None else spec.libraries.as_posix()
    variables = [f"{name}={value}" for name, value in spec.environment.items()]
    lines = [join_windows_args([str(arg) for arg in spec.command]), libraries, *variables]
    shutil.copyfile(compiled, program)
    program.with_name(f"{program.name}.launch").write_text("\n".join(lines), encoding="utf-8", newline="\n")
