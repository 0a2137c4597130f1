"""Notes and errors about wheels that failed or were not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from everywheel.containers.catalog import Bootstrap, BootstrapKind, PortablePython, SmokeImage
from everywheel.errors import SmokeError
from everywheel.smoke.matrix_entries import make_entries
from everywheel.smoke.result import SmokeResult, SmokeState
from everywheel.smoke.summary import check_required_runs, check_results, list_notes, list_untestable

GLIBC, MUSL = "x-1.0-cp311-abi3-manylinux2014_x86_64.whl", "x-1.0-cp311-abi3-musllinux_1_2_x86_64.whl"
FREE_THREADED, MAC = "x-1.0-cp314-cp314t-manylinux2014_x86_64.whl", "x-1.0-cp311-abi3-macosx_11_0_arm64.whl"
BUSY = "quay.io returned no image in 4 attempts: toomanyrequests"
PORTABLE = PortablePython(
    libc="glibc", version="3.13", package="python", archive="*", sha256={"x86_64": "0"}, libraries={}
)


def make_image(name: str, python: str = "") -> SmokeImage:
    bootstrap = Bootstrap(kind=BootstrapKind.DEBIAN, suite="bookworm", python=python) if python else None
    return SmokeImage(
        name=name,
        libc="glibc",
        libc_version=(2, 36),
        arches=("x86_64",),
        reference="x",
        digests={},
        cpu={},
        bootstrap=bootstrap,
    )


IMAGES = [make_image("debian-11"), make_image("debian-12", "3.11")]


def make_result(wheel: str, image: str, state: SmokeState, **details: Any) -> SmokeResult:
    libc = "" if image.startswith("macOS") else "glibc 2.36"
    return SmokeResult(wheel=wheel, target="t", image=image, libc=libc, arch="x86_64", state=state, **details)


def test_each_reason_for_not_running_is_listed_once() -> None:
    results = [
        make_result(GLIBC, "debian-11", SmokeState.PASSED),
        make_result(GLIBC, "debian-12", SmokeState.STATIC, reason=BUSY, message="all 12 symbols resolve"),
        make_result(GLIBC, "debian-13", SmokeState.STATIC, reason=BUSY, message="all 12 symbols resolve"),
        make_result(
            FREE_THREADED,
            "debian-13",
            SmokeState.NO_PYTHON,
            reason="no interpreter for cp314t on the image",
            message="all resolve",
        ),
        make_result(MAC, "macOS 11.0", SmokeState.SKIPPED, reason="this machine cannot run macOS", message="audited"),
    ]

    assert list_notes(results) == (
        f"not run: {MAC}: this machine cannot run macOS; audited",
        f"static only in 2 smoke tests: {BUSY}",
        "not run in 1 smoke test: no interpreter for cp314t on the image",
    )


def test_failed_results_are_reported_with_their_evidence() -> None:
    results = [
        make_result(GLIBC, "debian-11", SmokeState.FAILED, message="it crashed", evidence=("line",)),
        make_result(GLIBC, "debian-12", SmokeState.ERROR, message="no QEMU"),
        make_result(GLIBC, "debian-13", SmokeState.STATIC),
    ]

    with pytest.raises(SmokeError) as raised:
        check_results(results)
    assert raised.value.render() == (
        "error: 2 of 3 smoke tests failed\n"
        f"  | {GLIBC} on debian-11: it crashed\n"
        "  |     line\n"
        f"  | {GLIBC} on debian-12: no QEMU\n"
        "  hint: `--html FILE` writes all output; `--image NAME` tests on one image only"
    )


@pytest.mark.parametrize("state", [state for state in SmokeState if state not in (SmokeState.FAILED, SmokeState.ERROR)])
def test_other_states_are_not_failures(state: SmokeState) -> None:
    check_results([make_result(GLIBC, "debian-11", state)])


def test_a_wheel_for_a_python_that_no_image_has_is_untestable() -> None:
    wheels = [Path(name) for name in (GLIBC, FREE_THREADED, MAC)]

    assert list_untestable(wheels, make_entries(wheels[:2], IMAGES), [PORTABLE]) == {
        FREE_THREADED: "no interpreter for cp314t on any of its images, only Python 3.11 and 3.13",
        MAC: "this machine cannot run programs for macOS",
    }


def test_a_wheel_that_claims_no_image_is_not_untestable() -> None:
    assert list_untestable([Path(MUSL)], make_entries([Path(MUSL)], IMAGES), [PORTABLE]) == {}


def test_wheels_that_passed_nowhere_are_listed() -> None:
    results = [
        make_result(GLIBC, "centos-7", SmokeState.STATIC, reason=BUSY),
        make_result(GLIBC, "rockylinux-8", SmokeState.STATIC, reason=BUSY),
        make_result(GLIBC, "debian-10", SmokeState.STATIC, reason="the image is not locked"),
        make_result(MAC, "macOS 11.0", SmokeState.SKIPPED),
    ]

    with pytest.raises(SmokeError) as raised:
        check_required_runs(
            [Path(name) for name in (GLIBC, MUSL, MAC)], results, {MAC: "this machine cannot run programs for macOS"}
        )
    assert raised.value.exit_code == 6
    assert raised.value.render() == (
        "error: 2 of 3 wheels did not pass on any system, as --require-run requires\n"
        f"  | {GLIBC}: static only in 2 smoke tests: {BUSY}; static only in 1 smoke test: the image is not locked\n"
        f"  | {MUSL}: it claims none of the selected images\n"
        f"  | not counted: {MAC}: this machine cannot run programs for macOS\n"
        "  hint: `everywheel doctor` checks this machine, `everywheel images list` shows where images come from"
    )


def test_a_wheel_must_pass_on_one_system_and_untestable_wheels_do_not_count() -> None:
    results = [make_result(GLIBC, "centos-7", SmokeState.STATIC), make_result(GLIBC, "debian-12", SmokeState.PASSED)]

    check_required_runs([Path(GLIBC), Path(MAC)], results, {MAC: "this machine cannot run programs for macOS"})
