"""The commands of the workflows, run in a Debian with the files that earlier jobs left; and the whole rehearsal.

Every `run:` of every job is run here or is listed in SKIPPED with the reason, which the last test of this file checks. The
actions between these commands (checkout, artifacts, caches) are replaced by copies of files.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from docker_daemons import start_registry
from everywheel.audit import audit_wheel
from everywheel.containers.bootstrap import bootstrap_image
from everywheel.containers.catalog import find_catalog, load_catalog
from everywheel.containers.lock import LockedImage, write_digests
from everywheel.containers.runtime import find_runtime
from everywheel.platforms.architectures import ARCHES
from everywheel.store.local import Store, default_store
from fake_github import HOST, PROJECT, start_github
from root_filesystems import REPOSITORY, call, call_in_root, copy_repository, find_index, mount_overlay

pytestmark = pytest.mark.xdist_group("workflows")

FILES = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
WORKFLOWS: dict[str, dict[str, Any]] = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
VERSION = "1.2.0"
MACHINE = platform.machine()

GATE = ".ci/run has the same line, which runs these tests"
SKIPPED = {
    ("checks.yml", "lint", ".venv/bin/nox -s lint"): GATE,
    ("checks.yml", "tests", ".venv/bin/nox -s tests"): GATE,
    ("checks.yml", "integration", "sudo .venv/bin/nox -s integration"): GATE,
    ("containers.yml", "test-containers", ".venv/bin/nox -s test-containers"): (
        "an hour or two under QEMU; test_containers.py builds and tries the same for this machine's own architecture"
    ),
    ("containers.yml", "test-architectures", ".venv/bin/nox -s test-architectures"): (
        "an hour or two: all libraries five times, and the tests of ten wheels under QEMU"
    ),
    ("containers.yml", "test-exhaustive", "sudo .venv/bin/nox -s test-exhaustive"): (
        "an hour: it repeats tests of `nox -s integration` for further targets and libraries"
    ),
    ("wheels.yml", "native", ""): "these jobs run on macOS and Windows",
    ("wheels.yml", "test-wheel", ""): "these jobs run on macOS and Windows",
}
"""Which lines are not run here: workflow, job, and how the line begins."""
LASTING = ("python3 -m venv .venv && ", "sudo .ci/containers")
"""How lines begin that leave the same thing on a machine however often they run; every job has them, and once will do."""
ALONE = "python -m pytest -q {}/tests/test_webp_only.py"
# The expressions that GitHub evaluates, except those of the matrix.
FILLED = {
    "${{ github.ref_name }}": f"v{VERSION}",
    "${{ github.token }}": "secret",
    "${{ inputs.tag }}": "",
    "${{ inputs.second && '--layout=all' || '--layout=released' }}": "--layout=released",
}

Line = tuple[str, str, str]


def list_lines(workflow: str, job: str) -> Iterator[tuple[Line, dict[str, str]]]:
    """Give every line of a job with the environment that its step names."""
    for step in WORKFLOWS[workflow]["jobs"][job].get("steps", ()):
        if "run" in step:
            yield (workflow, job, step["run"]), step.get("env", {})


EVERY_LINE = [
    line for name, workflow in WORKFLOWS.items() for job in workflow["jobs"] for line, _ in list_lines(name, job)
]


def excuse(line: Line) -> tuple[str, str, str] | None:
    """Return the entry of NOT_RUN that is about a line."""
    return next((entry for entry in SKIPPED if line[:2] == entry[:2] and line[2].startswith(entry[2])), None)


@dataclass
class Runner:
    """A fresh clone of the repository, and the machines that its workflows' lines run on.

    `project` has the same path inside and outside, as the container runtime needs it. `done` are the lines that ran, `left`
    those of LASTING by the machine that they ran on.
    """

    project: Path
    bare: Path
    machine: Path
    done: set[Line] = field(default_factory=set)
    left: set[tuple[Path, str]] = field(default_factory=set)

    def run(
        self,
        workflow: str,
        job: str,
        matrix: Mapping[str, Any] = {},
        *,
        extra_args: str = "",
        binds: tuple[Path, ...] = (),
        filled: Mapping[str, str] = {},
        **variables: str,
    ) -> str:
        """Run every line of a job in GitHub's shell.

        `extra_args` are added to its nox session; `filled` replaces entries of FILLED."""
        outputs = []
        machine = self.bare if "container" in WORKFLOWS[workflow]["jobs"][job] else self.machine
        for line, environment in list_lines(workflow, job):
            if excuse(line):
                continue
            self.done.add(line)
            if (machine, line[2]) in self.left:
                continue
            script = f"{line[2]} {extra_args}" if extra_args and " -s " in line[2] else line[2]
            values = {name: filled.get(value) or fill(value, matrix) for name, value in environment.items()}
            outputs.append(
                call_in_root(
                    machine,
                    f"bash -e -c {shlex.quote(script)}",
                    binds={path: str(path) for path in (self.project, default_store(), Path("/run"), *binds)},
                    environment={
                        "EVERYWHEEL_STORE": str(default_store()),
                        "GITHUB_OUTPUT": str(self.project / "outputs"),
                        # Of the packages of each session's environment only a part is ever imported.
                        "PIP_NO_COMPILE": "1",
                        **variables,
                        **values,
                    },
                    cwd=str(self.project),
                )
            )
            if line[2].startswith(LASTING):
                self.left.add((machine, line[2]))
        return "".join(outputs)


def fill(value: str, matrix: Mapping[str, Any]) -> str:
    if value.startswith("${{ matrix."):
        return str(matrix[value.split(".")[1].removesuffix(" }}")])
    return FILLED[value]


@pytest.fixture(scope="module")
def runner(bare_debian: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """The bare Debian for jobs in a container; with sudo and gh, which GitHub's runners have, for all others."""
    project = tmp_path_factory.mktemp("clone") / "project"
    copy_repository(project)
    for args in (["init", "-q"], ["remote", "add", "origin", f"http://{HOST}/{PROJECT}"]):
        call(["git", *args], cwd=project)
    with mount_overlay(bare_debian, tmp_path_factory.mktemp("runner")) as machine:
        # As in every container image of Debian: what is installed there starts nothing.
        (machine / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (machine / "usr/sbin/policy-rc.d").chmod(0o755)
        # Nor need it outlive a power cut.
        (machine / "etc/dpkg/dpkg.cfg.d/unsafe").write_text("force-unsafe-io\n")
        install = "apt-get update -q && apt-get install -y -q --no-install-recommends sudo gh"
        call_in_root(machine, install, environment={"DEBIAN_FRONTEND": "noninteractive"})
        (machine / "etc/sudoers.d/network").write_text('Defaults env_keep += "http_proxy https_proxy no_proxy"\n')
        yield Runner(project=project, bare=bare_debian, machine=machine)


@pytest.fixture(scope="module")
def matrix(runner: Runner) -> dict[str, Any]:
    """The plan's job, first line to last, and what it put out."""
    runner.run("wheels.yml", "plan")
    return dict(json.loads((runner.project / "outputs").read_text().removeprefix("matrix=")))


@pytest.fixture(scope="module")
def prepared(runner: Runner) -> Runner:
    """The machine that `.ci/containers` makes of it, from nothing, with this machine's own daemon."""
    for job in ("lint", "tests", "integration"):
        runner.run("checks.yml", job)
    runner.run("containers.yml", "test-containers")
    runner.run("containers.yml", "test-architectures")
    runner.run("containers.yml", "test-exhaustive")
    return runner


@pytest.fixture(scope="module")
def dist(matrix: dict[str, Any], runner: Runner) -> tuple[Path, ...]:
    """The files of a release, counted, from all jobs that make them."""
    for job in matrix["zig"]:
        runner.run("wheels.yml", "zig", job)
    runner.run("wheels.yml", "sdist")
    runner.run("wheels.yml", "collect")
    return tuple(sorted((runner.project / "dist").iterdir()))


def test_the_first_job_leaves_a_bundle_and_the_matrix(matrix: dict[str, Any], runner: Runner) -> None:
    assert (runner.project / "sources.tar").stat().st_size > 10_000_000
    assert len(matrix["zig"]) == len(matrix["smoke"]) + len(matrix["test_wheel"])
    assert len(matrix["container"]) == len(matrix["smoke"]) > 0


def test_every_job_leaves_its_files_and_they_are_counted(
    matrix: dict[str, Any], dist: tuple[Path, ...], runner: Runner
) -> None:
    assert sorted(path.name for path in dist) == sorted(matrix["released"])
    call(["sha256sum", "--check", runner.project / "SHA256SUMS"], cwd=runner.project / "dist")


def test_a_release_counts_the_second_build_too_and_its_tag(
    matrix: dict[str, Any], dist: tuple[Path, ...], runner: Runner
) -> None:
    """The wheels of the second build are copies of zig's here, which the check cannot detect."""
    jobs = runner.project / "jobs"
    second = [*matrix["container"], *matrix["native"]]
    for job in second:
        shutil.rmtree(jobs / job["name"], ignore_errors=True)
        (jobs / job["name"]).mkdir()
        for name in job["files"]:
            shutil.copyfile(jobs / f"zig-{job['target']}" / name, jobs / job["name"] / name)
    every = {"${{ inputs.second && '--layout=all' || '--layout=released' }}": "--layout=all"}

    with pytest.raises(AssertionError, match=r"error: the tag is v9\.9, but the extension is version"):
        runner.run("wheels.yml", "collect", filled={**every, "${{ inputs.tag }}": "v9.9"})
    outputs = runner.run("wheels.yml", "collect", filled={**every, "${{ inputs.tag }}": f"v{matrix['version']}"})

    assert f"{len(second)} wheels of the second build agree with those of the first" in outputs
    assert tuple(sorted((runner.project / "dist").iterdir())) == dist


def test_a_machine_is_made_fit_from_nothing(prepared: Runner) -> None:
    programs = ("docker", "mmdebstrap", "qemu-aarch64-static", "wine", "node", "npm")

    assert [name for name in programs if not (prepared.machine / "usr/bin" / name).exists()] == []


def test_a_wheel_of_a_job_is_tried_in_containers(matrix: dict[str, Any], prepared: Runner) -> None:
    job = next(job for job in matrix["smoke"] if job["target"] == f"musllinux_1_2_{MACHINE}")
    prepared.run("wheels.yml", "zig", job)

    # One system of those that the job tries will do.
    output = prepared.run("wheels.yml", "smoke", job, extra_args="--image musl")

    assert "ok 3." in output


def test_images_are_locked_and_pulled_by_digest_after_their_tag_moved(
    matrix: dict[str, Any], prepared: Runner, tmp_path: Path
) -> None:
    """A registry on this machine, which the daemon uses as a mirror; it has one system, for two architectures."""
    catalog = find_catalog(prepared.project)
    before = catalog.read_text()
    system, name = load_catalog(catalog).smoke_images["debian-11"], "library/debian:11-slim"
    with find_runtime() as machine:
        images = {
            arch: bootstrap_image(system, ARCHES[arch], machine.images, Store(default_store()))
            for arch in system.arches[:2]
        }
        other = bootstrap_image(
            load_catalog(catalog).smoke_images["musl"], ARCHES[MACHINE], machine.images, Store(default_store())
        )
    job = next(job for job in matrix["smoke"] if job["target"] == f"manylinux_2_17_{MACHINE}")
    prepared.run("wheels.yml", "zig", job)

    with start_registry(tmp_path) as registry:
        registry.push(name, images)
        where = {"DOCKER_HOST": registry.daemon.address}
        with pytest.raises(AssertionError, match="images are unlocked"):
            prepared.run("wheels.yml", "images", binds=(tmp_path,), **where)
        lock_others(catalog)
        locked = prepared.run("wheels.yml", "images", binds=(tmp_path,), **where)
        registry.push(name, {MACHINE: other})
        tried = prepared.run("wheels.yml", "smoke", job, extra_args="--image debian-11", binds=(tmp_path,), **where)
        reference = {
            arch: load_catalog(catalog).smoke_images["debian-11"].pinned_reference(ARCHES[arch]) for arch in images
        }
        with find_runtime(environ=where) as mirrored:
            pulled = {arch: mirrored.images.pull(reference[arch], ARCHES[arch]) for arch in (*images, *images)}
            here = {arch: mirrored.images.find(reference[arch], ARCHES[arch]) for arch in images}
    catalog.write_text(before)

    assert "debian-11: locked by docker.io\n" in locked
    assert "fedora: unlocked: docker.io: manifest unknown" in locked
    assert re.search(r"^all \d+ images are locked$", locked, re.MULTILINE)
    assert "debian-11 " in tried
    assert "ok 3." in tried
    assert len(set(pulled.values())) == len(images) == 2
    assert pulled == here


def lock_others(catalog: Path) -> None:
    """Give every image without a digest one, as if its registry had answered before."""
    images = load_catalog(catalog).smoke_images.values()
    unlocked = [image.name for image in images if image.reference and not image.cpu and not image.digests]
    write_digests(catalog, [LockedImage(image=name, digests={"any": f"sha256:{'0' * 64}"}) for name in unlocked])


def test_the_second_build_makes_a_wheel_in_a_container(matrix: dict[str, Any], prepared: Runner) -> None:
    """Where no registry answers, the local build image replaces PyPA's; it supports the same musl.

    libvips has the `minimal` profile, which takes five minutes less.
    """
    job = next(job for job in matrix["container"] if job["target"] == f"musllinux_1_2_{MACHINE}")

    test = ALONE.format("{package}")
    prepared.run("wheels.yml", "container", job, extra_args="--profile libvips=minimal", CIBW_TEST_COMMAND=test)

    (wheel,) = (prepared.project / "jobs" / job["name"]).iterdir()
    assert wheel.name in matrix["released"]
    assert audit_wheel(wheel).findings == ()


def test_an_interpreter_without_a_gil_runs_the_tests(runner: Runner) -> None:
    """Those of threads, modules, and what is encoded; the whole line took ten minutes on a busy machine."""
    some = ("free_threading", "test_threads", "test_module", "test_encode", "test_arrays")

    output = runner.run("free-threaded.yml", "free-threaded", extra_args=f"-- -rs -k '{' or '.join(some)}'")

    assert " passed" in output
    skipped = [line for line in output.splitlines() if line.startswith("SKIPPED")]
    # Only whole files may be skipped, those whose packages are not installed.
    assert skipped
    assert [line for line in skipped if "is not installed" not in line and "has its libraries inside" not in line] == []
    assert "Session free-threaded was successful" in output


def test_a_released_wheel_without_a_gil_runs_the_tests(matrix: dict[str, Any], runner: Runner) -> None:
    job = next(job for job in matrix["free_threaded"] if job["target"] == f"manylinux_2_17_{MACHINE}")
    runner.run("wheels.yml", "zig", job)

    output = runner.run("wheels.yml", "free-threaded", job, extra_args="-k 'free_threading or test_module'")

    assert " passed" in output
    assert "Session free-threaded was successful" in output


class Index(ThreadingHTTPServer):
    """A package index (PEP 503) that lists `files`, and after each query one more of `late`."""

    def __init__(self, files: tuple[Path, ...] = (), late: tuple[Path, ...] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.files, self.late = [*files], [*late]
        self.address = f"http://127.0.0.1:{self.server_port}/simple/"

    def __enter__(self) -> Index:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()


class _Pages(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        files = self.server.files
        sums = {path.name: sha256(path.read_bytes()).hexdigest() for path in files}
        links = "".join(f'<a href="{name}#sha256={digest}">{name}</a>' for name, digest in sums.items())
        page = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        self.send_response(200 if files and self.path == "/simple/webpencode/" else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)
        if self.server.late:
            files.append(self.server.late.pop())

    def log_message(self, *args: object) -> None: ...


def test_nothing_is_compared_with_an_index_that_has_nothing(dist: tuple[Path, ...], runner: Runner) -> None:
    with Index() as index:
        output = runner.run("release.yml", "compare-index", EVERYWHEEL_INDEX_URL=index.address)

    assert output.count("missing: ") == len(dist)


def test_other_bytes_under_the_same_name_stop_the_release(
    dist: tuple[Path, ...], runner: Runner, tmp_path: Path
) -> None:
    other = tmp_path / dist[0].name
    other.write_bytes(b"other")

    with (
        Index((other,)) as index,
        pytest.raises(AssertionError, match=f"error: the index has a different file named {other.name}"),
    ):
        runner.run("release.yml", "compare-index", EVERYWHEEL_INDEX_URL=index.address)


def test_the_job_waits_until_all_files_are_published(dist: tuple[Path, ...], runner: Runner) -> None:
    with Index(dist[1:], late=dist[:1]) as index:
        output = runner.run("release.yml", "verify", EVERYWHEEL_INDEX_URL=index.address)

    assert output.count("present: ") == len(dist)
    assert "missing: " not in output


def test_a_release_is_made_once_and_its_files_are_attached(dist: tuple[Path, ...], runner: Runner) -> None:
    """By GitHub's own `gh`; what answers it is ours."""
    attached = runner.project / "attached"
    attached.mkdir()
    for path in (*dist, runner.project / "SHA256SUMS", runner.project / "sources.tar"):
        shutil.copyfile(path, attached / path.name)
    expected = {path.name: path.read_bytes() for path in attached.iterdir()}

    with start_github(f"v{VERSION}") as github:
        runner.run("release.yml", "attach", **github.environment)
        first = dict(github.files)
        runner.run("release.yml", "attach", **github.environment)

    assert first == github.files == expected
    assert sorted(github.removed) == sorted(expected)
    (release,) = github.releases.values()
    assert (release["tag_name"], release["draft"]) == (f"v{VERSION}", False)
    assert release["body"] == (runner.project / "extension" / "CHANGELOG.md").read_text()
    assert github.tokens == {"token secret"}


def test_a_missing_tag_is_not_released(dist: tuple[Path, ...], runner: Runner) -> None:
    with start_github() as github, pytest.raises(AssertionError, match="doesn't exist in the repo"):
        runner.run("release.yml", "attach", **github.environment)

    assert github.releases == {}


def test_the_gate_runs_the_lines_that_are_skipped_for_it() -> None:
    gate = (REPOSITORY / ".ci" / "run").read_text().splitlines()

    lines = [entry[2].removeprefix("sudo ") for entry, why in SKIPPED.items() if why == GATE]

    assert [line for line in lines if line not in gate] == []


def test_a_dry_run_does_everything_but_the_upload(bare_debian: Path, tmp_path: Path) -> None:
    copy_repository(tmp_path / "clone")
    if (done := bare_debian / "project" / "wheelhouse").is_dir():
        shutil.copytree(done, tmp_path / "clone" / "wheelhouse")

    args = ["--dry-run", "--command", ALONE.format("extension")]
    output = call(
        [sys.executable, "-m", "nox", "-s", "release", "--", *args],
        cwd=tmp_path / "clone",
        env={**find_index(), **os.environ},
    )

    names = [path.name for path in sorted((tmp_path / "clone" / "dist").iterdir())]
    assert [line for line in output.splitlines() if line.startswith("uploaded: ")]
    assert all(f"present: {name}" in output for name in names)
    assert "debian-12 " in output
    assert "Session release was successful" in output


def test_every_line_was_run_or_is_excused(request: pytest.FixtureRequest) -> None:
    here = {item.name for item in request.session.items if item.path == request.path}
    if left_out := {name for name in vars(request.module) if name.startswith("test_")} - here:
        pytest.skip(f"{len(left_out)} tests of this file were not selected")

    done = request.getfixturevalue("runner").done
    excused = {excuse(line) for line in EVERY_LINE}

    assert [line for line in EVERY_LINE if not excuse(line) and line not in done] == []
    assert [entry for entry in SKIPPED if entry not in excused] == []
