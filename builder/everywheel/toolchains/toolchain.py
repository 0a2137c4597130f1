"""The toolchain of one workspace: compilers and flags for one target, as programs and as files for build systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.recipe import Optimize
from everywheel.platforms.target import Target

PREFIX = "/everywheel"
"""The prefix that every library is configured with. It does not exist, so binaries contain no path of a machine."""

PYTHON_HEADERS = "include/python"
"""The directory in a prefix that contains Python.h of the target."""

TARGET_PACKAGES = "target-packages"
"""The directory of a workspace with the build requirements whose headers are those of the target, if there are any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolchainOptions:
    """The choices of a recipe or a wheel for its toolchain.

    Attributes:
        optimize: the optimization level.
        flags, link_flags: additional flags for every compilation and for every link.
        exports: glob patterns of the symbols that shared libraries export; if it is empty, all symbols are exported.
        exports_of_modules: whether `exports` applies only to extension modules: shared objects without a soname or an
            install name, by which other files could be linked to them.
        cxx_runtime: whether the C++ library is linked; its headers are always available.
        debug_data: the flag for the debug data that compiled files keep; without one, nothing has debug data.
        debug_source: the directory that debug data names instead of the workspace.
        static_pkgconfig: whether pkg-config also lists private requirements (`--static`), which static archives need.
    """

    optimize: Optimize = Optimize.BALANCED
    flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()
    exports: tuple[str, ...] = ()
    exports_of_modules: bool = False
    cxx_runtime: bool = True
    debug_data: str = ""
    debug_source: str = ""
    static_pkgconfig: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """The paths, flags and variables of a toolchain in a workspace.

    Attributes:
        directory: the directory with the toolchain's own files.
        prefix: the prefix that compilers and pkg-config search.
        compile_flags: flags for every compilation of C and C++; `cxx_flags` are added to them for C++.
        cxx_link_flags: flags for linking C++ on the build machine; `link_flags` are those of every link for the target.
        runs_target: whether programs for the target run on the build machine.
        environment: all environment variables of a build.
        suffix: the suffix of the toolchain's programs.
    """

    target: Target
    directory: Path
    prefix: Path
    compile_flags: tuple[str, ...]
    cxx_flags: tuple[str, ...]
    cxx_link_flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    runs_target: bool
    environment: Mapping[str, str]
    suffix: str = ""

    def program(self, name: str) -> Path:
        """Return the path of `cc`, `c++`, `ar`, `ranlib` or `pkg-config`, or of the build machine's `build-cc`."""
        return self.directory / "bin" / f"{name}{self.suffix}"

    @property
    def cross_file(self) -> Path:
        """Meson's cross file."""
        return self.directory / "cross.ini"

    @property
    def native_file(self) -> Path:
        """Meson's native file, for programs that run on the build machine."""
        return self.directory / "native.ini"

    @property
    def cmake_file(self) -> Path:
        """CMake's toolchain file."""
        return self.directory / "toolchain.cmake"
