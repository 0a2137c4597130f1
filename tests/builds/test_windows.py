"""The structure of wheels for Windows, which are cross-compiled here and not run."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from everywheel.binaries.pe import PeFacts, read_pe
from fixture_project import FixtureProject


@pytest.fixture(params=["win_amd64", "win_arm64"])
def wheel(request: pytest.FixtureRequest, built_project: FixtureProject) -> Path:
    return built_project.find_wheel(request.param)


def read_binaries(wheel: Path) -> dict[str, PeFacts]:
    with zipfile.ZipFile(wheel) as archive:
        return {n: read_pe(archive.read(n)) for n in archive.namelist() if n.endswith((".dll", ".pyd"))}


def test_a_module_imports_only_python3_and_the_grafted_dll(wheel: Path) -> None:
    binaries = read_binaries(wheel)
    dll = next(name for name in binaries if name.endswith(".dll"))

    needed = [name for name in binaries["fixture.pyd"].needed if not name.startswith(("api-ms-win-", "kernel32"))]

    assert sorted(needed) == sorted([dll, "python3.dll"])


def test_a_dll_exports_only_what_the_recipe_declares(wheel: Path) -> None:
    binaries = read_binaries(wheel)

    exports = {name.partition("-")[0]: facts.exports for name, facts in binaries.items()}

    assert exports == {"fixture.pyd": ("PyInit_fixture",), "libfoo": ("foo_answer",)}


def test_the_sbom_names_the_grafted_dll(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sbom = archive.read("fixture-1.0.dist-info/sboms/fixture.cdx.json").decode()
        dll = next(name for name in archive.namelist() if name.endswith(".dll"))

    assert dll in sbom
