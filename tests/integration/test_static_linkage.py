"""Linkage `static`: webpencode's wheel with every library inside its one module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from roots import REPOSITORY, call, copy_repository

from builder.elf import read_elf
from builder.wheel import read_wheel

TESTS = ("animation", "arrays", "encode", "read", "threads")


@pytest.fixture(scope="module")
def wheel(machine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("static")
    copy_repository(place)
    target = f"manylinux2014_{machine}"
    call([sys.executable, "-m", "builder", "build", "--linkage", "static", "-t", target], cwd=place)
    return next((place / "wheelhouse" / "zig-static").glob("*-abi3-*.whl"))


def test_one_file_has_everything_and_lets_out_nothing_but_its_start(wheel: Path) -> None:
    found = read_wheel(wheel)

    assert [name for name in found.files if ".so" in name] == ["webpencode/_webpencode.abi3.so"]
    assert read_elf(found.files["webpencode/_webpencode.abi3.so"].data).exports == ("PyInit__webpencode",)


def test_the_extensions_tests_pass_on_it(wheel: Path, tmp_path: Path) -> None:
    call([sys.executable, "-m", "venv", tmp_path / "environment"])
    python = tmp_path / "environment" / "bin" / "python"
    call([python, "-m", "pip", "install", "-q", "pytest", wheel])
    files = [REPOSITORY / "extension" / "tests" / f"test_{name}.py" for name in TESTS]

    output = call([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files], cwd=tmp_path)

    assert " passed" in output
