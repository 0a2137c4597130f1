"""Wheels in real containers: the shipped ones where they claim to run, wrong ones where they cannot, and faults."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docker_daemons import list_containers, start_daemon, wait_for_container
from everywheel.containers.runtime import find_runtime
from everywheel.containers.runtime_images import IMAGE_LABEL
from everywheel.store.local import default_store
from everywheel.wheels.wheel import pack_wheel, read_wheel, retag_wheel
from fixture_project import FixtureProject
from root_filesystems import REPOSITORY, call

REAL = ("debian-11", "debian-12", "debian-13", "debian-unstable", "musl")
STATIC = ("centos-7", "amazonlinux-2", "debian-10", "rockylinux-8", "alpine-3-22")
GLIBC, MUSL = "manylinux_2_36_x86_64", "musllinux_1_2_x86_64"


@pytest.fixture(scope="module", autouse=True)
def container_runtime() -> None:
    """Docker, QEMU and mmdebstrap: `.ci/containers` installs and starts them on a Debian machine."""
    with find_runtime():
        pass


def everywheel(*args: str | Path, cwd: Path, exit_code: int = 0, **variables: str) -> tuple[str, str]:
    """Run a command that must leave no container; return what it printed on standard output and on standard error."""
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
def matrix(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], str]:
    """Every result of the shipped wheels' matrix, and the page that was drawn of it."""
    page = tmp_path_factory.mktemp("page") / "smoke.html"
    chosen = [arg for name in (*REAL, *STATIC, "debian-12-old-cpu") for arg in ("--image", name)]
    output, _ = everywheel("smoke", *wheels.values(), *chosen, "--html", page, "--json", cwd=REPOSITORY)
    return json.loads(output), page.read_text()


def test_every_shipped_wheel_works_wherever_it_claims_to(matrix: tuple[list[dict[str, Any]], str]) -> None:
    results = {(result["target"], result["image"]): result for result in matrix[0]}

    for arch in ("x86_64", "aarch64"):
        for image in REAL:
            target = f"musllinux_1_2_{arch}" if image == "musl" else f"manylinux_2_17_{arch}"
            result = results[target, image]
            assert (result["state"], result["system_libraries"]) == ("passed", []), result
            assert " passed" in result["evidence"][-1], result


def test_the_stable_abi_was_tried_on_three_pythons(matrix: tuple[list[dict[str, Any]], str]) -> None:
    pythons = {
        result["image"]: result["python"].rpartition(".")[0] for result in matrix[0] if result["state"] == "passed"
    }

    assert pythons["debian-12"] == "3.11"
    assert pythons["debian-13"] == pythons["debian-11"] == "3.13"
    assert tuple(map(int, pythons["debian-unstable"].split("."))) >= (3, 14)


def test_the_oldest_promised_processors_were_tried(matrix: tuple[list[dict[str, Any]], str]) -> None:
    results = {result["arch"]: result for result in matrix[0] if result["image"] == "debian-12-old-cpu"}

    assert {arch: (result["state"], result["cpu"]) for arch, result in results.items()} == {
        "x86_64": ("passed", "Nehalem"),
        "aarch64": ("passed", "cortex-a53"),
    }


def test_what_no_image_shows_reads_static_only(matrix: tuple[list[dict[str, Any]], str]) -> None:
    results = [result for result in matrix[0] if result["image"] in STATIC]

    assert {result["image"] for result in results} == set(STATIC)
    # Where a registry answers, they were run.
    for result in (result for result in results if result["state"] != "passed"):
        assert result["state"] == "static only"
        assert "symbols resolve against" in result["message"]
        assert "malloc" in result["evidence"][-1]


def test_the_page_shows_every_cell(matrix: tuple[list[dict[str, Any]], str]) -> None:
    results, page = matrix

    assert all(f'id="{result["wheel"]}-{result["image"]}"' in page for result in results)


# Wrong wheels, copy on purpose ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, python_headers: Path) -> FixtureProject:
    """The fixture project, whose extension needs glibc 2.36 where it is built for it; both wheels are built."""
    project = FixtureProject(tmp_path_factory.mktemp("wrong"), python_headers)
    project.replace(
        "extension/src/fixture.c",
        "#include <Python.h>",
        "#include <Python.h>\n#include <stdlib.h>\n#include <time.h>\nvolatile unsigned seed;\n"
        "#ifndef __GLIBC__\n#define arc4random() ((unsigned) time(0))\n#endif\n"
        "__attribute__((constructor)) static void sow(void) { seed = arc4random(); }\n",
    )
    project.build("--target", GLIBC, "--target", MUSL)
    return project


def find_wheel(project: FixtureProject, tag: str) -> Path:
    return next((project.root / "wheelhouse").glob(f"*{tag}.whl"))


def change_wheel(path: Path, into: Path, tag: str, *, without: str = "/nothing/") -> Path:
    """Copy a wheel under the tag of another target, without some files."""
    wheel = retag_wheel(read_wheel(path), python="cp311", abi="abi3", platform=tag)
    files = {name: file for name, file in wheel.files.items() if without not in f"/{name}"}
    into.mkdir(exist_ok=True)
    return pack_wheel(dataclasses.replace(wheel, files=files), into, epoch=1_600_000_000)


def smoke_wrong(project: FixtureProject, wheel: Path, image: str) -> str:
    """Run the smoke test of a wheel that must fail, and return its messages."""
    _, errors = everywheel(
        "smoke", wheel, "--image", image, cwd=project.root, exit_code=6, EVERYWHEEL_STORE=str(default_store())
    )
    return errors


def test_a_wheel_for_a_newer_glibc_is_named(project: FixtureProject, tmp_path: Path) -> None:
    wheel = change_wheel(find_wheel(project, GLIBC), tmp_path, "manylinux2014_x86_64")

    messages = smoke_wrong(project, wheel, "debian-11")

    assert "needs glibc 2.36, but debian-11 has 2.31 and the tag promises 2.17" in messages
    assert "version `GLIBC_2.36' not found" in messages


def test_a_floor_that_cannot_be_run_names_the_symbol(project: FixtureProject, tmp_path: Path) -> None:
    wheel = change_wheel(find_wheel(project, GLIBC), tmp_path, "manylinux2014_x86_64")

    messages = smoke_wrong(project, wheel, "amazonlinux-2")

    assert "glibc 2.26 does not have arc4random" in messages


def test_a_library_that_was_not_grafted_is_named(project: FixtureProject, tmp_path: Path) -> None:
    wheel = change_wheel(find_wheel(project, GLIBC), tmp_path, GLIBC, without=".libs/libfoo")

    messages = smoke_wrong(project, wheel, "debian-12")

    assert ".so" in messages
    assert "is neither in the wheel nor on the system: it was not grafted" in messages


def test_a_wheel_for_glibc_on_musl_is_named(project: FixtureProject, tmp_path: Path) -> None:
    wheel = change_wheel(find_wheel(project, GLIBC), tmp_path, MUSL)

    messages = smoke_wrong(project, wheel, "musl")

    assert "it is linked against glibc (libc.so.6), but musl has musl" in messages


def test_a_wheel_for_musl_on_glibc_is_named(project: FixtureProject, tmp_path: Path) -> None:
    wheel = change_wheel(find_wheel(project, MUSL), tmp_path, "manylinux2014_x86_64")

    messages = smoke_wrong(project, wheel, "debian-12")

    assert "it is linked against musl (libc.musl-x86_64.so.1), but debian-12 has glibc" in messages


# Faults ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sleeper(project: FixtureProject, tmp_path: Path) -> FixtureProject:
    """The project with a smoke command that hangs."""
    return copy_with(project, tmp_path, "import time; time.sleep(600)")


def copy_with(project: FixtureProject, folder: Path, code: str) -> FixtureProject:
    """Return a copy of the project's project with other Python code as its smoke command."""
    copy = FixtureProject(folder, project.python_headers)
    shutil.copytree(project.root / "wheelhouse", copy.root / "wheelhouse")
    copy.replace("pyproject.toml", "import fixture; assert fixture.answer() == 42", code)
    return copy


def start_smoke(project: FixtureProject, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "everywheel", "smoke", find_wheel(project, GLIBC), "--image", "debian-12"],
        cwd=project.root,
        env={**os.environ, "EVERYWHEEL_STORE": str(default_store()), **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_container_that_hangs_is_ended(sleeper: FixtureProject) -> None:
    _, errors = everywheel(
        "smoke",
        find_wheel(sleeper, GLIBC),
        "--image",
        "debian-12",
        "--timeout",
        "4",
        cwd=sleeper.root,
        exit_code=6,
        EVERYWHEEL_STORE=str(default_store()),
    )

    assert "on debian-12: it did not end within 4 s" in errors


def test_ctrl_c_leaves_no_container(sleeper: FixtureProject) -> None:
    process = start_smoke(sleeper)
    wait_for_container(process)

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 130, errors
    assert list_containers(process.pid) == []


def test_containers_of_a_killed_run_are_pruned(sleeper: FixtureProject) -> None:
    process = start_smoke(sleeper)
    wait_for_container(process)
    process.kill()
    process.communicate()
    call(["docker", "kill", *list_containers(process.pid)])

    output, _ = everywheel("images", "prune", cwd=sleeper.root)

    assert "container " in output
    assert list_containers(process.pid) == []


def test_a_full_scratch_space_is_named(project: FixtureProject, tmp_path: Path) -> None:
    code = "open('/tmp/big', 'wb').write(bytes(2 << 30))"
    full = copy_with(project, tmp_path, code)

    assert "the container's /tmp is full" in smoke_wrong(full, find_wheel(full, GLIBC), "debian-12")


def test_too_much_memory_is_named(project: FixtureProject, tmp_path: Path) -> None:
    greedy = copy_with(project, tmp_path, "x = bytearray(b'1') * (3 << 30)")

    assert "it used more than 2048 MB of memory" in smoke_wrong(greedy, find_wheel(greedy, GLIBC), "debian-12")


def test_a_daemon_that_dies_in_the_middle_is_named(sleeper: FixtureProject, tmp_path: Path) -> None:
    with start_daemon(tmp_path, data=tmp_path / "data") as daemon:
        process = start_smoke(sleeper, DOCKER_HOST=daemon.address)
        wait_for_container(process, daemon.address)
        daemon.kill()
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 6, errors
    assert "Docker stopped answering" in errors
    assert "hint: start it with `systemctl start docker`, or `dockerd &` where there is no systemd" in errors


def test_a_full_disk_of_the_daemon_is_named(tmp_path: Path) -> None:
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


def test_a_socket_without_permission_is_named() -> None:
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
def plain(tmp_path_factory: pytest.TempPathFactory, python_headers: Path) -> FixtureProject:
    return FixtureProject(tmp_path_factory.mktemp("architectures"), python_headers)


@pytest.mark.parametrize(
    ("target", "image"),
    [
        # 32 bits, and big endian; then the others.
        ("manylinux2014_i686", "debian-12"),
        ("manylinux2014_s390x", "debian-12"),
        pytest.param("manylinux2014_armv7l", "debian-12", marks=pytest.mark.exhaustive),
        pytest.param("manylinux_2_24_ppc64le", "debian-12", marks=pytest.mark.exhaustive),
        pytest.param("manylinux_2_31_riscv64", "debian-unstable", marks=pytest.mark.exhaustive),
    ],
)
def test_an_architecture_is_a_row_of_the_table(plain: FixtureProject, target: str, image: str) -> None:
    plain.build("--target", target)

    wheel = find_wheel(plain, target)
    output, _ = everywheel(
        "smoke", wheel, "--image", image, "--json", cwd=plain.root, EVERYWHEEL_STORE=str(default_store())
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


def test_an_image_has_its_own_architecture(matrix: tuple[list[dict[str, Any]], str]) -> None:
    references = call(
        ["docker", "images", "--filter", f"label={IMAGE_LABEL}", "--format", "{{.Repository}}:{{.Tag}}"]
    ).split()

    for reference in references:
        architecture = call(["docker", "inspect", "--format", "{{.Architecture}}", reference]).strip()
        assert architecture == {"x86_64": "amd64", "aarch64": "arm64"}.get(
            reference.split(":")[1].split("-")[0], architecture
        )
