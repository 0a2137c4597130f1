"""What is said of cells that failed or were not run, and which wheels must have been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from everywheel.containers.catalog import Bootstrap, PortablePython, SmokeImage
from everywheel.errors import SmokeError
from everywheel.smoke.matrix_entries import make_entries
from everywheel.smoke.result import SmokeResult, State
from everywheel.smoke.summary import check_required_runs, check_results, list_notes, list_untestable

GLIBC, MUSL = "x-1.0-cp311-abi3-manylinux2014_x86_64.whl", "x-1.0-cp311-abi3-musllinux_1_2_x86_64.whl"
THREADS, MAC = "x-1.0-cp314-cp314t-manylinux2014_x86_64.whl", "x-1.0-cp311-abi3-macosx_11_0_arm64.whl"
SILENT = "quay.io did not give an image in 4 tries: toomanyrequests"
PORTABLE = PortablePython(
    libc="glibc", version="3.13", package="python", archive="*", sha256={"x86_64": "0"}, libraries={}
)


def make_image(name: str, python: str = "") -> SmokeImage:
    made = Bootstrap(kind="debian", suite="bookworm", python=python) if python else None
    return SmokeImage(
        name=name,
        libc="glibc",
        libc_version=(2, 36),
        arches=("x86_64",),
        reference="x",
        digests={},
        cpu={},
        bootstrap=made,
    )


IMAGES = [make_image("debian-11"), make_image("debian-12", "3.11")]


def make_cell(wheel: str, image: str, state: State, **more: Any) -> SmokeResult:
    libc = "" if image.startswith("macOS") else "glibc 2.36"
    return SmokeResult(wheel=wheel, target="t", image=image, libc=libc, arch="x86_64", state=state, **more)


def test_what_was_not_run_is_said_once_for_every_lack() -> None:
    cells = [
        make_cell(GLIBC, "debian-11", State.PASSED),
        make_cell(GLIBC, "debian-12", State.STATIC, lack=SILENT, why="all 12 symbols resolve"),
        make_cell(GLIBC, "debian-13", State.STATIC, lack=SILENT, why="all 12 symbols resolve"),
        make_cell(THREADS, "debian-13", State.NO_PYTHON, lack="no interpreter for cp314t there", why="all resolve"),
        make_cell(MAC, "macOS 11.0", State.SKIPPED, lack="nothing here runs macOS", why="looked at"),
    ]

    assert list_notes(cells) == (
        f"not run: {MAC}: nothing here runs macOS; looked at",
        f"static only in 2 cells: {SILENT}",
        "not run in 1 cell: no interpreter for cp314t there",
    )


def test_cells_that_failed_are_told_with_what_was_seen() -> None:
    cells = [
        make_cell(GLIBC, "debian-11", State.FAILED, why="it crashed", evidence=("line",)),
        make_cell(GLIBC, "debian-12", State.ERROR, why="no QEMU"),
        make_cell(GLIBC, "debian-13", State.STATIC),
    ]

    with pytest.raises(SmokeError) as raised:
        check_results(cells)
    assert raised.value.render() == (
        "error: 2 of 3 cells failed\n"
        f"  | {GLIBC} on debian-11: it crashed\n"
        "  |     line\n"
        f"  | {GLIBC} on debian-12: no QEMU\n"
        "  hint: `--html FILE` writes everything that was seen; `--image NAME` tries one image alone"
    )


@pytest.mark.parametrize("state", [state for state in State if state not in (State.FAILED, State.ERROR)])
def test_nothing_else_is_a_failure(state: State) -> None:
    check_results([make_cell(GLIBC, "debian-11", state)])


def test_a_python_that_no_image_has_is_beyond_this_machine() -> None:
    wheels = [Path(name) for name in (GLIBC, THREADS, MAC)]

    assert list_untestable(wheels, make_entries(wheels[:2], IMAGES), {"glibc": PORTABLE}) == {
        THREADS: "no interpreter for cp314t on any of its images, only Python 3.11 and 3.13",
        MAC: "nothing on this machine runs macOS",
    }


def test_a_wheel_that_claims_no_image_is_not_beyond_it() -> None:
    assert list_untestable([Path(MUSL)], make_entries([Path(MUSL)], IMAGES), {"glibc": PORTABLE}) == {}


def test_wheels_that_passed_nowhere_are_named() -> None:
    cells = [
        make_cell(GLIBC, "centos-7", State.STATIC, lack=SILENT),
        make_cell(GLIBC, "rockylinux-8", State.STATIC, lack=SILENT),
        make_cell(GLIBC, "debian-10", State.STATIC, lack="the image is not locked"),
        make_cell(MAC, "macOS 11.0", State.SKIPPED),
    ]

    with pytest.raises(SmokeError) as raised:
        check_required_runs(
            [Path(name) for name in (GLIBC, MUSL, MAC)], cells, {MAC: "nothing on this machine runs macOS"}
        )
    assert raised.value.exit_code == 6
    assert raised.value.render() == (
        "error: 2 of 3 wheels passed nowhere, and --require-run asks for it\n"
        f"  | {GLIBC}: static only in 2 cells: {SILENT}; static only in 1 cell: the image is not locked\n"
        f"  | {MUSL}: it claims none of the images that were asked for\n"
        f"  | not counted: {MAC}: nothing on this machine runs macOS\n"
        "  hint: `everywheel doctor` says what this machine lacks, `everywheel images list` where images come from"
    )


def test_one_system_that_ran_a_wheel_is_enough_and_what_is_beyond_does_not_count() -> None:
    cells = [make_cell(GLIBC, "centos-7", State.STATIC), make_cell(GLIBC, "debian-12", State.PASSED)]

    check_required_runs([Path(GLIBC), Path(MAC)], cells, {MAC: "nothing on this machine runs macOS"})
