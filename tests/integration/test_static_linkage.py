"""Linkage `static`: webpencode's wheel has one module, which contains every library."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from everywheel.binaries.elf import read_elf
from everywheel.wheels.wheel import read_wheel
from root_filesystems import REPOSITORY, call, copy_repository

pytestmark = pytest.mark.xdist_group("static_linkage")

TESTS = ("animation", "arrays", "encode", "files", "threads")


@pytest.fixture(scope="module")
def wheels(machine: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The two wheels for this machine, by ABI tag."""
    folder = tmp_path_factory.mktemp("static")
    copy_repository(folder)
    target = f"manylinux2014_{machine}"
    call([sys.executable, "-m", "everywheel", "build", "--linkage", "static", "-t", target], cwd=folder)
    return {path.name.split("-")[3]: path for path in (folder / "wheelhouse" / "zig-static").glob("*.whl")}


@pytest.mark.parametrize("abi", ["abi3", "cp314t"])
def test_the_module_contains_every_library_and_exports_only_its_init_function(
    wheels: dict[str, Path], abi: str
) -> None:
    wheel = read_wheel(wheels[abi])

    (name,) = [name for name in wheel.files if ".so" in name]
    assert name.startswith("webpencode/_webpencode.")
    assert read_elf(wheel.files[name].data).exports == ("PyInit__webpencode",)


def test_the_extensions_tests_pass_with_static_linkage(wheels: dict[str, Path], tmp_path: Path) -> None:
    call([sys.executable, "-m", "venv", tmp_path / "environment"])
    python = tmp_path / "environment" / "bin" / "python"
    call([python, "-m", "pip", "install", "-q", "pytest", wheels["abi3"]])
    files = [REPOSITORY / "extension" / "tests" / f"test_{name}.py" for name in TESTS]

    # In a folder of its own, pytest does not remove what other runs have left, which would be warnings, and thus errors.
    options = ["-q", "-p", "no:cacheprovider", "--basetemp", tmp_path / "pytest"]
    output = call([python, "-m", "pytest", *options, *files], cwd=tmp_path)

    assert " passed" in output
