"""Finished wheels, loaded by the C libraries that they are for, with the extension's own tests."""

from __future__ import annotations

import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from roots import REPOSITORY, call, call_in_root, download_wheels, make_musl_root

MYPY = "mypy==2.4.1"
ZLIB_PROJECT = """
[tool.everywheel]
extension = "ext"
recipes = ["{recipes}"]
requires = ["zlib"]
shared = ["zlib"]
python = {{ headers = "cpython", tag = "cp311" }}
targets = ["musllinux_1_2_{machine}"]
"""


# Interpreters have it from 3.12 on (PEP 688); for whoever checks types, it is what makes a buffer in 3.11 too.
NOT_AT_RUN_TIME = "webpencode._webpencode.Pixels.__buffer__\n"


@pytest.fixture(scope="module")
def python(wheels: dict[str, Path], machine: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and what its tests can use."""
    environment = tmp_path_factory.mktemp("glibc") / "environment"
    call([sys.executable, "-m", "venv", environment])
    python = environment / "bin" / "python"
    call([python, "-m", "pip", "install", "-q", "pytest", "hypothesis", MYPY, wheels[f"manylinux2014_{machine}"]])
    return python


def test_the_stubs_are_those_of_the_module(python: Path, tmp_path: Path) -> None:
    (tmp_path / "allowed").write_text(NOT_AT_RUN_TIME)
    options = ["--allowlist", tmp_path / "allowed", "--ignore-unused-allowlist"]

    output = call([python, "-m", "mypy.stubtest", "webpencode", *options], cwd=tmp_path)

    assert "Success: no issues found in 3 modules" in output


def test_the_extensions_tests_pass_under_glibc(python: Path, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "extension" / "tests", tmp_path / "tests")

    output = call([python, "-m", "pytest", "-q", tmp_path / "tests"], cwd=tmp_path)

    assert " passed" in output


@pytest.fixture(scope="module")
def libz(tmp_path_factory: pytest.TempPathFactory, machine: str) -> Path:
    """A shared zlib for musl, by the recipe that the wheels have theirs from."""
    folder = tmp_path_factory.mktemp("zlib")
    (folder / "ext").mkdir()
    (folder / "ext" / "pyproject.toml").write_text('[project]\nname = "none"\n[build-system]\nrequires = []\n')
    project = ZLIB_PROJECT.format(recipes=REPOSITORY / "recipes", machine=machine)
    (folder / "pyproject.toml").write_text(project)
    call([sys.executable, "-m", "builder", "--project", folder, "deps", "--into", folder / "prefix"])
    return folder / "prefix" / f"musllinux_1_2_{machine}" / "lib" / "libz.so.1"


def test_the_extensions_tests_pass_under_musl(
    wheels: dict[str, Path], machine: str, libz: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    make_musl_root(root, tmp_path / "scratch", libz)
    with zipfile.ZipFile(wheels[f"musllinux_1_2_{machine}"]) as wheel:
        wheel.extractall(root / "site")
    download_wheels(["pytest"], tmp_path / "pytest")
    for path in (tmp_path / "pytest").glob("*.whl"):
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(root / "site")
    shutil.copytree(REPOSITORY / "extension" / "tests", root / "tests")

    output = call_in_root(
        root,
        "/python/bin/python3.13 -B -m pytest -q -p no:cacheprovider /tests",
        environment={"PYTHONPATH": "/site", "PYTHONHOME": "/python"},
        cwd="/tests",
    )

    assert " passed" in output
