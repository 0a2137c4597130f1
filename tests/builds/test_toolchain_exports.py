"""Modules that are linked to the C++ library: zig links a copy of it into each of them, and into each shared library."""

from __future__ import annotations

import subprocess
import sys
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

FAILING_LIBRARY = """
#include "own.h"
void fail(int kind) {
  if (kind == 0) throw OwnError("own");
  if (kind == 1) throw std::out_of_range("standard");
  throw kind;
}
"""
OWN_HEADER = """
#include <stdexcept>
class OwnError : public std::runtime_error { public: using std::runtime_error::runtime_error; };
void fail(int kind);
"""
CATCHING_MODULE = """
#include "own.h"
#include <cstring>
static int kind_of(int kind) {
  try { fail(kind); }
  catch (const OwnError &error) { return strcmp(error.what(), "own") ? -1 : 10; }
  catch (const std::out_of_range &error) { return strcmp(error.what(), "standard") ? -1 : 20; }
  catch (int number) { return number * 100; }
  return -1;
}
static int base_of(int kind) {
  try { fail(kind); } catch (const std::exception &error) { return 1; } catch (int) { return 2; }
  return -1;
}
extern "C" __attribute__((visibility("default"))) int PyInit_demo() {
  return kind_of(0) + kind_of(1) + kind_of(7) + base_of(0) + base_of(1) + base_of(2);
}
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


@pytest.mark.exhaustive
def test_a_module_catches_what_a_shared_library_throws(shared_store: Path, tmp_path: Path) -> None:
    target, tools, store = parse_target("manylinux2014_x86_64"), ensure_tools(shared_store), Store(default_store())
    options = ToolchainOptions(exports=("PyInit_*",), exports_of_modules=True)
    (tmp_path / "own.h").write_text(OWN_HEADER)
    with open_engine(EngineName.ZIG, store, tools) as engine:
        toolchain = write_toolchain(target, engine.compilers(target), tools, tmp_path, options)

        def link(name: str, source: str, *args: str) -> None:
            file = tmp_path / f"{name}.cpp"
            file.write_text(source)
            command = [toolchain.program("c++"), *toolchain.compile_flags, "-shared", file, *args]
            command += [*toolchain.link_flags, "-o", tmp_path / f"{name}.so"]
            subprocess.run(command, cwd=tmp_path, env=toolchain.environment, check=True)

        link("libown", FAILING_LIBRARY, "-Wl,-soname,libown.so")
        link("demo", CATCHING_MODULE, "libown.so")
    code = "import ctypes; ctypes.CDLL('./libown.so'); print(ctypes.CDLL('./demo.so').PyInit_demo())"
    output = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"LD_LIBRARY_PATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout

    assert output == "734\n"
