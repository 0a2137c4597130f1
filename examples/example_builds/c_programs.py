"""The program in C, built with the compilers and the build systems that users have."""

from __future__ import annotations

import shutil
from pathlib import Path

from example_builds.commands import run
from example_builds.shapes import EXAMPLES, STATIC_FLAGS, Build

SOURCE = EXAMPLES / "c"
RUNPATH = "$ORIGIN/lib"


def query_pkg_config(build: Build, *args: str) -> list[str]:
    return run([build.tools.pkgconf, *args, "vips"], cwd=build.output, env=build.environment).split()


def build_with_zig(build: Build) -> None:
    """Build the program for another system, or another version of the C library, than this machine has."""
    static = build.shape.kind == "static"
    flags = query_pkg_config(build, *(["--static"] if static else []), "--cflags", "--libs")
    link = STATIC_FLAGS.split() if static else [f"-Wl,-rpath,{RUNPATH}"] if build.shape.kind == "folder" else []
    program = build.output / f"thumbnail{build.suffix}"
    # -static is for what follows
    command: list[str | Path] = [
        *build.compiler.split(),
        *link,
        "-O2",
        "-s",
        SOURCE / "thumbnail.c",
        *flags,
        "-o",
        program,
    ]
    run(command, cwd=build.output, env=build.environment)


def build_with_gcc(build: Build) -> None:
    """Build the program with gcc: with the flags of pkg-config, and with libraries that are named instead of found."""
    with_pkg_config = query_pkg_config(build, "--cflags", "--libs")
    headers = query_pkg_config(build, "--cflags")
    by_name = [*headers, f"-L{build.sdk / 'lib'}", "-lvips", "-lglib-2.0", "-lgobject-2.0"]
    for name, flags in (("thumbnail-gcc", with_pkg_config), ("thumbnail-by-name", by_name)):
        command: list[str | Path] = [
            "gcc",
            "-O2",
            SOURCE / "thumbnail.c",
            *flags,
            f"-Wl,-rpath,{RUNPATH}",
            "-o",
            build.output / name,
        ]
        run(command, cwd=build.output, env=build.environment)


def build_with_cmake(build: Build, work: Path) -> None:
    """Build the program with CMake in the folder `work`."""
    cmake = build.tools.cmake
    tools = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={build.tools.ninja}"]
    options = ["-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON", f"-DCMAKE_INSTALL_RPATH={RUNPATH}"]
    configure: list[str | Path] = [
        cmake,
        *tools,
        "-S",
        SOURCE,
        "-B",
        work,
        f"-DCMAKE_PREFIX_PATH={build.sdk}",
        *options,
    ]
    run(configure, cwd=build.output, env=build.environment)
    run([cmake, "--build", work], cwd=build.output, env=build.environment)
    shutil.copy2(work / "thumbnail", build.output / "thumbnail-cmake")


def build_with_meson(build: Build, work: Path) -> None:
    """Build the program with Meson in the folder `work`."""
    environment = {**build.environment, "LDFLAGS": f"-Wl,-rpath,{RUNPATH}", "NINJA": str(build.tools.ninja)}
    setup: list[str | Path] = [build.tools.bin / "meson", "setup", "--buildtype=release", work, SOURCE]
    run(setup, cwd=build.output, env=environment)
    run([build.tools.ninja, "-C", work], cwd=build.output, env=environment)
    shutil.copy2(work / "thumbnail", build.output / "thumbnail-meson")


def build_with_the_tools_of_this_machine(build: Build) -> None:
    """Build the program with gcc, CMake and Meson."""
    work = build.output / "work"
    build_with_gcc(build)
    build_with_cmake(build, work / "cmake")
    build_with_meson(build, work / "meson")
    shutil.rmtree(work)
