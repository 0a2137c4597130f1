"""Build systems: the commands that configure, compile and install a source. The caller runs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.recipe import Build, BuildSystem, Linkage, Scalar
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.toolchain import PREFIX, Toolchain


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a build.

    `stage` is configure, compile or install; `environment` contains variables in addition to those of the toolchain.
    """

    stage: str
    args: tuple[str, ...]
    environment: Mapping[str, str]


def build_commands(
    build: Build,
    linkage: Linkage,
    toolchain: Toolchain,
    tools: Tools,
    *,
    source: Path,
    build_directory: Path,
    staging: Path,
) -> tuple[Command, ...]:
    """Return the commands that build `source` in `build_directory` and install it below `staging` (DESTDIR).

    There are no commands for the build system `headers`: the caller copies the directories.
    """
    source = source / build.subdir
    match build.system:
        case BuildSystem.MESON:
            configure = _configure_meson(build, linkage, toolchain, tools, source, build_directory)
        case BuildSystem.CMAKE:
            configure = _configure_cmake(build, linkage, toolchain, tools, source, build_directory)
        case BuildSystem.HEADERS:
            return ()
    ninja = (str(tools.ninja), "-C", str(build_directory))
    return (
        Command(stage="configure", args=configure, environment={}),
        Command(stage="compile", args=ninja, environment={}),
        Command(stage="install", args=(*ninja, "install"), environment={"DESTDIR": str(staging)}),
    )


def _configure_meson(
    build: Build, linkage: Linkage, toolchain: Toolchain, tools: Tools, source: Path, build_directory: Path
) -> tuple[str, ...]:
    switches = dict.fromkeys(build.enable, "enabled") | dict.fromkeys(build.disable, "disabled")
    options = {name: _meson_value(value) for name, value in build.options.items()} | switches
    return (
        str(tools.python),
        "-m",
        "mesonbuild.mesonmain",
        "setup",
        str(build_directory),
        str(source),
        f"--cross-file={toolchain.cross_file}",
        f"--native-file={toolchain.native_file}",
        f"--prefix={PREFIX}",
        "--libdir=lib",
        "--buildtype=plain",
        "--wrap-mode=nodownload",
        f"-Ddefault_library={linkage}",
        "-Db_ndebug=true",
        "-Db_staticpic=true",
        *(f"-D{name}={value}" for name, value in sorted(options.items())),
    )


def _meson_value(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _configure_cmake(
    build: Build, linkage: Linkage, toolchain: Toolchain, tools: Tools, source: Path, build_directory: Path
) -> tuple[str, ...]:
    switches = dict.fromkeys(build.enable, "ON") | dict.fromkeys(build.disable, "OFF")
    options = {name: _cmake_value(value) for name, value in build.options.items()} | switches
    return (
        str(tools.cmake),
        "-G",
        "Ninja",
        "-S",
        str(source),
        "-B",
        str(build_directory),
        f"--toolchain={toolchain.cmake_file}",
        f"-DCMAKE_MAKE_PROGRAM={tools.ninja}",
        f"-DCMAKE_INSTALL_PREFIX={PREFIX}",
        "-DCMAKE_INSTALL_LIBDIR:PATH=lib",
        f"-DBUILD_SHARED_LIBS={'ON' if linkage is Linkage.SHARED else 'OFF'}",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_C_FLAGS_RELEASE=-DNDEBUG",
        "-DCMAKE_CXX_FLAGS_RELEASE=-DNDEBUG",
        "-DCMAKE_POSITION_INDEPENDENT_CODE=ON",
        "-DCMAKE_SKIP_RPATH=ON",
        "-DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF",
        *(f"-D{name}={value}" for name, value in sorted(options.items())),
    )


def _cmake_value(value: Scalar) -> str:
    return ("ON" if value else "OFF") if isinstance(value, bool) else str(value)
