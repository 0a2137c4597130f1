"""Platform tags: parsed and formatted in one module."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from everywheel.platforms.tags import (
    Floor,
    PlatformTag,
    TagFamily,
    list_compatible_tags,
    list_systems,
    parse_platforms,
)

PACKAGE = Path(__file__).parents[2] / "builder" / "everywheel"
# The beginning of a tag, or of a pattern for one.
PREFIX = re.compile(r"manylinux|musllinux|macosx|\bwin_|\blinux_")
METHODS = frozenset(
    (
        "compile",
        "match",
        "fullmatch",
        "search",
        "findall",
        "startswith",
        "endswith",
        "removeprefix",
        "partition",
        "rpartition",
        "split",
        "replace",
    )
)


@pytest.mark.parametrize(
    ("text", "family", "version", "arch"),
    [
        ("manylinux1_i686", TagFamily.MANYLINUX, (2, 5), "i686"),
        ("manylinux2010_x86_64", TagFamily.MANYLINUX, (2, 12), "x86_64"),
        ("manylinux2014_ppc64le", TagFamily.MANYLINUX, (2, 17), "ppc64le"),
        ("manylinux_2_28_aarch64", TagFamily.MANYLINUX, (2, 28), "aarch64"),
        ("musllinux_1_2_armv7l", TagFamily.MUSLLINUX, (1, 2), "armv7l"),
        ("linux_s390x", TagFamily.LINUX, (0, 0), "s390x"),
        ("macosx_10_15_x86_64", TagFamily.MACOS, (10, 15), "x86_64"),
        ("macosx_11_0_universal2", TagFamily.MACOS, (11, 0), "universal2"),
        ("win_amd64", TagFamily.WINDOWS, (0, 0), "amd64"),
        ("win32", TagFamily.WINDOWS, (0, 0), "x86"),
        ("any", TagFamily.ANY, (0, 0), ""),
    ],
)
def test_a_tag_has_a_family_a_version_and_an_architecture(
    text: str, family: TagFamily, version: tuple[int, int], arch: str
) -> None:
    tag = PlatformTag.parse(text)

    assert (tag.text, tag.family, tag.version, tag.arch) == (text, family, version, arch)


@pytest.mark.parametrize(
    ("text", "family"),
    [
        ("manylinux_2_x86_64", TagFamily.MANYLINUX),
        ("manylinux3_x86_64", TagFamily.MANYLINUX),
        ("musllinux_x_y_x86_64", TagFamily.MUSLLINUX),
        ("macosx_11_arm64", TagFamily.MACOS),
        ("win64", TagFamily.WINDOWS),
        ("win_x86", TagFamily.WINDOWS),
        ("android_21_arm64_v8a", TagFamily.OTHER),
        ("", TagFamily.OTHER),
    ],
)
def test_a_malformed_tag_has_a_family_and_no_architecture(text: str, family: TagFamily) -> None:
    tag = PlatformTag.parse(text)

    assert (tag.family, tag.version, tag.arch) == (family, (0, 0), "")


@pytest.mark.parametrize(
    "text", ["manylinux_2_28_x86_64", "musllinux_1_2_aarch64", "linux_i686", "macosx_11_0_arm64", "win_arm64", "win32"]
)
def test_formatting_a_tag_is_the_inverse_of_parsing_it(text: str) -> None:
    tag = PlatformTag.parse(text)

    assert PlatformTag.make(tag.family, tag.arch, tag.version) == tag


@pytest.mark.parametrize(
    ("text", "alias"),
    [
        ("manylinux_2_5_x86_64", "manylinux1_x86_64"),
        ("manylinux_2_17_s390x", "manylinux2014_s390x"),
        ("manylinux2014_s390x", "manylinux2014_s390x"),
        ("manylinux_2_18_x86_64", "manylinux_2_18_x86_64"),
        ("macosx_2_17_x86_64", "macosx_2_17_x86_64"),
    ],
)
def test_a_tag_that_has_an_older_name(text: str, alias: str) -> None:
    assert PlatformTag.parse(text).alias == alias


def test_fat_binaries_are_for_several_architectures() -> None:
    assert PlatformTag.parse("macosx_11_0_universal2").arches == ("x86_64", "arm64")
    assert PlatformTag.parse("macosx_10_6_intel").arches == ("i386", "x86_64")
    assert PlatformTag.parse("win_amd64").arches == ("amd64",)


@pytest.mark.parametrize(
    ("platform", "systems"),
    [
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", {"linux"}),
        ("linux_x86_64.win_amd64", {"linux", "windows"}),
        ("macosx_11_0_arm64.win32", {"darwin", "windows"}),
        ("any", set()),
        ("ios_13_0_arm64_iphoneos", set()),
    ],
)
def test_a_compressed_set_names_operating_systems(platform: str, systems: set[str]) -> None:
    assert list_systems(platform) == systems
    assert [tag.text for tag in parse_platforms(platform)] == platform.split(".")


@pytest.mark.parametrize(("text", "libc"), [("manylinux_2_28", "glibc"), ("musllinux_1_2", "musl")])
def test_a_floor_is_a_tag_without_its_architecture(text: str, libc: str) -> None:
    floor = Floor.parse(text)

    assert (floor.libc, str(floor)) == (libc, text)


@pytest.mark.parametrize("text", ["manylinux2014", "manylinux", "macosx_11_0", "win", "manylinux_2_28_x86_64", ""])
def test_another_text_is_not_a_floor(text: str) -> None:
    with pytest.raises(ValueError, match="is not a platform tag of Linux"):
        Floor.parse(text)


def test_installers_prefer_the_newest_tag() -> None:
    tags = list_compatible_tags(Floor(libc="glibc", version=(2, 19)), "x86_64")

    assert tags == ["manylinux_2_19_x86_64", "manylinux_2_18_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]
    assert list_compatible_tags(Floor(libc="musl", version=(1, 3)), "i686") == [
        "musllinux_1_2_i686",
        "musllinux_1_1_i686",
        "musllinux_1_0_i686",
    ]


def find_tag_code(path: Path) -> Iterator[str]:
    """Yield each place where a module takes a tag apart or puts one together by itself."""

    def is_prefix(node: ast.AST) -> bool:
        return isinstance(node, ast.Constant) and isinstance(node.value, str) and PREFIX.search(node.value) is not None

    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            parts: list[ast.AST] = [constant for argument in node.args for constant in ast.walk(argument)]
        elif isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.JoinedStr):
            parts = [part for part in node.values if str(getattr(part, "value", "")).endswith(("_", "linux", "macosx"))]
        else:
            continue
        if any(map(is_prefix, parts)):
            yield f"{path.relative_to(PACKAGE)}:{node.lineno}"


def test_no_other_package_parses_or_formats_platform_tags() -> None:
    modules = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE / "platforms"]

    assert [line for path in modules for line in find_tag_code(path)] == []
    assert list(find_tag_code(PACKAGE / "platforms" / "tags.py"))
