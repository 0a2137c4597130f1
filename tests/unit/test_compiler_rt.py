"""The text of zig's compiler_rt without the functions of libc."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.errors import MachineError
from everywheel.platforms.target import parse_target
from everywheel.store.local import Store
from everywheel.toolchains.build_tools import Tools
from everywheel.toolchains.compiler_rt import remove_libc_functions
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


def test_math_routines_are_removed_and_every_other_export_is_filtered_by_name() -> None:
    text = remove_libc_functions(SOURCE)

    assert "popcount" in text
    assert "divmodei4" in text
    assert "cos" not in text
    assert "if (comptime !builtin.is_test and isHelper(name)) @export(func" in text
    assert "\nfn isHelper(comptime name: []const u8) bool {\n" in text


def test_an_unexpected_source_of_compiler_rt_is_an_error() -> None:
    with pytest.raises(MachineError) as raised:
        remove_libc_functions(SOURCE.replace("// Math", "// Mathematical"))

    assert raised.value.render() == (
        "error: zig's compiler_rt.zig has an unexpected form\n"
        "  exports, and sections of math routines: 1 and 0 instead of 1 and 1\n"
        "  hint: adapt toolchains/compiler_rt.py to the pinned version of zig"
    )


@pytest.mark.parametrize(
    ("tag", "count"),
    [("manylinux2014_x86_64", 1), ("musllinux_1_2_aarch64", 1), ("macosx_11_0_arm64", 0), ("win_amd64", 0)],
)
def test_only_libraries_for_linux_are_linked_with_the_archive(tmp_path: Path, tag: str, count: int) -> None:
    unused = Path("unused")
    tools = Tools(bin=unused, python=unused, zig=unused, cmake=unused, ninja=unused, pkgconf=unused, patchelf=unused)

    links = ZigEngine(store=Store(tmp_path), tools=tools, cache=tmp_path).compilers(parse_target(tag)).link

    assert [Path(link).parents[1] for link in links] == [tmp_path / "zig"] * count
