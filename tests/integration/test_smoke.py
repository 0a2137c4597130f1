"""Smoke tests in real containers: the released wheels, incompatible wheels, and failures of containers and daemons."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from docker_daemons import list_containers, start_daemon, wait_for_container
from everywheel.containers.runtime import find_runtime
from everywheel.containers.runtime_images import IMAGE_LABEL
from everywheel.execution.files import hash_file
from everywheel.platforms.architectures import ARCHES
from everywheel.provenance.checks import Verdict
from everywheel.provenance.smoke_statement import find_smoke_statement, read_smoke_statement
from everywheel.provenance.verify import Evidence, verify_wheel
from everywheel.store.local import default_store
from everywheel.wheels.wheel import pack_wheel, read_wheel, retag_wheel
from fixture_project import FixtureProject
from processes import wait_until
from root_filesystems import REPOSITORY, call

RUNNABLE_IMAGES = ("debian-11", "debian-12", "debian-13", "debian-unstable", "musl")
OTHER_IMAGES = ("centos-7", "amazonlinux-2", "debian-10", "rockylinux-8", "alpine-3-22")
GLIBC, MUSL = "manylinux_2_36_x86_64", "musllinux_1_2_x86_64"


@pytest.fixture(scope="module", autouse=True)
def container_runtime() -> None:
    """Fail if no container runtime answers: `.ci/containers` installs and starts Docker, QEMU and mmdebstrap."""
    with find_runtime():
        pass


def everywheel(*args: str | Path, cwd: Path, exit_code: int = 0, **variables: str) -> tuple[str, str]:
    """Run a command, check that it left no container, and return its standard output and standard error."""
    with subprocess.Popen(
        [sys.executable, "-m", "everywheel", *map(str, args)],
        cwd=cwd,
        env={**os.environ, **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        output, errors = process.communicate()
    assert process.returncode == exit_code, output + errors
    assert list_containers(process.pid) == []
    return output, errors


@pytest.fixture(scope="module")
def matrix_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the statements about the released wheels; filled by `matrix`."""
    return tmp_path_factory.mktemp("matrix")


@pytest.fixture(scope="module")
def matrix(wheels: dict[str, Path], matrix_folder: Path) -> tuple[list[dict[str, Any]], str]:
    """The results of the smoke matrix of the released wheels, and its HTML report."""
    page = matrix_folder / "smoke.html"
    images = [arg for name in (*RUNNABLE_IMAGES, *OTHER_IMAGES, "debian-12-old-cpu") for arg in ("--image", name)]
    options = ("--html", page, "--statements", page.parent, "--json")
    output, _ = everywheel("smoke", *wheels.values(), *images, *options, cwd=REPOSITORY)
    return json.loads(output), page.read_text()


def test_every_released_wheel_passes_on_every_image_that_it_claims(matrix: tuple[list[dict[str, Any]], str]) -> None:
    results = {(result["target"], result["image"]): result for result in matrix[0]}

    for arch in ("x86_64", "aarch64"):
        for image in RUNNABLE_IMAGES:
            target = f"musllinux_1_2_{arch}" if image == "musl" else f"manylinux_2_17_{arch}"
            result = results[target, image]
            assert (result["state"], result["system_libraries"]) == ("passed", []), result
            assert " passed" in result["evidence"][-1], result


def test_limited_api_wheels_pass_with_three_python_versions(matrix: tuple[list[dict[str, Any]], str]) -> None:
    pythons = {
        result["image"]: result["python"].rpartition(".")[0] for result in matrix[0] if result["state"] == "passed"
    }

    assert pythons["debian-12"] == "3.11"
    assert pythons["debian-13"] == pythons["debian-11"] == "3.13"
    assert tuple(map(int, pythons["debian-unstable"].split("."))) >= (3, 14)


def test_wheels_pass_on_the_oldest_supported_processors(matrix: tuple[list[dict[str, Any]], str]) -> None:
    results = {result["arch"]: result for result in matrix[0] if result["image"] == "debian-12-old-cpu"}

    assert {arch: (result["state"], result["cpu"]) for arch, result in results.items()} == {
        "x86_64": ("passed", "Nehalem"),
        "aarch64": ("passed", "cortex-a53"),
    }


def test_images_that_cannot_be_pulled_have_the_state_static_only(matrix: tuple[list[dict[str, Any]], str]) -> None:
    results = [result for result in matrix[0] if result["image"] in OTHER_IMAGES]

    assert {result["image"] for result in results} == set(OTHER_IMAGES)
    # If the registry answers, the wheel was run.
    for result in (result for result in results if result["state"] != "passed"):
        assert result["state"] == "static only"
        assert "symbols resolve against" in result["message"]
        assert "malloc" in result["evidence"][-1]


def test_the_report_has_every_result(matrix: tuple[list[dict[str, Any]], str]) -> None:
    results, page = matrix

    assert all(f'id="{result["wheel"]}-{result["image"]}"' in page for result in results)


def test_the_statements_have_the_results_and_the_images_of_this_machine(
    wheels: dict[str, Path], matrix: tuple[list[dict[str, Any]], str], matrix_folder: Path
) -> None:
    for wheel in wheels.values():
        results = {result["image"]: result for result in matrix[0] if result["wheel"] == wheel.name}
        statement = find_smoke_statement(matrix_folder / wheel.name)
        tests = read_smoke_statement(statement.read_bytes())
        _, *images = json.loads(statement.read_bytes())["predicate"]["configuration"]

        assert tests.subjects == {wheel.name: hash_file(wheel)}
        assert set(tests.passed) == {name for name, result in results.items() if result["state"] == "passed"}
        for image in images:
            with find_runtime() as runtime:
                arch = ARCHES[results[image["name"]]["arch"]]
                assert runtime.images.find(f"sha256:{image['digest']['sha256']}", arch)
            assert image["annotations"]["python"] == results[image["name"]]["python"]
        (check,) = [each for each in verify_wheel(wheel, Evidence(smoke=statement)) if each.name == "smoke"]
        assert check.verdict is Verdict.OK


# Incompatible wheels --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, python_headers: Path) -> FixtureProject:
    """The fixture project with wheels for glibc and musl; the extension for glibc requires glibc 2.36."""
    project = FixtureProject(tmp_path_factory.mktemp("incompatible"), python_headers)
    project.replace(
        "extension/src/fixture.c",
        "#include <Python.h>",
        "#include <Python.h>\n#include <stdlib.h>\n#include <time.h>\nvolatile unsigned seed;\n"
        "#ifndef __GLIBC__\n#define arc4random() ((unsigned) time(0))\n#endif\n"
        "__attribute__((constructor)) static void set_seed(void) { seed = arc4random(); }\n",
    )
    project.build("--target", GLIBC, "--target", MUSL)
    return project


def find_wheel(project: FixtureProject, tag: str) -> Path:
    return next((project.root / "wheelhouse").glob(f"*{tag}.whl"))


def retag_copy(path: Path, folder: Path, tag: str, *, without: str = "/nothing/") -> Path:
    """Copy a wheel with the tag of another target and without the files whose paths contain `without`."""
    wheel = retag_wheel(read_wheel(path), python="cp311", abi="abi3", platform=tag)
    files = {name: file for name, file in wheel.files.items() if without not in f"/{name}"}
    folder.mkdir(exist_ok=True)
    return pack_wheel(dataclasses.replace(wheel, files=files), folder, epoch=1_600_000_000)


def smoke_failing(project: FixtureProject, wheel: Path, image: str) -> str:
    """Run a smoke test that must fail, and return its messages."""
    _, errors = everywheel(
        "smoke", wheel, "--image", image, cwd=project.root, exit_code=6, EVERYWHEEL_STORE=str(default_store())
    )
    return errors


def test_a_wheel_that_requires_a_newer_glibc_is_explained(project: FixtureProject, tmp_path: Path) -> None:
    wheel = retag_copy(find_wheel(project, GLIBC), tmp_path, "manylinux2014_x86_64")

    messages = smoke_failing(project, wheel, "debian-11")

    assert "needs glibc 2.36, but debian-11 has 2.31 and the tag promises 2.17" in messages
    assert "version `GLIBC_2.36' not found" in messages


def test_a_missing_symbol_on_an_image_that_cannot_be_pulled_is_named(project: FixtureProject, tmp_path: Path) -> None:
    wheel = retag_copy(find_wheel(project, GLIBC), tmp_path, "manylinux2014_x86_64")

    messages = smoke_failing(project, wheel, "amazonlinux-2")

    assert "glibc 2.26 does not have arc4random" in messages


def test_a_library_that_was_not_grafted_is_reported(project: FixtureProject, tmp_path: Path) -> None:
    wheel = retag_copy(find_wheel(project, GLIBC), tmp_path, GLIBC, without=".libs/libfoo")

    messages = smoke_failing(project, wheel, "debian-12")

    assert ".so" in messages
    assert "is neither in the wheel nor on the system: the library was not grafted" in messages


def test_a_wheel_for_glibc_on_musl_is_explained(project: FixtureProject, tmp_path: Path) -> None:
    wheel = retag_copy(find_wheel(project, GLIBC), tmp_path, MUSL)

    messages = smoke_failing(project, wheel, "musl")

    assert "the wheel is linked against glibc (libc.so.6), but musl has musl" in messages


def test_a_wheel_for_musl_on_glibc_is_explained(project: FixtureProject, tmp_path: Path) -> None:
    wheel = retag_copy(find_wheel(project, MUSL), tmp_path, "manylinux2014_x86_64")

    messages = smoke_failing(project, wheel, "debian-12")

    assert "the wheel is linked against musl (libc.musl-x86_64.so.1), but debian-12 has glibc" in messages


def copy_with_command(project: FixtureProject, folder: Path, code: str) -> FixtureProject:
    """Return a copy of the project whose smoke command runs other Python code."""
    copy = FixtureProject(folder, project.python_headers)
    shutil.copytree(project.root / "wheelhouse", copy.root / "wheelhouse")
    copy.replace("pyproject.toml", "import fixture; assert fixture.answer() == 42", code)
    return copy


def test_ctypes_is_imported_on_a_system_with_musl(project: FixtureProject, tmp_path: Path) -> None:
    """The portable Python needs libffi for it."""
    copy = copy_with_command(project, tmp_path, "import ctypes; assert ctypes.CDLL(None).abs(-3) == 3")
    store = str(default_store())

    output, _ = everywheel(
        "smoke", find_wheel(copy, MUSL), "--image", "musl", "--json", cwd=copy.root, EVERYWHEEL_STORE=store
    )

    assert [result["state"] for result in json.loads(output)] == ["passed"]


# Failures of containers and daemons -----------------------------------------------------------------------------------


@pytest.fixture
def hanging_project(project: FixtureProject, tmp_path: Path) -> FixtureProject:
    """The project with a smoke command that does not end."""
    return copy_with_command(project, tmp_path, "import time; time.sleep(600)")


def start_smoke(project: FixtureProject, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "everywheel", "smoke", find_wheel(project, GLIBC), "--image", "debian-12"],
        cwd=project.root,
        env={**os.environ, "EVERYWHEEL_STORE": str(default_store()), **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_container_is_ended_after_the_timeout(hanging_project: FixtureProject) -> None:
    _, errors = everywheel(
        "smoke",
        find_wheel(hanging_project, GLIBC),
        "--image",
        "debian-12",
        "--timeout",
        "4",
        cwd=hanging_project.root,
        exit_code=6,
        EVERYWHEEL_STORE=str(default_store()),
    )

    assert "on debian-12: the container did not end within 4 s" in errors


def test_ctrl_c_leaves_no_container(hanging_project: FixtureProject) -> None:
    process = start_smoke(hanging_project)
    wait_for_container(process)

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 130, errors
    assert list_containers(process.pid) == []


def test_images_prune_removes_the_containers_of_a_killed_run(hanging_project: FixtureProject) -> None:
    process = start_smoke(hanging_project)
    wait_for_container(process)
    (container,) = list_containers(process.pid)
    assert wait_until(lambda: is_running(container))
    process.kill()
    process.communicate()
    assert wait_until(lambda: not is_running(container))

    output, _ = everywheel("images", "prune", cwd=hanging_project.root)

    assert "container " in output
    assert list_containers(process.pid) == []


def test_the_container_of_a_killed_run_ends_with_it_and_the_next_run_removes_it(
    hanging_project: FixtureProject,
) -> None:
    killed = start_smoke(hanging_project)
    wait_for_container(killed)
    (container,) = list_containers(killed.pid)
    assert wait_until(lambda: is_running(container))
    time.sleep(2)
    killed.kill()
    killed.communicate()

    assert wait_until(lambda: not is_running(container), 3)
    following = start_smoke(hanging_project)
    wait_for_container(following)
    left = list_containers(killed.pid)
    following.send_signal(signal.SIGTERM)
    following.communicate()

    assert (left, list_containers(following.pid), following.returncode) == ([], [], 130)


def is_running(container: str) -> bool:
    return call(["docker", "inspect", "--format", "{{.State.Running}}", container]).strip() == "true"


def test_a_full_tmp_of_the_container_is_reported(project: FixtureProject, tmp_path: Path) -> None:
    code = "open('/tmp/big', 'wb').write(bytes(2 << 30))"
    full = copy_with_command(project, tmp_path, code)

    assert "the container's /tmp is full" in smoke_failing(full, find_wheel(full, GLIBC), "debian-12")


def test_exceeding_the_memory_limit_is_reported(project: FixtureProject, tmp_path: Path) -> None:
    large = copy_with_command(project, tmp_path, "x = bytearray(b'1') * (3 << 30)")

    assert "the container used more than 2048 MB of memory" in smoke_failing(
        large, find_wheel(large, GLIBC), "debian-12"
    )


def test_a_daemon_that_is_killed_during_a_test_is_reported(hanging_project: FixtureProject, tmp_path: Path) -> None:
    with start_daemon(tmp_path, data=tmp_path / "data") as daemon:
        process = start_smoke(hanging_project, DOCKER_HOST=daemon.address)
        wait_for_container(process, daemon.address)
        daemon.kill()
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 6, errors
    assert "Docker stopped answering" in errors
    assert "hint: start it with `systemctl start docker`, or `dockerd &` without systemd" in errors


def test_a_full_disk_of_the_daemon_is_reported(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    call(["mount", "-t", "tmpfs", "-o", "size=24m", "none", data])
    try:
        with start_daemon(tmp_path, data=data) as daemon:
            _, errors = everywheel(
                "images",
                "build",
                "debian-12",
                "--arch",
                "x86_64",
                cwd=REPOSITORY,
                exit_code=1,
                DOCKER_HOST=daemon.address,
            )
    finally:
        call(["umount", "--lazy", data])

    assert "error: Docker's disk is full" in errors
    assert "hint: `everywheel images prune` removes images of everywheel" in errors


def test_a_socket_without_permission_is_reported() -> None:
    result = subprocess.run(
        [
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            sys.executable,
            "-c",
            "from everywheel.containers.runtime import find_runtime\ntry:\n    find_runtime('docker')\n"
            "except Exception as error:\n    print(error.render())",
        ],
        cwd=REPOSITORY,
        text=True,
        capture_output=True,
        check=False,
    )

    assert result.stdout == (
        "error: no container runtime answers\n"
        "  unix:///var/run/docker.sock: permission denied\n"
        "  hint: add this user to the socket's group: `sudo usermod -aG docker $USER`, then log in again\n"
    ), result.stderr


# Architectures --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unbuilt_project(tmp_path_factory: pytest.TempPathFactory, python_headers: Path) -> FixtureProject:
    return FixtureProject(tmp_path_factory.mktemp("architectures"), python_headers)


@pytest.mark.parametrize(
    ("target", "image"),
    [
        # 32 bits, then big-endian; the others run with `nox -s integration -- -m exhaustive`.
        ("manylinux2014_i686", "debian-12"),
        ("manylinux2014_s390x", "debian-12"),
        pytest.param("manylinux2014_armv7l", "debian-12", marks=pytest.mark.exhaustive),
        pytest.param("manylinux_2_24_ppc64le", "debian-12", marks=pytest.mark.exhaustive),
        pytest.param("manylinux_2_31_riscv64", "debian-unstable", marks=pytest.mark.exhaustive),
    ],
)
def test_the_fixture_project_passes_on_an_architecture_that_is_not_released(
    unbuilt_project: FixtureProject, target: str, image: str
) -> None:
    unbuilt_project.build("--target", target)

    wheel = find_wheel(unbuilt_project, target)
    output, _ = everywheel(
        "smoke", wheel, "--image", image, "--json", cwd=unbuilt_project.root, EVERYWHEEL_STORE=str(default_store())
    )
    assert [(result["state"], result["arch"]) for result in json.loads(output)] == [
        ("passed", target.rpartition("_")[2])
    ]


# Images ---------------------------------------------------------------------------------------------------------------


def test_an_existing_image_is_not_built_again(matrix: tuple[list[dict[str, Any]], str]) -> None:
    before = list_images("debian-12")

    everywheel("images", "build", "debian-12", "--arch", "x86_64", cwd=REPOSITORY)

    assert before
    assert list_images("debian-12") == before


def list_images(name: str) -> set[str]:
    """Return the images of one system, by reference and id."""
    lines = call(
        ["docker", "images", "--filter", f"label={IMAGE_LABEL}", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]
    )
    return {line for line in lines.splitlines() if name in line}


def test_images_have_the_architecture_of_their_tags(matrix: tuple[list[dict[str, Any]], str]) -> None:
    references = call(
        [
            "docker",
            "images",
            "--filter",
            f"label={IMAGE_LABEL}",
            "--filter",
            "dangling=false",
            "--format",
            "{{.Repository}}:{{.Tag}}",
        ]
    ).split()

    assert references
    for reference in references:
        architecture = call(["docker", "inspect", "--format", "{{.Architecture}}", reference]).strip()
        assert architecture == ARCHES[reference.split(":")[1].split("-")[0]].oci.partition("/")[0], reference
