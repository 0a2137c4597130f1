"""The table of SDKs in docs/sdk.md: the recorded sizes, of targets and profiles that exist."""

from __future__ import annotations

from everywheel.cli.sdk import PROFILE
from everywheel.config.project import load_project
from everywheel.platforms.target import parse_target
from sdk_table import END, PAGE, ROOT, START, SdkSizes, read_sizes, render_table

SIZES = SdkSizes(
    title="libvips 8.16.1 for win_amd64",
    archive=10_949_000,
    library=7_400_000,
    floor="Windows 10",
    shared=74_400,
    static=4_700_000,
    is_run=False,
)


def test_the_page_has_the_recorded_sizes() -> None:
    table = PAGE.read_text().partition(START)[2].partition(END)[0]

    assert table == render_table(read_sizes())


def test_the_recorded_sizes_are_of_targets_and_profiles_of_the_project() -> None:
    project = load_project(ROOT)
    profiles = project.recipes["libvips"].profiles

    for name, sizes in read_sizes().items():
        label, tag = name.split(" ")
        target = parse_target(tag)
        assert target in project.every_target
        assert label.removeprefix("libvips").removeprefix("-") in {"", *profiles} - {PROFILE}
        assert sizes.title.endswith(f" for {target.tag}")
        if target.libc == "glibc":
            assert tuple(map(int, sizes.floor.removeprefix("glibc ").split("."))) <= target.arch.lowest_glibc


def test_a_row_has_the_profile_and_rounded_sizes() -> None:
    rows = render_table({"libvips-server win_amd64": SIZES}).splitlines()

    assert rows[2:] == ["| `win_amd64`, profile `server` | 10.9 MB | 7.4 MB | Windows 10 | 74 kB, 4.7 MB | linked |"]
