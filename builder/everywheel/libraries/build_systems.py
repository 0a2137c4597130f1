"""Build systems: the commands that configure, compile and install a source. The caller runs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from everywheel.config.recipe import Build, BuildSystem, Linkage, Optimize, Scalar
from everywheel.libraries.make_builds import MakeBuild, list_make_commands
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.flags import LEVELS
from everywheel.toolchains.make_programs import write_make_programs
from everywheel.toolchains.toolchain import PREFIX, Toolchain

_REFUSED = "http://127.0.0.1:9"  # no server listens at the port of the discard protocol (RFC 863)
NO_DOWNLOADS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("http_proxy", "https_proxy", "ftp_proxy", "all_proxy"), _REFUSED),
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY"), _REFUSED),
        **dict.fromkeys(("no_proxy", "NO_PROXY"), ""),
        "GIT_ALLOW_PROTOCOL": "file",
    }
)
"""Environment variables with which CMake, curl, wget, git and others download nothing: no pin covers what they receive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a build.

    `stage` is configure, compile or install; `environment` contains variables that are added to those of the toolchain, or
    replace them. `folder` is the working directory.
    """

    stage: str
    args: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


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

    There are no commands for the build system `headers`: the caller copies the directories. For make, the programs that its
    rules call are written into the toolchain.
    """
    source = source / build.subdir
    match build.system:
        case BuildSystem.MESON:
            configure = _configure_meson(build, linkage, toolchain, tools, source, build_directory)
        case BuildSystem.CMAKE:
            configure = _configure_cmake(build, linkage, toolchain, tools, source, build_directory)
        case BuildSystem.HEADERS:
            return ()
        case BuildSystem.AUTOTOOLS | BuildSystem.MAKE:
            make = MakeBuild(
                build=build,
                linkage=linkage,
                target=toolchain.target,
                source=source,
                build_directory=build_directory,
                staging=staging,
            )
            return _list_make_commands(make, toolchain, tools)
    ninja = (str(tools.ninja), "-C", str(build_directory))
    folder = build_directory.parent
    return (
        Command(stage="configure", args=configure, environment=_list_configure_variables(build), folder=folder),
        Command(stage="compile", args=ninja, environment={}, folder=folder),
        Command(stage="install", args=(*ninja, "install"), environment={"DESTDIR": str(staging)}, folder=folder),
    )


def _list_configure_variables(build: Build) -> dict[str, str]:
    """Return the environment variables for the configuration of a build.

    CMake links a program with these flags instead of those of its toolchain file to identify a compiler, and puts them before
    those flags in every other command. With -Os, zig would compile its run-time library once more, for that program only.
    """
    if build.system is BuildSystem.CMAKE and build.optimize is Optimize.SIZE:
        return dict.fromkeys(("CFLAGS", "CXXFLAGS"), f"{LEVELS[Optimize.BALANCED]} -g0")
    return {}


def _list_make_commands(make: MakeBuild, toolchain: Toolchain, tools: Tools) -> tuple[Command, ...]:
    make.build_directory.mkdir(exist_ok=True)
    variables = write_make_programs(toolchain, tools, LEVELS[make.build.optimize])
    return tuple(
        Command(stage=stage, args=args, environment=variables, folder=folder)
        for stage, args, folder in list_make_commands(make, variables)
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
        "-DFETCHCONTENT_FULLY_DISCONNECTED=ON",
        "-DCMAKE_POLICY_DEFAULT_CMP0170=NEW",  # without it, the variable only skips the download
        *(f"-D{name}={value}" for name, value in sorted(options.items())),
    )


def _cmake_value(value: Scalar) -> str:
    return ("ON" if value else "OFF") if isinstance(value, bool) else str(value)
