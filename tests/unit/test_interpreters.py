"""Interpreters that run a build backend: on PATH, from uv, and from a recipe."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from everywheel.cli.backend_interpreters import find_recipe
from everywheel.config.pins import Pin, describe_machine
from everywheel.config.project import load_project
from everywheel.config.python_spec import PythonSpec
from everywheel.errors import MachineError
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.toolchains.interpreters import ensure_interpreter, find_interpreter, identify_interpreter
from everywheel.wheels.resolve import find_oldest_python

ROOT = Path(__file__).parents[2]
THREADS = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
OWN = f"3.{sys.version_info.minor}{THREADS}"
CP39 = PythonSpec(headers="cpython-3.9", tag="cp39", abi="cp39", limited_api=False, free_threaded=False)
CP314T = PythonSpec(headers="cpython-3.14t", tag="cp314", abi="cp314t", limited_api=False, free_threaded=True)


def list_candidates() -> Iterator[tuple[str, Path]]:
    """Yield versions and programs of CPythons of this machine with another version than the running one."""
    for version in (f"3.{minor}" for minor in range(9, 15)):
        if version == OWN:
            continue
        if program := find_interpreter(version):
            yield version, program
        for program in Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"):
            yield version, program


@pytest.fixture(scope="module")
def other() -> tuple[str, Path]:
    candidate = next(list_candidates(), None)
    if candidate is None:
        pytest.skip("this machine has one version of CPython")
    return candidate


def write_program(folder: Path, name: str, script: str) -> None:
    folder.mkdir()
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_the_running_python_comes_first() -> None:
    assert find_interpreter(OWN) == Path(sys.executable)


def test_programs_that_fail_or_have_another_version_are_passed_over(
    other: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, program = other
    write_program(tmp_path / "shims", f"python{version}", "echo 'not selected' >&2; exit 127")
    write_program(tmp_path / "wrong", f"python{version}", f'exec {sys.executable} "$@"')
    write_program(tmp_path / "right", f"python{version}", f'exec {program} "$@"')
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", f"{tmp_path}/shims:{tmp_path}/wrong")
    assert find_interpreter(version) is None

    monkeypatch.setenv("PATH", f"{tmp_path}/shims:{tmp_path}/wrong:{tmp_path}/right")
    assert find_interpreter(version) == tmp_path / "right" / f"python{version}"


def test_pythons_that_uv_has_installed_are_found(
    other: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version, program = other
    platform = f"{sys.platform}-{sysconfig.get_platform().rpartition('-')[2]}-gnu"
    folder = tmp_path / f"cpython-{version}.0-{platform}" / "bin"
    folder.mkdir(parents=True)
    (folder / f"python{version}").symlink_to(program)
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_interpreter(version) == folder / f"python{version}"


def test_an_interpreter_that_was_replaced_is_an_error() -> None:
    with pytest.raises(MachineError, match=f"{sys.executable} is not a CPython 3.77"):
        identify_interpreter("3.77", Path(sys.executable))


def test_uv_names_the_reason_when_it_has_no_such_python() -> None:
    with pytest.raises(MachineError) as caught:
        ensure_interpreter("3.77", label="demo")

    assert str(caught.value.details["uv"]).startswith("error: No download found for request: cpython-3.77-")


def test_each_wheel_has_the_version_and_the_build_requirements_of_its_python() -> None:
    old, new = (Pin(name="numpy", version=version, hashes=("0" * 64,)) for version in ("1.26.4", "2.5.5"))
    project = replace(
        load_project(ROOT),
        pythons=(CP39, CP314T),
        backend_python="same",
        python_pins={"3.9": (old,)},
        build_pins=(new,),
    )

    assert project.backend_versions == ("3.9", "3.14t")
    assert find_oldest_python(project.backend_versions) == "3.9"
    assert [project.for_python(python).build_pins for python in project.pythons] == [(old,), (new,)]
    fixed = replace(project, backend_python="3.12")
    assert [fixed.for_python(python).backend_version for python in project.pythons] == ["3.12", "3.12"]
    assert (fixed.backend_versions, find_oldest_python(fixed.backend_versions)) == (("3.12",), "3.11")


def test_the_version_that_runs_the_backend_is_in_the_key_of_a_wheel() -> None:
    project = load_project(ROOT)
    identities = Identities(artifacts="a", toolchain="t", packaging="p")

    keys = [
        {step.key for step in make_plan(project, project.targets[:1], identities).wheels.values()}
        for project in (project, *(replace(project, backend_python=version) for version in ("3.12", "3.13")))
    ]

    assert len(set.union(*keys)) == sum(map(len, keys))


def test_markers_are_those_of_the_python_that_runs_the_backend() -> None:
    here, other = describe_machine(), describe_machine("3.9")

    assert {name for name in here if here[name] != other[name]} == {
        *("python_version", "python_full_version", "implementation_version")
    }
    assert other["python_version"] == "3.9"
    assert describe_machine(OWN) == here


def test_the_recipe_of_an_interpreter_is_found_by_its_program() -> None:
    project = load_project(ROOT)

    assert find_recipe(project, "3.14t") == "python-freethreaded"
    assert find_recipe(project, "3.12") is None
