"""Targets: platform tags taken apart."""

from __future__ import annotations

import pytest

from builder.target import ARCHES, build_machine_target, parse_target


@pytest.mark.parametrize(
    ("text", "tag", "wheel", "zig"),
    [
        ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "x86_64-linux-gnu.2.17"),
        ("manylinux_2_28_aarch64", "manylinux_2_28_aarch64", "manylinux_2_28_aarch64", "aarch64-linux-gnu.2.28"),
        ("musllinux_1_2_armv7l", "musllinux_1_2_armv7l", "musllinux_1_2_armv7l", "arm-linux-musleabihf"),
        ("manylinux_2_17_i686", "manylinux_2_17_i686", "manylinux2014_i686", "x86-linux-gnu.2.17"),
        ("manylinux_2_31_riscv64", "manylinux_2_31_riscv64", "manylinux_2_31_riscv64", "riscv64-linux-gnu.2.31"),
    ],
)
def test_a_tag_names_a_target(text: str, tag: str, wheel: str, zig: str) -> None:
    target = parse_target(text)

    assert (target.tag, target.wheel_tag, target.zig) == (tag, wheel, zig)


def test_an_alias_and_its_tag_are_one_target() -> None:
    assert parse_target("manylinux2014_s390x") == parse_target("manylinux_2_17_s390x")


@pytest.mark.parametrize("arch", ARCHES)
def test_every_architecture_has_both_c_libraries(arch: str) -> None:
    glibc = parse_target("manylinux_{}_{}_{}".format(*ARCHES[arch].lowest_glibc, arch))
    musl = parse_target(f"musllinux_1_2_{arch}")

    assert glibc.facts == {**musl.facts, "libc": "glibc"}


def test_this_machine_is_a_target() -> None:
    assert build_machine_target().arch.name in ARCHES
