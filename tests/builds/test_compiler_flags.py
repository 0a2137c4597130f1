"""Flags of the compilers: what the wrapper leaves of the flags of gcc and GNU ld, and protections of the stack."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from everywheel.binaries.elf import read_elf
from everywheel.platforms.linux_policy import load_policy
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.compilers import EngineName
from everywheel.toolchains.engines import open_engine
from everywheel.toolchains.toolchain import Toolchain
from everywheel.toolchains.toolchain_writer import write_toolchain

COMPILE = """
-fno-gnu-unique -fipa-cp -fno-ipa-icf -fsched-pressure -fno-sched-interblock -ftree-loop-distribution -fno-tree-loop-vectorize
-ftree-pre -fno-tree-sra -fpredictive-commoning -fcode-hoisting -fpartial-inlining -fno-allow-store-data-races
-fcse-follow-jumps -fno-guess-branch-probability -malign-data=cacheline -mveclibabi=svml -fno-lifetime-dse
-fvar-tracking-assignments -fno-toplevel-reorder -fgraphite-identity -ffat-lto-objects -mtune=haswell
-march=x86-64-v2 -Wa,-mbranches-within-32B-boundaries -Wp,-U_FORTIFY_SOURCE,-D_FORTIFY_SOURCE=2
"""
LINK = """
-Wl,-h,libdemo.so.1,--symbolic -Wl,--require-defined=demo -Wl,-z,combreloc -Wl,-z,pack-relative-relocs -Wl,--no-rosegment
-Wl,--emit-relocs -Wl,-q -Wl,--gdb-index -Wl,-melf_x86_64 -Wl,--spare-dynamic-tags=5 -Wl,-flto -Wl,--lto-O2 -Wl,-Map,demo.map
-Wl,--exclude-libs,ALL -Wl,--no-copy-dt-needed-entries -Wl,--warn-common -Wl,--package-metadata={} -Wl,--undefined=demo
-Wl,--push-state,--whole-archive,-lpart,--pop-state -Xlinker -lother -Wl,-Bsymbolic-functions -Wl,--no-undefined
"""


# Writes behind an array: the caller cannot know its size.
OVERFLOW = """
#include <string.h>
__attribute__((noinline)) int copy(const char *text) {
  char array[8];
  strcpy(array, text);
  return array[0];
}
int main(int count, char **args) { return copy(args[count - 1]); }
"""


@pytest.fixture
def toolchain(shared_store: Path, tmp_path: Path) -> Iterator[Toolchain]:
    """The toolchain of zig, with static libraries `part`, which nothing needs, and `other` in its prefix."""
    with open_toolchain("manylinux2014_x86_64", shared_store, tmp_path) as written:
        library = written.prefix / "lib"
        library.mkdir(parents=True)
        for name in ("part", "other"):
            source, compiled = tmp_path / f"{name}.c", tmp_path / f"{name}.o"
            source.write_text(f"int {name}(void) {{ return 1; }}\n")
            run(written, "cc", "-c", source, "-o", compiled)
            run(written, "ar", "rcs", library / f"lib{name}.a", compiled)
        yield written


@contextmanager
def open_toolchain(tag: str, shared_store: Path, folder: Path) -> Iterator[Toolchain]:
    target, tools, store = parse_target(tag), ensure_tools(shared_store), Store(default_store())
    with open_engine(EngineName.ZIG, store, tools) as engine:
        engine.prime_cache(target)
        yield write_toolchain(target, engine.compilers(target), tools, folder)


def run(toolchain: Toolchain, program: str, *arguments: object) -> None:
    command = [str(toolchain.program(program)), *map(str, arguments)]
    result = subprocess.run(command, env=toolchain.environment, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_zig_accepts_what_the_wrapper_passes_on(toolchain: Toolchain, tmp_path: Path) -> None:
    source, compiled, module = (tmp_path / name for name in ("demo.c", "demo.o", "demo.so"))
    source.write_text("int other(void); int demo(void) { return other(); }\n")

    run(toolchain, "cc", *toolchain.compile_flags, *COMPILE.split(), "-c", source, "-o", compiled)
    flags = [f"-L{toolchain.prefix}/lib", *LINK.split(), *toolchain.link_flags]
    run(toolchain, "cc", "-shared", compiled, *flags, "-o", module)

    elf = read_elf(module.read_bytes())
    assert elf.soname == "libdemo.so.1"
    assert {"demo", "part", "other"} <= set(elf.exports)


def test_a_program_ends_when_its_stack_is_overwritten(toolchain: Toolchain, tmp_path: Path) -> None:
    source, program = tmp_path / "overflow.c", tmp_path / "overflow"
    source.write_text(OVERFLOW)
    run(toolchain, "cc", *toolchain.compile_flags, source, *toolchain.link_flags, "-o", program)

    results = [subprocess.run([program, "a" * length], capture_output=True, check=False) for length in (7, 64)]

    assert [result.returncode for result in results] == [ord("a"), -signal.SIGABRT]


def test_the_protected_stack_requires_only_libraries_that_every_system_has(shared_store: Path, tmp_path: Path) -> None:
    """On arm64, the value that is compared is in the loader."""
    source, library = tmp_path / "overflow.c", tmp_path / "liboverflow.so"
    source.write_text(OVERFLOW)
    with open_toolchain("manylinux2014_aarch64", shared_store, tmp_path) as toolchain:
        flags = [*toolchain.compile_flags, "-shared", *toolchain.link_flags]
        run(toolchain, "cc", *flags, source, "-o", library)

    elf, policy = read_elf(library.read_bytes()), load_policy("manylinux2014_aarch64")
    assert elf.needed == ("libc.so.6", "ld-linux-aarch64.so.1")
    assert policy is not None
    assert all(policy.provides(name) for name in elf.needed)
