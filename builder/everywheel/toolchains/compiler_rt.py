"""The functions that compilers call by themselves (128-bit division, soft floats, atomics), without zig's copies of libc's.

zig's compiler_rt also defines memcpy, strlen, sin and some eighty others of libc's functions, portable ones, all in one
object. As soon as a link misses one function that only compiler_rt has, that object joins it, and what is defined inside
a library goes before what the system has: a library that divides 128-bit numbers copies, compares and computes without
what libc does for the processor, and without a word. So every link for Linux is given an archive, made of the same
sources, that has none of these. Where one of its functions is missed all the same, zig's own object still joins.

macOS is not concerned: there the system's functions go first. On Windows zig takes its own, archive or not.
"""

from __future__ import annotations

import functools
import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from everywheel.errors import MachineError
from everywheel.execution.process import run_logged
from everywheel.platforms.target import Target
from everywheel.toolchains.build_tools import Tools, tools_identity

_EXPORT = "if (!builtin.is_test) @export("
_CHOSEN = "if (comptime !builtin.is_test and isHelper(name)) @export("
_MATHEMATICS = re.compile(r" *// Math routines\..*?\n\n", re.DOTALL)
# The names of libc's functions begin with a letter, but for those of fortified ones and of the stack protector. Those that
# multiply and divide complex numbers call functions of libm that not every libm has.
_CHOICE = """
fn isHelper(comptime name: []const u8) bool {
    @setEvalBranchQuota(10_000);
    const of_libc = name[0] != '_' or std.mem.endsWith(u8, name, "_chk") or std.mem.startsWith(u8, name, "__stack_chk_");
    return !of_libc and !std.mem.endsWith(u8, name, "c3");
}
"""
_FLAGS = (
    "-OReleaseFast",
    "-fPIC",
    "-fstrip",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-builtin",
    "-fno-stack-check",
    "-fno-unwind-tables",
)


@functools.cache
def compiler_rt_identity() -> str:
    """Return what the archives of this zig, made by this code, are named by."""
    return hashlib.sha256(tools_identity().encode() + Path(__file__).read_bytes()).hexdigest()[:16]


def find_compiler_rt(cache: Path, target: Target) -> Path:
    """Return where the archive for a target is, or will be."""
    return cache / f"compiler_rt-{compiler_rt_identity()}-{target.zig}.a"


def build_compiler_rt(target: Target, tools: Tools, cache: Path, *, environment: Mapping[str, str], log: Path) -> None:
    """Compile the archive for a target into the cache; it takes some seconds.

    Raises MachineError when zig's sources are not what this module takes them for, BuildError when zig fails.
    """
    sources = tools.zig.parent / "lib"
    cache.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=cache) as folder:
        root, compiled, packed = (Path(folder) / f"compiler_rt{suffix}" for suffix in (".zig", ".o", ".a"))
        root.write_text(leave_out_libc((sources / "compiler_rt.zig").read_text()))
        shutil.copytree(sources / "compiler_rt", root.with_suffix(""))
        commands: tuple[tuple[str | Path, ...], ...] = (
            (tools.zig, "build-obj", "-target", target.zig, *_FLAGS, f"-femit-bin={compiled}", root),
            (tools.zig, "ar", "rcsD", packed, compiled),
        )
        for words in commands:
            run_logged(words, cwd=root.parent, env=environment, log=log, what=f"compiler for {target.tag}")
        packed.replace(find_compiler_rt(cache, target))


def leave_out_libc(source: str) -> str:
    """Return the text of zig's compiler_rt.zig that exports nothing which is libc's.

    Raises MachineError when it is not the text that this was written for.
    """
    found = source.count(_EXPORT), len(_MATHEMATICS.findall(source))
    if found != (1, 1):
        raise MachineError(
            "zig's compiler_rt.zig is not written as it was",
            details={"exports, and sections of mathematics": f"{found[0]} and {found[1]} instead of 1 and 1"},
            hint="a newer zig was pinned: adapt toolchains/compiler_rt.py to it",
        )
    return _MATHEMATICS.sub("", source.replace(_EXPORT, _CHOSEN)) + _CHOICE
