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


# Writes behind an array: the caller cannot know its size. No function of libc writes, whose variant would check the size.
OVERFLOW = """
__attribute__((noinline)) int copy(const char *text) {
  volatile char array[8];
  for (int i = 0; text[i]; i++) array[i] = text[i];
  return array[0];
}
int main(int count, char **args) { return copy(args[count - 1]); }
"""


# Writes behind a block of the heap, and ignores a result that headers warn about.
HEAP_OVERFLOW = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **args) {
  size_t size = (size_t)count + 6;
  char *block = malloc(size);
  strcpy(block, args[count - 1]);
  read(0, block, 1);
  return block[0];
}
"""
# What the linker marks is missing in assembly, and is not needed in a file without code.
ASSEMBLY = ".section .note.GNU-stack\n"


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


def test_a_program_ends_when_a_function_of_libc_writes_behind_a_block(toolchain: Toolchain, tmp_path: Path) -> None:
    source, program = tmp_path / "overflow.c", tmp_path / "overflow"
    source.write_text(HEAP_OVERFLOW)
    run(toolchain, "cc", *toolchain.compile_flags, "-Wno-unused-result", source, *toolchain.link_flags, "-o", program)

    results = [
        subprocess.run([program, "a" * length], capture_output=True, check=False, stdin=subprocess.DEVNULL)
        for length in (7, 64)
    ]

    assert [result.returncode for result in results] == [ord("a"), -signal.SIGABRT]
    assert b"buffer overflow detected" in results[1].stderr
    assert "__strcpy_chk" in read_elf(program.read_bytes()).undefined


@pytest.mark.parametrize(
    ("name", "text", "flags"),
    [
        ("ignored.c", HEAP_OVERFLOW, ()),
        ("ignored.c", HEAP_OVERFLOW, ("-D_FORTIFY_SOURCE=1",)),
        ("ignored.c", HEAP_OVERFLOW, ("-O0", "-Wno-unused-result")),
        ("ignored.cc", HEAP_OVERFLOW.replace("= malloc", "= (char *)malloc"), ()),
        ("empty.s", ASSEMBLY, ()),
        ("empty.S", ASSEMBLY, ()),
    ],
)
def test_the_protections_end_no_build_that_makes_errors_of_warnings(
    toolchain: Toolchain, tmp_path: Path, name: str, text: str, flags: tuple[str, ...]
) -> None:
    source = tmp_path / name
    source.write_text(text)
    compiler = "c++" if name.endswith(".cc") else "cc"
    command = [
        toolchain.program(compiler),
        *toolchain.compile_flags,
        *flags,
        "-Wall",
        "-Wextra",
        "-Werror",
        "-c",
        source,
    ]

    result = subprocess.run(
        [*command, "-o", tmp_path / "out.o"], env=toolchain.environment, capture_output=True, text=True, check=False
    )

    assert result.returncode == 0, result.stderr


def test_code_of_c_supports_shadow_stacks_and_protected_branches(toolchain: Toolchain, tmp_path: Path) -> None:
    source, library = tmp_path / "demo.c", tmp_path / "libdemo.so"
    source.write_text("int demo(int (*call)(void)) { return call() + 1; }\n")
    run(toolchain, "cc", *toolchain.compile_flags, "-shared", *toolchain.link_flags, source, "-o", library)

    assert read_elf(library.read_bytes()).protections.branches == {"IBT", "SHSTK"}


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
    assert elf.protections.branches == {"BTI"}


@pytest.mark.parametrize(
    ("flag", "macros"),
    [("-msse4.2", ("__CRC32__", "__POPCNT__")), ("-mavx", ("__CRC32__", "__POPCNT__", "__XSAVE__"))],
)
def test_the_instructions_of_a_flag_are_those_of_other_compilers(
    toolchain: Toolchain, tmp_path: Path, flag: str, macros: tuple[str, ...]
) -> None:
    for condition, arguments in (("ifndef", [flag]), ("ifdef", [])):
        source = tmp_path / f"{condition}.c"
        source.write_text("".join(f"#{condition} {macro}\n#error {condition} {macro}\n#endif\n" for macro in macros))
        run(toolchain, "cc", *arguments, "-c", source, "-o", tmp_path / "demo.o")


INSTRUCTIONS = {
    "-mmmx": "__MMX__",
    "-msse3": "__SSE3__",
    "-mssse3": "__SSSE3__",
    "-msse4": "__SSE4_2__",
    "-msse4.1": "__SSE4_1__",
    "-mavx": "__AVX__",
    "-mavx2": "__AVX2__",
    "-mavx512f": "__AVX512F__",
    "-mavx512vnni": "__AVX512VNNI__",
    "-mavxvnni": "__AVXVNNI__",
    "-mamx-tile": "__AMX_TILE__",
    "-mf16c": "__F16C__",
    "-mfma": "__FMA__",
    "-maes": "__AES__",
    "-mvaes": "__VAES__",
    "-mpclmul": "__PCLMUL__",
    "-mgfni": "__GFNI__",
    "-msha": "__SHA__",
    "-mbmi2": "__BMI2__",
    "-mlzcnt": "__LZCNT__",
    "-mxsavec": "__XSAVEC__",
    "-mrdrnd": "__RDRND__",
    "-mrdseed": "__RDSEED__",
    "-madx": "__ADX__",
    "-mmovbe": "__MOVBE__",
    "-mcx16": "__GCC_HAVE_SYNC_COMPARE_AND_SWAP_16",
}


def test_links_for_further_instructions_compile_no_library_of_zig_again(shared_store: Path, tmp_path: Path) -> None:
    """A configure script tries such flags one by one, and zig would compile MinGW's C library for a minute for each."""
    with open_toolchain("win_amd64", shared_store, tmp_path) as toolchain:
        cache = Path(toolchain.environment["ZIG_GLOBAL_CACHE_DIR"])
        compiled, program = tmp_path / "demo.o", tmp_path / "demo.exe"
        for name, text in (("plain.c", "int main(void) { return 0; }\n"), ("other.c", "int other;\n")):
            (tmp_path / name).write_text(text)
        run(toolchain, "cc", tmp_path / "plain.c", *toolchain.link_flags, "-o", program)
        before = count_libraries(cache)

        for flag, macro in INSTRUCTIONS.items():
            source = tmp_path / f"{macro}.c"
            source.write_text(f"#ifndef {macro}\n#error not enabled\n#endif\nint main(void) {{ return 0; }}\n")
            run(toolchain, "cc", flag, source, *toolchain.link_flags, "-o", program)
        run(toolchain, "cc", "-mavx2", "-c", tmp_path / "plain.c", "-o", compiled)
        unwinding = ["-fno-asynchronous-unwind-tables", "-funwind-tables", "-fomit-frame-pointer", "-march=x86-64-v3"]
        run(toolchain, "cc", "-mavx2", *unwinding, compiled, *toolchain.link_flags, "-o", program)
        for flag in unwinding[:3]:
            run(toolchain, "cc", flag, tmp_path / "plain.c", *toolchain.link_flags, "-o", program)

        assert before
        assert count_libraries(cache) == before


def count_libraries(cache: Path) -> int:
    """Return the number of compiled libraries in a cache of zig."""
    return len([path for path in cache.rglob("*") if path.suffix in (".a", ".lib", ".dll")])
