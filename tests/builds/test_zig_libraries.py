"""zig compiles its run-time library once for a target, before all builds, and not again for a link with other flags."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from everywheel.config.recipe import Build, BuildSystem, Linkage, Optimize
from everywheel.libraries.build_systems import build_commands
from everywheel.platforms.target import build_machine_target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.toolchain import ToolchainOptions
from everywheel.toolchains.toolchain_writer import write_toolchain
from everywheel.toolchains.zig import ZigEngine

CMAKE = "cmake_minimum_required(VERSION 3.20)\nproject(empty C)\nadd_library(empty SHARED main.c)\n"


def test_links_of_builds_compile_no_library_of_zig(shared_store: Path, tmp_path: Path) -> None:
    target = build_machine_target()
    engine = ZigEngine(store=Store(tmp_path / "store"), tools=ensure_tools(shared_store), cache=tmp_path / "zig")
    engine.prime_cache(target)
    options = ToolchainOptions(optimize=Optimize.SIZE)
    toolchain = write_toolchain(target, engine.compilers(target), engine.tools, tmp_path, options)
    source, output = tmp_path / "main.c", tmp_path / "output"
    source.write_text("int main(void) { return 0; }\n")
    (tmp_path / "CMakeLists.txt").write_text(CMAKE)
    compiled = list_compiled(engine)
    assert compiled

    def run(*command: str | Path, **variables: str) -> None:
        environment = {**os.environ, **toolchain.environment, **variables}
        subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True)

    # A shared library, a check with the flags of the compiler, Meson's checks of both compilers, and a build with CMake.
    run(toolchain.program("cc"), *toolchain.compile_flags, "-shared", source, *toolchain.link_flags, "-o", output)
    run(toolchain.program("cc"), *toolchain.compile_flags, "-O0", source, *toolchain.link_flags, "-o", output)
    run(toolchain.program("build-cc"), source, "-o", output)
    run(toolchain.program("build-cc"), source, "-o", output, "-O0")
    for command in build_commands(
        Build(system=BuildSystem.CMAKE, optimize=Optimize.SIZE),
        Linkage.SHARED,
        toolchain,
        engine.tools,
        source=tmp_path,
        build_directory=tmp_path / "build",
        staging=tmp_path / "stage",
    )[:2]:
        run(*command.args, **command.environment)
    assert list_compiled(engine) == compiled


def list_compiled(engine: ZigEngine) -> set[str]:
    """Return the directories of zig's compiled run-time libraries in its private cache."""
    return {path.parent.name for path in engine.cache.glob("*/global/o/*/libcompiler_rt.a")}
