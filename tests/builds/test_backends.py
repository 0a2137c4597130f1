"""Build backends: small projects of several kinds, which are built for other systems with another Python than the running one.

The smoke command of each project calls all of its modules. It runs here in the wheel for this machine.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from everywheel.audit import audit_wheel
from everywheel.binaries.formats import Binary, read_binary
from everywheel.platforms.target import OPERATING_SYSTEMS
from everywheel.wheels.wheel import read_wheel

FIXTURES = Path(__file__).parents[1] / "fixtures" / "backends"
HERE = f"cp3{sys.version_info.minor}"
NATIVE = "manylinux2014_x86_64"
TARGETS = {
    NATIVE: ("EM_X86_64", "cpython-313-x86_64-linux-gnu.so"),
    "manylinux2014_aarch64": ("EM_AARCH64", "cpython-313-aarch64-linux-gnu.so"),
    "musllinux_1_2_x86_64": ("EM_X86_64", "cpython-313-x86_64-linux-musl.so"),
    "musllinux_1_2_aarch64": ("EM_AARCH64", "cpython-313-aarch64-linux-musl.so"),
    "macosx_11_0_arm64": ("arm64", "cpython-313-darwin.so"),
    "win_amd64": ("IMAGE_FILE_MACHINE_AMD64", "cp313-win_amd64.pyd"),
}
"""The processor and the suffix of modules for CPython 3.13 by target."""
MODULES = {
    "flit": {"checksum"},
    "hatchling": {"checksum"},
    "meson": {"versions"},
    "scikit-build-core": {"greet", "versions"},
    "setuptools": {"_crc", "bindings", "checksum", "text", "words"},
}
STABLE_ABI = {"_crc"}
"""Modules that cffi builds for the stable ABI, unless a project states otherwise."""
VERSIONS = {"hatchling": "1.5"}
"""Versions that come from git."""


def copy_project(name: str, folder: Path) -> Path:
    """Return a copy of a project, in a repository whose only commit is the same in every run, so that wheels are reused."""
    project = folder / name
    shutil.copytree(FIXTURES / name, project)
    (project / ".gitignore").write_text("wheelhouse\n")
    when = "2026-01-01T00:00:00Z"
    environment = {**os.environ, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "GIT_CONFIG_GLOBAL": os.devnull}
    author = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    for args in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"], ["tag", "v1.5"]):
        subprocess.run(["git", *author, *args], cwd=project, env=environment, check=True)
    return project


def run(project: Path, *args: str) -> str:
    """Run a command with the default store, which has the libraries, and return its output."""
    command = [sys.executable, "-m", "everywheel", *args]
    result = subprocess.run(command, cwd=project, text=True, capture_output=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def read_modules(wheel: Path) -> dict[str, Binary]:
    """Return the compiled files of a wheel by path."""
    with ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    binaries = {name: read_binary(name, data, tuple(OPERATING_SYSTEMS)) for name, data in files.items()}
    return {name: binary for name, binary in binaries.items() if binary is not None}


def check_wheel(project: Path, name: str, tag: str) -> None:
    """Compare processor, names and exports of a wheel's modules with those that the target and the project require."""
    stem = f"demo_{name.replace('-', '_')}-{VERSIONS.get(name, '1.0')}"
    wheel = project / "wheelhouse" / f"{stem}-cp313-cp313-{tag}.whl"
    processor, suffix = TARGETS[tag]

    modules = {path: (binary.machine, binary.exports) for path, binary in read_modules(wheel).items()}

    stable = "pyd" if suffix.endswith("pyd") else "abi3.so"
    names = {module: f"demo/{module}.{stable if module in STABLE_ABI else suffix}" for module in MODULES[name]}
    assert modules == {path: (processor, (f"PyInit_{module}",)) for module, path in names.items()}
    assert audit_wheel(wheel).findings == ()
    assert not [path for path in read_wheel(wheel).files if path.endswith(".lib")]  # zig writes one next to each module


@pytest.mark.parametrize("name", ["setuptools", "scikit-build-core", "meson", "hatchling", "flit"])
def test_the_modules_of_a_backend_work_on_this_machine(name: str, tmp_path: Path) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("the wheel is for x86_64")

    output = run(copy_project(name, tmp_path), "build", "--python", HERE, "-t", NATIVE)

    assert output.endswith(" MB), smoke test passed\n")


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("hatchling", ["macosx_11_0_arm64", "musllinux_1_2_aarch64", "win_amd64"]),
        ("flit", ["musllinux_1_2_aarch64"]),
        ("meson", ["win_amd64"]),
        ("setuptools", ["win_amd64"]),
        *(pytest.param(name, [*TARGETS], marks=pytest.mark.exhaustive) for name in MODULES),
    ],
)
def test_a_backend_builds_for_other_targets(name: str, tags: list[str], tmp_path: Path) -> None:
    project = copy_project(name, tmp_path)

    run(project, "build", "--python", "cp313", *(arg for tag in tags for arg in ("-t", tag)))

    for tag in tags:
        check_wheel(project, name, tag)


def test_a_version_that_versioneer_takes_from_git_is_in_the_matrix(tmp_path: Path) -> None:
    project = copy_project("versioneer", tmp_path)

    matrix = json.loads(run(project, "matrix", "--json"))

    name = "demo_versioneer-1.5-cp313-cp313-musllinux_1_2_aarch64.whl"
    assert (matrix["version"], name in matrix["released"]) == ("1.5", True)
    run(project, "build")
    assert [path.name for path in (project / "wheelhouse").iterdir()] == [name]
