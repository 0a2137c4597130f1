"""Writing a toolchain into a workspace: compiler wrappers, Meson's cross and native file, CMake's toolchain file."""

from __future__ import annotations

import os
from pathlib import Path

from everywheel.platforms.target import Target
from everywheel.store.local import FIXED_TIME
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.cmake_file import render_toolchain_file
from everywheel.toolchains.compiler_wrappers import write_wrappers
from everywheel.toolchains.compilers import Compilers
from everywheel.toolchains.flags import (
    COMPILE_FLAGS,
    LEVELS,
    NO_CXX_RUNTIME_FLAGS,
    SYSTEM_FLAGS,
    write_version_script,
)
from everywheel.toolchains.meson_files import render_cross_file, render_native_file
from everywheel.toolchains.toolchain import PREFIX, Toolchain, ToolchainOptions
from everywheel.toolchains.windows_launcher import SUFFIX, write_launchers

_DEFAULT_OPTIONS = ToolchainOptions()


def write_toolchain(
    target: Target,
    compilers: Compilers,
    tools: Tools,
    workspace: Path,
    options: ToolchainOptions = _DEFAULT_OPTIONS,
) -> Toolchain:
    """Write the toolchain for a target into `<workspace>/toolchain`; it searches the prefix `<workspace>/prefix`."""
    directory, prefix = workspace / "toolchain", workspace / "prefix"
    (directory / "bin").mkdir(parents=True, exist_ok=True)
    compile_flags = (
        LEVELS[options.optimize],
        *COMPILE_FLAGS,
        *SYSTEM_FLAGS[target.os].compile,
        f"-ffile-prefix-map={workspace.as_posix()}=.",
        *_make_debug_flags(options, workspace, compilers, tools),
        *options.flags,
    )
    cxx_link_flags = () if options.cxx_runtime else compilers.no_cxx_library
    system_flags = _choose_link_flags(SYSTEM_FLAGS[target.os].link, with_debug_data=bool(options.debug_data))
    link_flags = [*system_flags, *compilers.link, *options.link_flags, *cxx_link_flags]
    limit_exports: list[str] = []
    if options.exports and target.os == "linux":
        script = directory / "exports.map"
        write_version_script(script, options.exports)
        # All libraries of a recipe share the script, which therefore names symbols that a single library does not define.
        undefined = ["-Wl,--undefined-version"] if compilers.undefined_version else []
        limit_exports = [f"-Wl,--version-script={script}", *undefined]
        if not options.exports_of_modules:
            link_flags += limit_exports
    toolchain = Toolchain(
        target=target,
        directory=directory,
        prefix=prefix,
        compile_flags=compile_flags,
        cxx_flags=() if options.cxx_runtime else NO_CXX_RUNTIME_FLAGS,
        cxx_link_flags=cxx_link_flags,
        link_flags=tuple(link_flags),
        runs_target=compilers.runs_target,
        environment=_make_environment(tools, workspace, compilers),
        suffix="" if compilers.launcher is None else SUFFIX,
    )
    if compilers.launcher is None:
        write_wrappers(toolchain, compilers, tools, options, limit_exports)
    else:
        write_launchers(toolchain, compilers, compilers.launcher, tools, options)
    toolchain.cross_file.write_text(render_cross_file(toolchain))
    toolchain.native_file.write_text(render_native_file(toolchain))
    toolchain.cmake_file.write_text(render_toolchain_file(toolchain))
    return toolchain


def _choose_link_flags(flags: tuple[str, ...], *, with_debug_data: bool) -> tuple[str, ...]:
    """Return the flags without the one that drops debug data, if it is kept; the other sections are then the same."""
    return tuple(flag for flag in flags if flag != "-s" or not with_debug_data)


def _make_debug_flags(
    options: ToolchainOptions, workspace: Path, compilers: Compilers, tools: Tools
) -> tuple[str, ...]:
    """Return the flags for debug data that names no directory of the build machine, or for none."""
    if not options.debug_data:
        return ("-g0",)
    folders = [*((folder, f"{PREFIX}/store") for folder in compilers.folders[:1]), (tools.zig.parent, f"{PREFIX}/zig")]
    return (
        options.debug_data,
        *(f"-fdebug-prefix-map={folder.as_posix()}={name}" for folder, name in folders),
        f"-fdebug-prefix-map={workspace.as_posix()}={options.debug_source}",
    )


def _make_environment(tools: Tools, workspace: Path, compilers: Compilers) -> dict[str, str]:
    """Return all environment variables of a build; only those of the engine may come from the build machine."""
    home = workspace / "home"
    home.mkdir(parents=True, exist_ok=True)
    search = (
        workspace / "toolchain" / "bin",
        workspace / "build-prefix" / "bin",
        tools.bin,
        workspace / "prefix" / "bin",
        *compilers.path,
    )
    return {
        "PATH": os.pathsep.join(map(str, search)),
        "HOME": str(home),
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(home)),
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(FIXED_TIME),
        "PYTHONDONTWRITEBYTECODE": "1",
        **tools.environment,
        **compilers.environment,
    }
