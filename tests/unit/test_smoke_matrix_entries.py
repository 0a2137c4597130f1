"""The images that a wheel must run on, and the Pythons that can install it."""

from __future__ import annotations

import dataclasses
import sys
import sysconfig
from pathlib import Path

import pytest
from everywheel.containers.catalog import Bootstrap, BootstrapKind, PortablePython, SmokeImage
from everywheel.platforms.target import parse_target
from everywheel.smoke.matrix_entries import (
    MatrixEntry,
    explain_no_python,
    list_portables,
    list_pythons,
    make_entries,
)
from everywheel.smoke.python_tags import is_for_python, is_for_this_python
from everywheel.toolchains.pip import platform_tags

IMAGE = SmokeImage(
    name="debian-12", libc="glibc", libc_version=(2, 36), arches=("x86_64",), digests={}, cpu={}, reference="x"
)
WHEEL = Path("x-1.0-cp311-abi3-manylinux2014_x86_64.whl")
PORTABLE = PortablePython(
    libc="glibc", version="3.13", package="python", archive="*", sha256={"x86_64": "0"}, libraries={}
)
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
MINOR = sys.version_info.minor


def test_a_wheel_has_an_entry_for_each_image_that_its_tag_claims() -> None:
    new, old = (dataclasses.replace(IMAGE, name=str(minor), libc_version=(2, minor)) for minor in (36, 27))
    wheel = Path("x-1.0-cp311-abi3-manylinux_2_28_x86_64.whl")

    assert [entry.image.name for entry in make_entries([wheel], [new, old])] == ["36"]


@pytest.mark.parametrize(
    ("tag", "libc", "first", "last"),
    [
        ("manylinux2014_x86_64", (2, 36), "manylinux_2_36_x86_64", "manylinux2014_x86_64"),
        ("manylinux_2_31_riscv64", (2, 41), "manylinux_2_41_riscv64", "manylinux2014_riscv64"),
        ("musllinux_1_2_aarch64", (1, 2, 5), "musllinux_1_2_aarch64", "musllinux_1_0_aarch64"),
    ],
)
def test_a_system_supports_the_tags_up_to_its_own_libc(tag: str, libc: tuple[int, ...], first: str, last: str) -> None:
    tags = platform_tags(parse_target(tag), libc)

    assert (tags[0], tags[-1]) == (first, last)


@pytest.mark.parametrize(
    ("tags", "versions"),
    [
        ("cp311-abi3", {"3.11", "3.13", "3.14"}),
        ("cp313-cp313", {"3.13"}),
        ("cp313-cp313t", {"3.13t"}),
        ("cp313-none", {"3.13", "3.13t"}),
        ("cp312-none", set()),
        ("py3-none", {"3.11", "3.13", "3.13t", "3.14"}),
        ("py312-none", {"3.13", "3.13t", "3.14"}),
        ("cp311.cp313-cp311.cp313", {"3.11", "3.13"}),
    ],
)
def test_a_wheel_is_tested_with_the_pythons_that_its_tags_support(tags: str, versions: set[str]) -> None:
    wheel = f"x-1.0-{tags}-manylinux2014_x86_64.whl"

    assert {version for version in ("3.11", "3.13", "3.13t", "3.14") if is_for_python(wheel, version)} == versions


@pytest.mark.parametrize(
    ("tags", "supported"),
    [
        ("py3-none", True),
        ("cp311-abi3", not FREE_THREADED),
        (f"cp3{MINOR + 1}-abi3", False),
        (f"cp3{MINOR}-cp3{MINOR}", not FREE_THREADED),
        (f"cp3{MINOR}-cp3{MINOR}t", FREE_THREADED),
        (f"cp3{MINOR + 1}.cp3{MINOR}-cp3{MINOR + 1}t.cp3{MINOR}t", FREE_THREADED),
        ("cp27-cp27mu", False),
    ],
)
def test_the_running_python_supports_a_wheel_or_not_for_any_platform(tags: str, supported: bool) -> None:
    assert is_for_this_python(f"demo-1.0-{tags}-musllinux_1_2_riscv64.whl") is supported


@pytest.mark.parametrize(
    ("own", "digests", "arch", "versions"),
    [
        ("", {}, "x86_64", ("3.13",)),
        ("3.11", {}, "x86_64", ("3.11",)),
        ("3.11", {"any": "sha256:0"}, "x86_64", ("3.11", "3.13")),
        ("3.11", {}, "s390x", ("3.11",)),
        ("", {}, "s390x", ()),
    ],
)
def test_an_image_has_its_own_python_or_where_it_is_pulled_a_portable_one(
    own: str, digests: dict[str, str], arch: str, versions: tuple[str, ...]
) -> None:
    bootstrap = Bootstrap(kind=BootstrapKind.DEBIAN, suite="bookworm", python=own)
    image = dataclasses.replace(IMAGE, bootstrap=bootstrap, digests=digests, arches=(arch,))
    entry = MatrixEntry(wheel=WHEEL, target=parse_target(f"manylinux2014_{arch}"), image=image)

    assert list_pythons(entry, [PORTABLE]) == versions


@pytest.mark.parametrize(
    ("tags", "versions"),
    [("cp313-cp313", ["3.13", "3.11"]), ("cp311-cp311", ["3.11", "3.13"]), ("cp311-abi3", ["3.13", "3.11"])],
)
def test_the_portable_python_that_can_install_the_wheel_is_preferred(tags: str, versions: list[str]) -> None:
    older = dataclasses.replace(PORTABLE, version="3.11")
    for_musl = dataclasses.replace(PORTABLE, libc="musl", version="3.12")
    for_arm = dataclasses.replace(PORTABLE, version="3.10", sha256={"aarch64": "0"})
    wheel = Path(f"x-1.0-{tags}-manylinux2014_x86_64.whl")
    entry = MatrixEntry(wheel=wheel, target=parse_target("manylinux2014_x86_64"), image=IMAGE)

    portables = list_portables(entry, [for_arm, PORTABLE, for_musl, older])

    assert [portable.version for portable in portables] == versions


@pytest.mark.parametrize(
    ("tags", "versions", "reason"),
    [
        ("cp314-cp314t", ("3.13", "3.14"), "no interpreter for cp314t on the image, only Python 3.13 and 3.14"),
        (
            "cp314-abi3",
            ("3.11", "3.12", "3.13"),
            "no interpreter for cp314-abi3 on the image, only Python 3.11, 3.12 and 3.13",
        ),
        ("cp314-abi3", ("3.13",), "no interpreter for cp314-abi3 on the image, only Python 3.13"),
        (
            "cp311-abi3",
            (),
            "no interpreter for cp311-abi3 on the image: it has no Python of its own, and no portable one exists for it",
        ),
        ("cp311-abi3", ("3.9", "3.13"), ""),
        ("cp315-abi3.abi3t", ("3.14",), "no interpreter for cp315-abi3.abi3t on the image, only Python 3.14"),
        ("cp315-abi3.abi3t", ("3.16",), ""),
        ("cp315-abi3t", ("3.14",), "no interpreter for cp315-abi3t on the image, only Python 3.14"),
    ],
)
def test_a_wheel_that_no_python_supports_has_a_reason(tags: str, versions: tuple[str, ...], reason: str) -> None:
    assert explain_no_python(f"x-1.0-{tags}-manylinux2014_x86_64.whl", versions) == reason
