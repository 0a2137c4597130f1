"""The container engine on a cluster: a worker with a container runtime builds the wheel, which no other machine needs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import TestCluster
from everywheel.cluster.capabilities import list_container_requirements
from everywheel.cluster.container_plan import request_image
from everywheel.cluster.dask_connection import connect, list_workers
from everywheel.cluster.image_request import ImageRequest
from everywheel.cluster.scheduler_address import parse_scheduler
from everywheel.containers.catalog import find_catalog, load_catalog
from everywheel.containers.image_choice import list_candidates
from everywheel.containers.runtime import find_runtime
from everywheel.platforms.target import parse_target
from fixture_project import FixtureProject
from remote_stores import make_key

pytestmark = pytest.mark.xdist_group("containers")

TARGET = "manylinux_2_36_x86_64"
NO_RUNTIME = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}

ARM_PROCESSOR = """
import everywheel.cli.worker as worker
worker.is_native = lambda arch: arch.name == "aarch64"
"""
"""Code for a worker that declares an arm64 processor."""


@pytest.fixture(scope="module", autouse=True)
def container_runtime() -> None:
    """Fail if no container runtime answers: `.ci/containers` installs and starts Docker and mmdebstrap."""
    with find_runtime():
        pass


@pytest.fixture
def project(tmp_path: Path, python_headers: Path) -> FixtureProject:
    return FixtureProject(tmp_path, python_headers)


@pytest.fixture
def cluster(project: FixtureProject, tmp_path: Path) -> Iterator[TestCluster]:
    with TestCluster(tmp_path / "cluster", make_key(tmp_path / "key"), project.mirror) as cluster:
        yield cluster


def start(project: FixtureProject, cluster: TestCluster) -> subprocess.Popen[str]:
    """Start the build on a machine without a container runtime."""
    options = ("--engine", "container", "--executor", cluster.address, "--remote", cluster.shared, "--target", TARGET)
    return project.start("build", *options, EVERYWHEEL_REMOTE_SIGN_KEY=str(cluster.key), **NO_RUNTIME)


def test_a_wheel_is_built_in_a_container_of_the_worker_that_has_a_runtime(
    project: FixtureProject, cluster: TestCluster
) -> None:
    cluster.start_worker("bare", **NO_RUNTIME)
    _, errors = (process := start(project, cluster)).communicate(timeout=600)

    assert process.returncode == 7
    assert errors[errors.index("error: ") :] == (
        f"error: no worker at {cluster.address} can build this project\n"
        "  worker bare: it has no container runtime\n"
        f"  hint: start one with `everywheel worker {cluster.address}` on a machine with this version of everywheel\n"
    )

    cluster.start_worker("docker")
    _, errors = (process := start(project, cluster)).communicate(timeout=3000)

    assert process.returncode == 0, errors
    assert "worker bare is not used: it has no container runtime\n" in errors
    wheels = list((project.root / "wheelhouse" / "container-shared").glob("*.whl"))
    assert [wheel.name for wheel in wheels] == [f"fixture-1.0-cp311-abi3-{TARGET}.whl"]
    assert not cluster.has_begun("bare")
    # This machine plans the same keys with a runtime of its own.
    assert project.build("--engine", "container", "--target", TARGET) == {}

    # One step was built on the cluster, and the libraries in its container are in the remote store as well.
    names = {line.split("] ")[1].split(" ")[0] for line in errors.splitlines() if ": done" in line}
    assert names == {"fixture"}
    assert len(list((cluster.remote / "files").iterdir())) == 4, "the project, two libraries and the wheel"


def test_a_worker_with_the_processor_of_a_target_is_preferred_to_one_with_an_emulator(cluster: TestCluster) -> None:
    cluster.start_worker("intel")
    target = parse_target("manylinux_2_36_aarch64")
    candidates = list_candidates(target, load_catalog(find_catalog(cluster.remote)))

    def find_worker() -> tuple[str, str]:
        """Return the worker that has received a request for containers for arm64, and the image that it has found."""
        with connect(parse_scheduler(cluster.address)) as client:
            required = list_container_requirements(target.arch, [worker.resources for worker in list_workers(client)])
            answer = request_image(client, ImageRequest.of(candidates), required, target)
        return answer.worker, answer.name

    assert find_worker() == ("intel", "debian-12")

    cluster.start_worker("arm", code=ARM_PROCESSOR)

    assert {find_worker() for _ in range(5)} == {("arm", "debian-12")}
