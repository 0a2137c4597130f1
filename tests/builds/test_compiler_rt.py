"""A library that is linked with compiler_rt calls the functions of libc and contains no copies of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store, default_store
from everywheel.toolchains.build_tools import ensure_tools
from everywheel.toolchains.toolchain_writer import write_toolchain
from everywheel.toolchains.zig import ZigEngine

SOURCE = """\
#include <math.h>
#include <string.h>
unsigned __int128 divide(unsigned __int128 a, unsigned __int128 b) { return a / b; }
void copy(char *to, const char *from, size_t size) { memcpy(to, from, size); memset(to + size, 0, size); }
int compare(const char *a, const char *b, size_t size) { return memcmp(a, b, size) + (int)strlen(a); }
double compute(double x) { return sin(x) + log(x) + fmod(x, 3); }
"""
LIBC = {"memcpy", "memset", "memcmp", "strlen", "sin", "log", "fmod"}


def list_undefined(library: Path) -> set[str]:
    """Return the undefined symbols of a library."""
    with library.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".dynsym")
        return {symbol.name for symbol in symbols.iter_symbols() if symbol["st_shndx"] == "SHN_UNDEF"}


@pytest.mark.parametrize("tag", ["manylinux2014_x86_64", "musllinux_1_2_aarch64"])
def test_compiler_rt_adds_no_copy_of_libc_functions(shared_store: Path, tmp_path: Path, tag: str) -> None:
    target = parse_target(tag)
    engine = ZigEngine(store=Store(default_store()), tools=ensure_tools(shared_store), cache=tmp_path / "zig")
    engine.prime_cache(target)
    toolchain = write_toolchain(target, engine.compilers(target), engine.tools, tmp_path)
    source, library = tmp_path / "library.c", tmp_path / "library.so"
    source.write_text(SOURCE)

    def link(flags: tuple[str, ...]) -> set[str]:
        command = [toolchain.program("cc"), *toolchain.compile_flags, *flags, "-shared", source, "-lm", "-o", library]
        subprocess.run(command, env={**os.environ, **toolchain.environment}, check=True)
        return list_undefined(library)

    undefined = link(toolchain.link_flags)
    undefined_without_workaround = link(tuple(flag for flag in toolchain.link_flags if not flag.endswith(".a")))

    assert undefined >= LIBC
    # If this fails, zig no longer links the copies, and the workaround can be removed.
    assert undefined_without_workaround & LIBC == set()
