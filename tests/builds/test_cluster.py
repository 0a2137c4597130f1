"""Builds on a cluster: a real scheduler, and worker processes with stores of their own, of which some fail."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from cluster import TestCluster
from distributed.security import Security
from everywheel.execution.files import hash_file
from everywheel.remote.stores import RemoteStores
from everywheel.store.local import Store
from fixture_project import FixtureProject
from remote_stores import Fault, FaultyProxy, make_key, open_exchanges, refuse_with, serve_s3

TARGET = "manylinux2014_x86_64"
BUCKET = "s3://bucket/store"
USER = {"AWS_ACCESS_KEY_ID": "user", "AWS_SECRET_ACCESS_KEY": "password"}
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


@pytest.fixture
def encrypted_cluster(project: FixtureProject, tmp_path: Path) -> Iterator[TestCluster]:
    security = Security.temporary()
    settings = {"CA_FILE": security.tls_ca_file}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        settings |= {f"{role}__CERT": security.tls_client_cert, f"{role}__KEY": security.tls_client_key}
    for name, text in settings.items():
        (tmp_path / f"{name}.pem").write_text(text)
    variables = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": str(tmp_path / f"{name}.pem") for name in settings}
    with TestCluster(tmp_path / "cluster", make_key(tmp_path / "key"), project.mirror, variables, "tls") as cluster:
        yield cluster


def start(project: FixtureProject, cluster: TestCluster, *args: str) -> subprocess.Popen[str]:
    options = ("--executor", cluster.address, "--remote", cluster.shared, "--target", TARGET, *args)
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


def test_results_with_other_bytes_and_hanging_workers_cost_only_their_steps(
    project: FixtureProject, cluster: TestCluster
) -> None:
    liar = cluster.start_worker("liar", code=LIES)
    build = start(project, cluster)
    while not cluster.has_begun("liar"):
        assert build.poll() is None, finish(build)
        time.sleep(0.2)
    cluster.start_worker("honest")
    errors = finish(build)

    assert "worker liar: its result did not arrive intact from a remote store\n" in errors
    artifacts = list_artifacts(project.store)
    assert len(artifacts) == 4
    files = list((cluster.remote / "files").iterdir())
    assert [hash_file(file) for file in files] == [file.name for file in files], "damaged files are replaced"

    # The honest worker has all results in its store, so that none of its steps takes long on a busy machine.
    liar.kill()
    shutil.rmtree(cluster.remote)
    project.new_store("second-store")
    cluster.start_worker("sleeper", code=HANGS)
    errors = finish(start(project, cluster, "--step-timeout", "20"))
    assert "worker sleeper: it has not ended after 20 s\n" in errors
    assert list_artifacts(project.store) == artifacts


def test_workers_that_do_not_fit_are_refused_each_with_its_reason(
    project: FixtureProject, cluster: TestCluster
) -> None:
    for name, code in (("newer", OTHER_VERSION), ("changed", OTHER_CODE), ("poor", WITHOUT_ZIG)):
        cluster.start_worker(name, code=code)
    cluster.start_plain_worker("plain")
    errors = finish(start(project, cluster), exit_code=7)

    version = importlib.metadata.version("everywheel")
    text = errors[errors.index("error: ") :]
    assert text == (
        f"error: no worker at {cluster.address} can build this project\n"
        f"  worker changed: it has version {version} as well, but its code or packages differ from those of this machine\n"
        f"  worker newer: it has version 99.0 of everywheel, and this machine {version}\n"
        "  worker plain: it was not started by `everywheel worker`\n"
        "  worker poor: it has no engine 'zig'\n"
        f"  hint: start one with `everywheel worker {cluster.address}` on a machine with this version of everywheel\n"
    )


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server of S3 with an empty bucket, whose user this process and its children are."""
    with serve_s3() as url:
        requests.put(f"{url}/bucket", timeout=30).raise_for_status()
        for name, value in USER.items():
            monkeypatch.setenv(name, value)
        yield url


def test_a_remote_store_that_fills_up_costs_no_result_while_another_one_accepts_it(
    project: FixtureProject, cluster: TestCluster, bucket: str
) -> None:
    full = refuse_with("507 Insufficient Storage", "XMinioStorageFull")
    with FaultyProxy(bucket, lambda line: full if line.startswith("PUT") else None) as proxy:
        cluster.start_worker("one", "--remote", BUCKET, AWS_ENDPOINT_URL=proxy.url, **USER)
        errors = finish(start(project, cluster))

    assert re.search(f"worker one: remote store {BUCKET}: artifact .*: .*XMinioStorageFull", errors)
    assert f"worker one: remote store {BUCKET}: not used anymore in this run, after 3 faults\n" in errors
    assert len(list_artifacts(project.store)) == 4


@pytest.mark.parametrize(
    ("accepted", "text"),
    [
        (
            0,
            "error: no remote store has accepted the files of the project\n"
            f"  remote stores: {BUCKET}\n"
            "  hint: the warnings above have the reasons\n",
        ),
        (
            2,
            "error: cpython 3.13.5 for any: no remote store accepted the result\n"
            f"  remote stores: {BUCKET}\n"
            "  hint: the warnings have the reasons; the result is in the store of the machine that built it\n",
        ),
    ],
    ids=["at-once", "after-the-project"],
)
def test_a_build_whose_only_remote_store_is_full_ends_with_the_reason(
    project: FixtureProject,
    cluster: TestCluster,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    accepted: int,
    text: str,
) -> None:
    """The files of the project are two objects: the archive and its record."""
    full, uploads = refuse_with("403 Forbidden", "QuotaExceeded"), itertools.count()

    def choose(line: str) -> Fault | None:
        return full if line.startswith("PUT") and next(uploads) >= accepted else None

    with FaultyProxy(bucket, choose) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        cluster.shared = BUCKET
        cluster.start_worker("one", AWS_ENDPOINT_URL=proxy.url, **USER)
        errors = finish(start(project, cluster), exit_code=7)

    assert "QuotaExceeded" in errors
    assert text in errors


def test_of_two_remote_stores_that_disagree_none_is_used_and_the_result_of_a_worker_arrives(
    project: FixtureProject, cluster: TestCluster, tmp_path: Path
) -> None:
    project.build("--target", TARGET)
    right, wheels = list_artifacts(project.store), project.wheels()
    entry = next(entry for entry in Store(project.store).entries() if entry.name == "libfoo")
    liar = Store(tmp_path / "liar")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("other bytes")
    liar.put_tree(entry.key, tmp_path / "tree", name="libfoo", version="1.0", target=entry.target)
    other = tmp_path / "other"
    for store, remote in ((Store(project.store), cluster.remote), (liar, other)):
        exchanges = open_exchanges(str(remote), key=cluster.key, sign=True)
        assert RemoteStores(exchanges, store).send(entry.key) == 1
    project.new_store("fresh-store")
    cluster.start_worker("one", "--remote", str(other))
    errors = finish(start(project, cluster, "--remote", str(other)))

    text = (
        f"libfoo 1.0 for manylinux_2_17_x86_64: the remote stores disagree ({cluster.remote} has {entry.sha256[:12]}, "
    )
    assert text in errors
    assert f"worker one: {text}" in errors
    assert "worker one: remote store " + f"{other}: {entry.label}: it has another result of the same inputs, " in errors
    assert (list_artifacts(project.store), project.wheels()) == (right, wheels)


def test_an_interrupt_ends_the_commands_of_all_workers_and_an_error_comes_back_with_its_log(
    project: FixtureProject, encrypted_cluster: TestCluster
) -> None:
    cluster, worker = encrypted_cluster, encrypted_cluster.start_worker("one")
    project.replace("extension/meson.build", "project(", "run_command('sleep', '300', check: true)\nproject(")
    build = start(project, cluster, "--verbose")
    assert build.stderr is not None
    for line in build.stderr:
        if " | " in line and "meson" in line.lower() and "fixture" in line:
            break
    build.send_signal(signal.SIGINT)
    assert "interrupted" in finish(build, exit_code=130)
    deadline = time.monotonic() + 30
    while (commands := list_descendants(worker.pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert commands == []

    project.replace("extension/meson.build", "run_command('sleep', '300', check: true)\n", "broken(\n")
    errors = finish(start(project, cluster), exit_code=1)
    text = errors[errors.index("error: ") :]
    log = next(line.partition("log: ")[2] for line in text.splitlines() if line.startswith("  log: "))
    assert text.startswith("error: fixture 1.0 for manylinux_2_17_x86_64: ")
    assert Path(log).is_relative_to(project.store)
    assert "broken" in Path(log).read_text()


def list_descendants(pid: int) -> list[str]:
    """Return the command lines of the commands that a worker runs; its supervisor runs as long as itself."""
    processes = psutil.Process(pid).children(recursive=True)
    lines = [" ".join(process.cmdline()) for process in processes]
    return [line for line in lines if "sleep" in line or "mesonpy" in line or "ninja" in line]
