"""The allocator of large blocks in libvips and libwebp, under the load of threads, forks and failures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from everywheel.toolchains.build_tools import ensure_tools

RECIPES = Path(__file__).parents[2] / "recipes"
ALLOCATOR = RECIPES / "libvips" / "overlay" / "libvips" / "large_blocks.c"  # the same as that of libwebp
# Makes the hidden functions of the library callable.
FUNCTIONS = """
#include <stdlib.h>
#define EXPORT __attribute__((visibility("default")))
EXPORT void *library_malloc(size_t size) { return malloc(size); }
EXPORT void *library_calloc(size_t count, size_t size) { return calloc(count, size); }
EXPORT void *library_realloc(void *block, size_t size) { return realloc(block, size); }
EXPORT int library_memalign(void **block, size_t alignment, size_t size)
{
    return posix_memalign(block, alignment, size);
}
EXPORT void library_free(void *block) { free(block); }
"""


@pytest.mark.parametrize("options", [(), ("-DWITH_RESERVE",)], ids=["libwebp", "libvips"])
def test_blocks_keep_their_content_in_threads_forks_and_when_memory_is_exhausted(
    options: tuple[str, ...], shared_store: Path, tmp_path: Path
) -> None:
    (tmp_path / "functions.c").write_text(FUNCTIONS)
    cache = str(shared_store / "zig")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    compiler = (ensure_tools(shared_store).zig, "cc", "-target", "x86_64-linux-gnu.2.17", "-O2", "-fno-builtin")
    library = ("-shared", "-fPIC", "-fvisibility=hidden", *options, ALLOCATOR, "functions.c", "-ldl")
    program = (Path(__file__).with_name("use_large_blocks.c"), "-rdynamic", "./liblarge.so", "-lpthread")
    for arguments in ((*library, "-o", "liblarge.so"), (*program, "-o", "program")):
        subprocess.run([*compiler, *arguments], cwd=tmp_path, env=environment, check=True)

    subprocess.run(["./program"], cwd=tmp_path, check=True)


SETTINGS = '[project]\nname = "demo"\nversion = "1"\n[tool.everywheel]\nrequires = ["libwebp"]\nshared = ["libwebp"]\n'
# As Pillow does, which encodes with WebPEncode() and a WebPMemoryWriter.
FREES = """
#include <stdint.h>
#include <stdlib.h>
#include <webp/encode.h>
int main(void)
{
    enum { SIDE = 400 };
    uint8_t *pixels = malloc(SIDE * SIDE * 4), *output = NULL;
    uint32_t noise = 1;
    for (int at = 0; at < SIDE * SIDE * 4; at++) pixels[at] = (noise = noise * 1664525 + 1013904223) >> 24;
    size_t size = WebPEncodeLosslessRGBA(pixels, SIDE, SIDE, SIDE * 4, &output);
    free(output);
    free(pixels);
    return size > 400000 ? 0 : 1;
}
"""


def test_a_program_may_free_what_a_shared_libwebp_returns(shared_store: Path, tmp_path: Path) -> None:
    """Without the feature `large-blocks`, which the recipe states."""
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    (tmp_path / "frees.c").write_text(FREES)
    cache = str(shared_store / "zig")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    command = [sys.executable, "-m", "everywheel", "deps", "libwebp", "--prefix", "prefix"]
    compiler = [ensure_tools(shared_store).zig, "cc", "-target", "x86_64-linux-gnu.2.17", "-Iprefix/include"]

    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run(
        [*compiler, "frees.c", "-Lprefix/lib", "-lwebp", "-o", "frees"], cwd=tmp_path, env=environment, check=True
    )

    search = {**os.environ, "LD_LIBRARY_PATH": "prefix/lib"}
    assert subprocess.run(["./frees"], cwd=tmp_path, env=search, check=False).returncode == 0


@pytest.mark.parametrize("target", ["x86_64-linux-musl", "aarch64-linux-gnu.2.17"])
def test_names_do_not_collide_with_headers_that_a_build_includes_before(
    target: str, shared_store: Path, tmp_path: Path
) -> None:
    """libvips precompiles its headers, which include math.h: in musl, that defines HUGE."""
    cache = str(shared_store / "zig")
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    command = [ensure_tools(shared_store).zig, "cc", "-target", target, "-std=gnu99", "-D_GNU_SOURCE", "-DWITH_RESERVE"]

    subprocess.run(
        [*command, "-include", "math.h", "-c", ALLOCATOR, "-o", "blocks.o"], cwd=tmp_path, env=environment, check=True
    )
