"""Wheels for Windows, built on any machine: nothing here runs them, so their structure is checked."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from everywheel.binaries.pe import PeFacts, read_pe
from workshop import Workshop


@pytest.fixture(params=["win_amd64", "win_arm64"])
def wheel(request: pytest.FixtureRequest, finished: Workshop) -> Path:
    return finished.find_wheel(request.param)


def read_binaries(wheel: Path) -> dict[str, PeFacts]:
    with zipfile.ZipFile(wheel) as archive:
        return {n: read_pe(archive.read(n)) for n in archive.namelist() if n.endswith((".dll", ".pyd"))}


def test_a_module_needs_python3_and_the_dll_next_to_it(wheel: Path) -> None:
    binaries = read_binaries(wheel)
    dll = next(name for name in binaries if name.endswith(".dll"))

    needed = [name for name in binaries["fixture.pyd"].needed if not name.startswith(("api-ms-win-", "kernel32"))]

    assert sorted(needed) == sorted([dll, "python3.dll"])


def test_a_dll_exports_only_what_the_recipe_declares(wheel: Path) -> None:
    binaries = read_binaries(wheel)

    exports = {name.partition("-")[0]: facts.exports for name, facts in binaries.items()}

    assert exports == {"fixture.pyd": ("PyInit_fixture",), "libfoo": ("foo_answer",)}


def test_the_sbom_names_the_dll_under_its_library(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sbom = archive.read("fixture-1.0.dist-info/sboms/fixture.cdx.json").decode()
        dll = next(name for name in archive.namelist() if name.endswith(".dll"))

    assert dll in sbom
