"""The compiler run-time library (128-bit division, soft floats, atomics) without zig's copies of libc functions.

zig's compiler_rt also defines memcpy, strlen, sin and about eighty other functions of libc, all in one object
(https://github.com/ziglang/zig/issues/7265). A library that needs one function of compiler_rt, such as a division of
128-bit numbers, links the whole object, and its definitions then take precedence over libc's functions, which are optimized
for the processor. Every link for Linux therefore includes an archive that is built from the same sources
without these functions. A link that still needs one of them also includes zig's own object.

The archive is not used for macOS, where the functions of the system take precedence, nor for Windows, where zig always
links its own object.
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
_FILTERED_EXPORT = "if (comptime !builtin.is_test and isHelper(name)) @export("
_MATHEMATICS = re.compile(r" *// Math routines\..*?\n\n", re.DOTALL)
# The names of libc functions begin with a letter, except for fortified functions and the stack protector. The functions
# that multiply and divide complex numbers (`…c3`) are left out too: they call functions that some libms do not have.
_FILTER = """
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
    """Return the hash of zig's version and of this code, for the names of directories."""
    return hashlib.sha256(tools_identity().encode() + Path(__file__).read_bytes()).hexdigest()[:16]


def find_compiler_rt(folder: Path) -> Path:
    """Return the path of the archive in the directory of a target; it may not exist yet."""
    return folder / "compiler_rt.a"


def build_compiler_rt(
    target: Target, tools: Tools, archive: Path, *, environment: Mapping[str, str], log: Path
) -> None:
    """Compile the archive for a target; it takes some seconds.

    Raises MachineError when zig's sources do not have the expected structure, BuildError when zig fails.
    """
    sources = tools.zig.parent / "lib"
    with TemporaryDirectory(dir=archive.parent) as folder:
        root, compiled, packed = (Path(folder) / f"compiler_rt{suffix}" for suffix in (".zig", ".o", ".a"))
        root.write_text(remove_libc_functions((sources / "compiler_rt.zig").read_text()))
        shutil.copytree(sources / "compiler_rt", root.with_suffix(""))
        commands: tuple[tuple[str | Path, ...], ...] = (
            (tools.zig, "build-obj", "-target", target.zig, *_FLAGS, f"-femit-bin={compiled}", root),
            (tools.zig, "ar", "rcsD", packed, compiled),
        )
        for command in commands:
            run_logged(command, cwd=root.parent, env=environment, log=log, label=f"compiler for {target.tag}")
        packed.replace(archive)


def remove_libc_functions(source: str) -> str:
    """Return the text of zig's compiler_rt.zig without the exports of libc functions.

    Raises MachineError when the text does not have the expected structure.
    """
    counts = source.count(_EXPORT), len(_MATHEMATICS.findall(source))
    if counts != (1, 1):
        raise MachineError(
            "zig's compiler_rt.zig has an unexpected form",
            details={"exports, and sections of math routines": f"{counts[0]} and {counts[1]} instead of 1 and 1"},
            hint="adapt toolchains/compiler_rt.py to the pinned version of zig",
        )
    return _MATHEMATICS.sub("", source.replace(_EXPORT, _FILTERED_EXPORT)) + _FILTER
