"""The container engine with real build images: the fixture project in each local image, and libvips in one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from docker_daemons import list_containers, wait_for_container
from everywheel.audit import audit_wheel
from everywheel.containers.runtime import find_runtime
from everywheel.store.local import Store, default_store
from fixture_project import FixtureProject
from root_filesystems import REPOSITORY, call

pytestmark = pytest.mark.xdist_group("containers")

TARGETS = ("manylinux_2_36_x86_64", "musllinux_1_2_x86_64", "manylinux_2_36_aarch64", "musllinux_1_2_aarch64")
NATIVE = TARGETS[0]


@pytest.fixture(scope="module", autouse=True)
def container_runtime() -> None:
    """Fail if no container runtime answers: `.ci/containers` installs and starts Docker, QEMU and mmdebstrap."""
    with find_runtime():
        pass


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, python_headers: Path) -> FixtureProject:
    """The fixture project, built by zig and in containers for the native target."""
    project = FixtureProject(tmp_path_factory.mktemp("containers"), python_headers)
    # The portable Python of images with musl needs zlib.
    shutil.copytree(REPOSITORY / "recipes" / "zlib", project.root / "recipes" / "zlib")
    project.build("--target", NATIVE)
    project.build("--engine", "container", "--target", NATIVE)
    return project


def run_command(project: FixtureProject, *args: str, exit_code: int = 0) -> tuple[str, str, int]:
    """Run a command; return its standard output, its standard error, and its process id."""
    process = project.start(*args)
    output, errors = process.communicate()
    assert process.returncode == exit_code, output + errors
    return output, errors, process.pid


def find_wheel(project: FixtureProject, target: str) -> Path:
    return next((project.root / "wheelhouse" / "container-shared").glob(f"*{target}.whl"))


@pytest.mark.parametrize("target", [*TARGETS[:3], pytest.param(TARGETS[3], marks=pytest.mark.exhaustive)])
def test_a_wheel_from_a_container_has_no_findings_and_passes_its_smoke_test(built: FixtureProject, target: str) -> None:
    _, _, pid = run_command(built, "build", "--engine", "container", "--target", target)

    wheel = find_wheel(built, target)
    assert audit_wheel(wheel).findings == ()
    image = "musl" if target.startswith("musl") else "debian-12"
    output, _ = built.run("smoke", str(wheel), "--image", image, "--json", EVERYWHEEL_STORE=str(default_store()))
    assert [cell["state"] for cell in json.loads(output)] == ["passed"]
    assert list_containers(pid) == []


def test_a_second_build_starts_no_container(built: FixtureProject) -> None:
    assert built.build("--engine", "container", "--target", NATIVE) == {}


def test_a_wheel_that_was_not_tested_in_its_container_is_used_on_this_machine(built: FixtureProject) -> None:
    output, _ = built.run("build", "--engine", "container", "--target", NATIVE, CIBW_TEST_COMMAND="")

    assert output.endswith(" MB), smoke test passed\n")


def list_steps(project: FixtureProject, engine: str) -> dict[str, Any]:
    output, _ = project.run("plan", "--engine", engine, "--target", NATIVE, "--json")
    return {step["name"]: step for step in json.loads(output)["steps"]}


def test_an_artifact_from_a_container_has_another_key_and_the_same_files(built: FixtureProject) -> None:
    by_zig, by_container = list_steps(built, "zig"), list_steps(built, "container")

    for name in ("libfoo", "libbar"):
        keys = [steps[name]["key"] for steps in (by_zig, by_container)]
        assert keys[0] != keys[1]
        assert by_container[name]["state"] == "cached"
        by_engine = [list_files(Store(built.store), key) for key in keys]
        assert by_engine[0] == by_engine[1]


def list_files(store: Store, key: str) -> list[str]:
    entry = store.find(key)
    assert entry is not None
    with tarfile.open(store.path(entry)) as archive:
        return sorted(archive.getnames())


def test_wheels_from_containers_have_their_own_directory_in_the_wheelhouse(built: FixtureProject) -> None:
    wheelhouse = built.root / "wheelhouse"

    assert {path.name for path in wheelhouse.glob("*.whl")} == {
        path.name for path in (wheelhouse / "container-shared").glob(f"*{NATIVE}.whl")
    }


def test_a_compiler_error_in_a_container_is_reported(tmp_path: Path, python_headers: Path) -> None:
    broken = FixtureProject(tmp_path, python_headers)
    broken.replace("recipes/libbar/recipe.toml", 'system = "meson"', 'system = "meson"\ndefines = ["BAR_HALF=no+such"]')

    _, errors, pid = run_command(broken, "build", "--engine", "container", "--target", NATIVE, exit_code=1)

    assert f"error: fixture 1.0 for {NATIVE} in debian-12 failed" in errors
    assert f"| error: libbar 2.0 for {NATIVE}: compile failed (exit 1)" in errors
    assert list_containers(pid) == []


def test_ctrl_c_leaves_no_container(tmp_path: Path, python_headers: Path) -> None:
    project = FixtureProject(tmp_path, python_headers)
    process = project.start("build", "--engine", "container", "--target", NATIVE)
    wait_for_container(process)

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130, errors
    assert list_containers(process.pid) == []


def test_a_target_without_a_build_image_is_an_error_that_suggests_another_target(built: FixtureProject) -> None:
    if "quay.io" in call(["docker", "images", "--format", "{{.Repository}}"]):
        pytest.skip("the image was pulled from quay.io")

    _, errors = built.run("build", "--engine", "container", "--target", "manylinux2014_x86_64", exit_code=7)

    assert "error: no build image for manylinux_2_17_x86_64 is available" in errors
    assert "hint: image debian-12 can be built on this machine, for `--target manylinux_2_36_x86_64`" in errors


@pytest.mark.exhaustive  # test_workflows.py builds the wheel for musl with the same profile
def test_libvips_and_webpencode_are_built_in_a_container(tmp_path: Path) -> None:
    """The `minimal` profile builds glib, expat, libwebp and libvips with gcc; the container has no network."""
    project = tmp_path / "project"
    for name in ("extension", "recipes"):
        shutil.copytree(REPOSITORY / name, project / name)
    shutil.copy(REPOSITORY / "pyproject.toml", project)
    test = "python -m pytest -q {package}/tests/test_webp_only.py"
    args = ["build", "--engine", "container", "--target", NATIVE, "--profile", "libvips=minimal"]

    call([sys.executable, "-m", "everywheel", *args], cwd=project, env={**os.environ, "CIBW_TEST_COMMAND": test})

    wheel = next((project / "wheelhouse" / "container-shared").glob("*.whl"))
    assert audit_wheel(wheel).findings == ()
    command = "python -m pytest -q extension/tests/test_webp_only.py"
    smoke = ["smoke", str(wheel), "--image", "debian-12", "--image", "debian-13", "--command", command, "--json"]
    output = subprocess.run(
        [sys.executable, "-m", "everywheel", *smoke], cwd=project, text=True, capture_output=True, check=True
    ).stdout
    assert {cell["image"]: cell["state"] for cell in json.loads(output)} == {
        "debian-12": "passed",
        "debian-13": "passed",
    }
