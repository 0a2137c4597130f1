"""What is left of zig's compiler_rt, as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.errors import MachineError
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compiler_rt import leave_out_libc
from everywheel.toolchains.zig import ZigEngine

SOURCE = """\
pub inline fn symbol(comptime func: *const anyopaque, comptime name: []const u8) void {
    if (!builtin.is_test) @export(func, .{ .name = name });
}
comptime {
    // Integer routines
    _ = @import("compiler_rt/popcount.zig");

    // Math routines. Alphabetically sorted.
    _ = @import("compiler_rt/cos.zig");
    _ = @import("compiler_rt/exp.zig");

    // BigInt. Alphabetically sorted.
    _ = @import("compiler_rt/divmodei4.zig");
}
"""


def test_mathematics_are_left_out_and_every_name_is_asked_for() -> None:
    left = leave_out_libc(SOURCE)

    assert "popcount" in left
    assert "divmodei4" in left
    assert "cos" not in left
    assert "if (comptime !builtin.is_test and isHelper(name)) @export(func" in left
    assert "\nfn isHelper(comptime name: []const u8) bool {\n" in left


def test_a_source_that_is_written_otherwise_is_refused() -> None:
    with pytest.raises(MachineError) as raised:
        leave_out_libc(SOURCE.replace("// Math", "// Mathematical"))

    assert raised.value.render() == (
        "error: zig's compiler_rt.zig is not written as it was\n"
        "  exports, and sections of mathematics: 1 and 0 instead of 1 and 1\n"
        "  hint: a newer zig was pinned: adapt toolchains/compiler_rt.py to it"
    )


@pytest.mark.parametrize(
    ("tag", "count"),
    [("manylinux2014_x86_64", 1), ("musllinux_1_2_aarch64", 1), ("macosx_11_0_arm64", 0), ("win_amd64", 0)],
)
def test_links_for_linux_are_given_the_archive(tmp_path: Path, tag: str, count: int) -> None:
    nothing = Path("none")
    tools = Tools(
        bin=nothing, python=nothing, zig=nothing, cmake=nothing, ninja=nothing, pkgconf=nothing, patchelf=nothing
    )

    links = ZigEngine(store=Store(tmp_path), tools=tools).compilers(parse_target(tag)).link

    assert [Path(word).parent for word in links] == [tmp_path / "zig"] * count
