"""Wheels for Windows, built on whatever machine this is."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from everywheel.audit import audit_wheel
from everywheel.binaries.pe import PeFacts, read_pe
from workshop import Workshop


@pytest.fixture(scope="module", params=["win_amd64", "win_arm64"])
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    workshop = Workshop(tmp_path_factory.mktemp(request.param))
    workshop.build("--target", request.param)
    return workshop.project / "wheelhouse" / f"fixture-1.0-cp311-abi3-{request.param}.whl"


def read_binaries(wheel: Path) -> dict[str, PeFacts]:
    with zipfile.ZipFile(wheel) as archive:
        return {n: read_pe(archive.read(n)) for n in archive.namelist() if n.endswith((".dll", ".pyd"))}


def test_a_wheel_for_windows_is_clean(wheel: Path) -> None:
    assert audit_wheel(wheel).findings == ()


def test_a_module_needs_python3_and_the_dll_beside_it(wheel: Path) -> None:
    binaries = read_binaries(wheel)
    dll = next(name for name in binaries if name.endswith(".dll"))

    needed = [name for name in binaries["fixture.pyd"].needed if not name.startswith(("api-ms-win-", "kernel32"))]

    assert sorted(needed) == sorted([dll, "python3.dll"])


def test_a_dll_lets_out_what_is_promised_alone(wheel: Path) -> None:
    binaries = read_binaries(wheel)

    exports = {name.partition("-")[0]: facts.exports for name, facts in binaries.items()}

    assert exports == {"fixture.pyd": ("PyInit_fixture",), "libfoo": ("foo_answer",)}


def test_the_bill_names_the_dll_as_the_librarys(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        bill = archive.read("fixture-1.0.dist-info/sboms/fixture.cdx.json").decode()
        dll = next(name for name in archive.namelist() if name.endswith(".dll"))

    assert dll in bill
