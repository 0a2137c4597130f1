"""Builds on a cluster: a real scheduler, and worker processes with stores of their own, of which some fail."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import TestCluster
from everywheel.store.local import Store
from fixture_project import FixtureProject
from remote_stores import make_key

TARGET = "manylinux2014_x86_64"
LIES = """
import everywheel.remote.folder as folder
send = folder.FolderRemote.put
def put(self, file, path, deadline):
    if path.startswith("files/"):
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    send(self, file, path, deadline)
folder.FolderRemote.put = put
"""
"""Code for a worker that sends changed bytes, with a valid signature of the right ones."""
HANGS = """
import everywheel.cluster.step_builder as builder
import threading
def build(*args):
    threading.Event().wait(300)
builder.StepBuilder.build = build
"""
OTHER_VERSION = """
import everywheel.cluster.capabilities as capabilities
capabilities.version = lambda name: "99.0"
"""
OTHER_CODE = """
import everywheel.planning.keys as keys
keys.digest_code = lambda names, root=None: "0" * 16
"""
WITHOUT_ZIG = """
import everywheel.toolchains.engines as engines
from everywheel.errors import MachineError
def check_engine(name):
    raise MachineError("no zig here")
engines.check_engine = check_engine
"""


@pytest.fixture
def cluster(project: FixtureProject, tmp_path: Path) -> Iterator[TestCluster]:
    with TestCluster(tmp_path / "cluster", make_key(tmp_path / "key"), project.mirror) as cluster:
        yield cluster


def start(project: FixtureProject, cluster: TestCluster, *args: str) -> subprocess.Popen[str]:
    options = ("--executor", cluster.address, "--remote", str(cluster.remote), "--target", TARGET, *args)
    return project.start("build", *options, EVERYWHEEL_REMOTE_SIGN_KEY=str(cluster.key), **cluster.settings)


def finish(process: subprocess.Popen[str], exit_code: int = 0) -> str:
    """Return the messages of a command."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == exit_code, output + errors
    return errors


def list_artifacts(store: Path) -> dict[str, str]:
    """Return the sha256 of each artifact and wheel by name, without the packed project."""
    return {entry.label: entry.sha256 for entry in Store(store).entries() if entry.target != "project"}


def test_two_workers_of_which_one_is_killed_build_the_same_bytes_as_one_machine(
    project: FixtureProject, cluster: TestCluster
) -> None:
    workers = {name: cluster.start_worker(name) for name in ("one", "two")}
    build = start(project, cluster, "--verbose")
    assert build.stderr is not None
    lines = []
    for line in build.stderr:
        lines.append(line)
        if "libfoo 1.0 for manylinux_2_17_x86_64: configure $ " in line:
            break
    victim = next(name for name in workers if "libfoo" in " ".join(cluster.list_workspaces(name)))
    workers[victim].kill()
    errors = "".join(lines) + finish(build)

    assert "fixture 1.0 for manylinux_2_17_x86_64: done" in errors
    assert cluster.list_workspaces(victim), "the worker was killed in the middle of a step"
    artifacts, wheels = list_artifacts(project.store), project.wheels()
    assert len(artifacts) == 4
    log = next((project.store / "logs").glob("*/libfoo-*.log"))
    assert "cmake" in log.read_text()
    project.new_store("own-store")
    project.build("--target", TARGET)
    assert (list_artifacts(project.store), project.wheels()) == (artifacts, wheels)
