"""Flags of gcc and GNU ld that the compiler wrapper translates or drops: zig accepts what is left of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from everywheel.binaries.elf import read_elf
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


@pytest.fixture
def toolchain(shared_store: Path, tmp_path: Path) -> Iterator[Toolchain]:
    """The toolchain of zig, with static libraries `part`, which nothing needs, and `other` in its prefix."""
    target, tools, store = parse_target("manylinux2014_x86_64"), ensure_tools(shared_store), Store(default_store())
    with open_engine(EngineName.ZIG, store, tools) as engine:
        written = write_toolchain(target, engine.compilers(target), tools, tmp_path)
        library = written.prefix / "lib"
        library.mkdir(parents=True)
        for name in ("part", "other"):
            source, compiled = tmp_path / f"{name}.c", tmp_path / f"{name}.o"
            source.write_text(f"int {name}(void) {{ return 1; }}\n")
            run(written, "cc", "-c", source, "-o", compiled)
            run(written, "ar", "rcs", library / f"lib{name}.a", compiled)
        yield written


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
