"""Targets, and the platform tags that name them."""

from __future__ import annotations

import pytest
from everywheel.errors import UsageError
from everywheel.libraries.features import can_run
from everywheel.platforms.architectures import ARCHES, find_machine_arch
from everywheel.platforms.target import build_machine_target, parse_target


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


def test_an_alias_and_its_tag_name_the_same_target() -> None:
    assert parse_target("manylinux2014_s390x") == parse_target("manylinux_2_17_s390x")


@pytest.mark.parametrize("arch", ARCHES)
def test_every_architecture_has_targets_for_both_libcs(arch: str) -> None:
    glibc = parse_target("manylinux_{}_{}_{}".format(*ARCHES[arch].lowest_glibc, arch))
    musl = parse_target(f"musllinux_1_2_{arch}")

    assert glibc.facts == {**musl.facts, "libc": "glibc"}


def test_the_build_machine_is_a_target() -> None:
    assert build_machine_target().arch.name in ARCHES


@pytest.mark.parametrize(("machine", "tag"), [("AMD64", "win_amd64"), ("ARM64", "win_arm64")])
def test_a_windows_machine_is_a_target(machine: str, tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Windows")
    monkeypatch.setattr("platform.machine", lambda: machine)

    assert build_machine_target(own_libc=True) == parse_target(tag)
    assert can_run(parse_target(tag))
    assert not can_run(parse_target("manylinux2014_x86_64"))


@pytest.mark.parametrize(
    ("tag", "zig", "platform", "suffix"),
    [
        ("macosx_11_0_arm64", "aarch64-macos.11.0", "macosx-11.0-arm64", "darwin"),
        ("macosx_10_15_x86_64", "x86_64-macos.10.15", "macosx-10.15-x86_64", "darwin"),
        ("win_amd64", "x86_64-windows-gnu", "win-amd64", "win_amd64"),
        ("win_arm64", "aarch64-windows-gnu", "win-arm64", "win_arm64"),
    ],
)
def test_names_of_targets_on_macos_and_windows(tag: str, zig: str, platform: str, suffix: str) -> None:
    target = parse_target(tag)
    assert (target.tag, target.wheel_tag) == (tag, tag)
    assert (target.zig, target.python_platform, target.extension_suffix) == (zig, platform, suffix)


@pytest.mark.parametrize(
    ("tag", "lowest"), [("macosx_10_14_x86_64", "macosx_10_15_x86_64"), ("macosx_10_15_arm64", "macosx_11_0_arm64")]
)
def test_a_macos_older_than_the_oldest_supported_is_refused(tag: str, lowest: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(tag)
    assert caught.value.hint == f"use {lowest} or newer"


@pytest.mark.parametrize(
    ("tag", "meant"),
    [
        ("linux_x64", "manylinux_2_17_x86_64"),
        ("linux-musl-x86_64", "musllinux_1_2_x86_64"),
        ("win-x64", "win_amd64"),
        ("win64", "win_amd64"),
        ("osx_arm64", "macosx_11_0_arm64"),
    ],
)
def test_other_names_of_a_target_get_a_suggestion(tag: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(tag)
    assert caught.value.hint == f"did you mean '{meant}'?"


def test_a_universal_wheel_is_two_targets() -> None:
    with pytest.raises(UsageError) as caught:
        parse_target("macosx_11_0_universal2")
    assert caught.value.hint == (
        "name both architectures: installers choose between macosx_10_15_x86_64 and macosx_11_0_arm64"
    )


@pytest.mark.parametrize("tag", ["manylinux1_x86_64", "manylinux2010_i686", "manylinux_2_16_x86_64"])
def test_a_glibc_older_than_the_oldest_supported_is_refused(tag: str) -> None:
    with pytest.raises(UsageError, match=r"the lowest floor for \w+ is glibc 2\.17$"):
        parse_target(tag)


@pytest.mark.parametrize("tag", ["linux_x86_64", "any", "win32", "macosx_11_0_universal2", "musllinux_2_0_x86_64", "x"])
def test_a_tag_that_is_not_a_target_is_refused(tag: str) -> None:
    with pytest.raises(UsageError, match="is not supported"):
        parse_target(tag)


@pytest.mark.parametrize(
    ("machine", "arch"),
    [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("arm64", "aarch64"), ("armv8l", "armv7l"), ("mips", None)],
)
def test_the_architecture_of_a_machine(machine: str, arch: str | None) -> None:
    known = find_machine_arch(machine)

    assert (known.name if known is not None else None) == arch
