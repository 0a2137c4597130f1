"""`nox -s build-all` on a machine that has only Python, venv and git: the wheels that it builds."""

from __future__ import annotations

from pathlib import Path

import pytest
from everywheel.audit import audit_wheel
from everywheel.config.project import load_project
from root_filesystems import REPOSITORY

pytestmark = pytest.mark.xdist_group("bare_debian")

TARGETS = ("manylinux2014_x86_64", "manylinux2014_aarch64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64")


def test_the_machine_has_no_compiler(bare_debian: Path) -> None:
    programs = [
        name for name in ("gcc", "cc", "clang", "make", "cmake", "patch") for _ in bare_debian.glob(f"usr/bin/{name}")
    ]

    assert programs == []


def test_the_main_command_builds_two_wheels_for_each_target(all_wheels: list[Path]) -> None:
    names = sorted(path.name for path in all_wheels)

    pythons, version = ("cp311-abi3", "cp314-cp314t"), load_project(REPOSITORY).version
    assert names == sorted(f"webpencode-{version}-{python}-{target}.whl" for python in pythons for target in TARGETS)


def test_the_wheel_for_this_machine_passed_its_smoke_test(bare_debian: Path, machine: str) -> None:
    output = (bare_debian / "output").read_text()

    lines = [line for line in output.splitlines() if "smoke test passed" in line]

    assert [line for line in lines if f"manylinux2014_{machine}.whl" in line]


def test_no_wheel_has_audit_findings(all_wheels: list[Path]) -> None:
    findings = [finding for path in all_wheels for finding in audit_wheel(path).findings]

    assert findings == []


def test_no_wheel_is_larger_than_2_6_mb(all_wheels: list[Path]) -> None:
    sizes = {path.name: path.stat().st_size for path in all_wheels}

    assert all(size <= 2_600_000 for size in sizes.values()), sizes


def test_wheels_require_only_the_libraries_of_libc(all_wheels: list[Path]) -> None:
    allowed = ("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "ld-linux", "libc.musl-")

    needed = {name for path in all_wheels for file in audit_wheel(path).files for name in file.external}

    assert [name for name in needed if not name.startswith(allowed)] == []
