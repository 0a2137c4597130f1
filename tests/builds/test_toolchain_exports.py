"""The exports of modules that are linked to the C++ library: zig links it statically, and it exports its operators."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from everywheel.binaries.formats import read_binary
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.engines import open_engine
from everywheel.toolchains.toolchain import ToolchainOptions
from everywheel.toolchains.toolchain_writer import write_toolchain

SOURCE = """
#include <string>
extern "C" int helper(int number) { return number + 1; }
extern "C" void *PyInit_demo() { return new std::string(std::to_string(helper(1))); }
"""


# zig compiles libc++ for a target on first use, which takes minutes.
@pytest.mark.exhaustive
@pytest.mark.parametrize("tag", ["manylinux2014_x86_64", "musllinux_1_2_aarch64", "macosx_11_0_arm64"])
def test_a_module_exports_only_its_init_function(tag: str, shared_store: Path, tmp_path: Path) -> None:
    target, tools, store = parse_target(tag), ensure_tools(shared_store), Store(default_store())
    options = ToolchainOptions(exports=("PyInit_*",), exports_of_modules=True)
    source, module, library = (tmp_path / name for name in ("demo.cpp", "demo.so", "libown.so"))
    source.write_text(SOURCE)
    with open_engine(EngineName.ZIG, store, tools) as engine:
        toolchain = write_toolchain(target, engine.compilers(target), tools, tmp_path, options)
        compiler = [toolchain.program("c++"), *toolchain.compile_flags]
        compiled = tmp_path / "demo.o"
        subprocess.run([*compiler, "-c", source, "-o", compiled], env=toolchain.environment, check=True)
        link = [*compiler, "-shared", compiled, *toolchain.link_flags, "-o"]
        # The library first: symbols for macOS are hidden in the object.
        for args in ([library, "-Wl,-soname,libown.so"], [module]):
            subprocess.run([*link, *args], env=toolchain.environment, check=True)

    exports = [read_binary("x.so", path.read_bytes(), (target.os,)).exports for path in (module, library)]
    assert exports[0] == ("PyInit_demo",)
    assert {"PyInit_demo", "helper"} <= set(exports[1])
