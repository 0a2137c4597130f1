"""The commands of the workflows, run in a minimal Debian, and the rehearsal of a release.

Every `run:` step of every job is run here or is listed in SKIPPED with a reason; the last test of this file checks this. The
actions for artifacts are replaced by copies of files, a checkout by a copy of the repository.
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
from fnmatch import fnmatch
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile
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
SDK_TARGET = f"manylinux2014_{MACHINE}"

RUN_BY_CI = ".ci/run runs the same command"
SKIPPED = {
    ("checks.yml", "lint", ".venv/bin/nox -s lint"): RUN_BY_CI,
    ("checks.yml", "tests", ".venv/bin/nox -s tests"): RUN_BY_CI,
    ("checks.yml", "integration", "sudo .venv/bin/nox -s integration"): RUN_BY_CI,
    ("collection.yml", "propose", ""): "opens a pull request; tests/unit/test_pull_request.py does so without GitHub",
    ("containers.yml", "test-containers", ".venv/bin/nox -s test-containers"): (
        "one to two hours under QEMU; test_containers.py builds and tests the same for the architecture of this machine"
    ),
    ("containers.yml", "test-architectures", ".venv/bin/nox -s test-architectures"): (
        "one to two hours: builds all libraries five times, and tests ten wheels under QEMU"
    ),
    ("containers.yml", "test-exhaustive", ".venv/bin/nox -s tests -- -m exhaustive"): (
        "ten minutes: repeats tests of `nox -s tests` for further targets and signals"
    ),
    ("containers.yml", "test-exhaustive", "sudo .venv/bin/nox -s integration -- -m exhaustive"): (
        "an hour: repeats tests of `nox -s integration` for further targets and libraries"
    ),
    ("containers.yml", "test-projects", ".venv/bin/nox -s projects"): (
        "hours: builds all projects of other people; .ci/run builds three of them"
    ),
    ("rebuild.yml", "rebuild", ".venv/bin/nox -s rebuild-release"): (
        "hours: builds a whole release; test_rebuild_release.py runs its script on a release of a small project"
    ),
    ("recipes.yml", "update", ".venv/bin/nox -s everywheel -- recipes "): (
        "changes recipes; tests of `recipes update` and `recipes outdated` run both with a package archive of their own"
    ),
    ("recipes.yml", "update", "python3 .ci/"): "tests/unit/test_pull_request.py and test_digests.py run both scripts",
    ("recipes.yml", "propose", ""): "opens a pull request; tests/unit/test_pull_request.py does so without GitHub",
    ("sources.yml", "check", ".venv/bin/nox -s sources -- check"): (
        "downloads from the servers of other projects; tests of `sources check` run it with servers of their own"
    ),
    ("wheels.yml", "native", ""): "these jobs run on macOS and Windows",
    ("wheels.yml", "test-wheel", ""): "these jobs run on macOS and Windows",
}
"""Commands that are not run here, by workflow, job and beginning of the command, with the reason."""
SETUP_COMMANDS = ("python3 -m venv .venv && ", "sudo .ci/containers")
"""Beginnings of commands that set up a machine; every job has them, and they run once per machine."""
WEBP_ONLY_TEST = "python -m pytest -q {}/tests/test_webp_only.py"
# The values of the expressions that GitHub would evaluate, except those of the matrix.
EXPRESSIONS = {
    "${{ github.ref_name }}": f"v{VERSION}",
    "${{ github.token }}": "secret",
    "${{ github.server_url }}/${{ github.workflow_ref }}": "https://github.example/workflow",
    "${{ inputs.tag }}": "",
    "${{ inputs.second && '--layout=all' || '--layout=released' }}": "--layout=released",
    "${{ !inputs.remote && '--no-remote' || '' }}": "",
}

Command = tuple[str, str, str]


def list_steps(workflow: str, job: str) -> list[dict[str, Any]]:
    return list(WORKFLOWS[workflow]["jobs"][job].get("steps", ()))


ALL_COMMANDS = [
    (name, job, step["run"])
    for name, workflow in WORKFLOWS.items()
    for job in workflow["jobs"]
    for step in list_steps(name, job)
    if "run" in step
]


def find_skipped_entry(command: Command) -> tuple[str, str, str] | None:
    """Return the key of the entry of SKIPPED that applies to a command."""
    return next((entry for entry in SKIPPED if command[:2] == entry[:2] and command[2].startswith(entry[2])), None)


@dataclass
class Runner:
    """A copy of the repository and the root file systems in which the commands of its workflows run.

    `bare` is for jobs in a container, `machine` for all others. `project` has the same path inside and outside, as the
    container runtime requires. `artifacts` has the artifacts of all jobs, `outputs` the outputs of each job. `done` has the
    commands that ran, `set_up` the commands of SETUP_COMMANDS that ran, each with its root file system.
    """

    project: Path
    bare: Path
    machine: Path
    artifacts: Path
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    done: set[Command] = field(default_factory=set)
    set_up: set[tuple[Path, str]] = field(default_factory=set)

    def run(
        self,
        workflow: str,
        job: str,
        matrix: Mapping[str, Any] = {},
        *,
        extra_args: str = "",
        binds: tuple[Path, ...] = (),
        expressions: Mapping[str, str] = {},
        **variables: str,
    ) -> str:
        """Run every command of a job in the shell that GitHub uses, and return the output of all.

        `extra_args` are added to the command of its nox session; `expressions` has precedence over EXPRESSIONS.
        """
        machine = self.bare if "container" in WORKFLOWS[workflow]["jobs"][job] else self.machine
        for name in ("jobs", "attached", "statements", "outputs"):
            remove(self.project / name)  # a job begins with a new checkout
        printed, skipped = [], []
        for step in list_steps(workflow, job):
            if "run" not in step:
                if not skipped:
                    self.use_artifacts(step, matrix)
                continue
            command = (workflow, job, step["run"])
            if find_skipped_entry(command):
                skipped.append(command)
                continue
            self.done.add(command)
            if (machine, command[2]) in self.set_up:
                continue
            script = f"{command[2]} {extra_args}" if extra_args and " -s " in command[2] else command[2]
            values = {
                name: expressions.get(value) or self.evaluate(value, workflow, job, matrix)
                for name, value in {**WORKFLOWS[workflow].get("env", {}), **step.get("env", {})}.items()
            }
            printed.append(
                call_in_root(
                    machine,
                    f"bash -e -c {shlex.quote(script)}",
                    binds={path: str(path) for path in (self.project, default_store(), Path("/run"), *binds)},
                    environment={
                        "EVERYWHEEL_STORE": str(default_store()),
                        "GITHUB_OUTPUT": str(self.project / "outputs"),
                        # Compiling all packages of an environment takes longer than compiling those that are imported.
                        "PIP_NO_COMPILE": "1",
                        **variables,
                        **values,
                    },
                    cwd=str(self.project),
                )
            )
            if command[2].startswith(SETUP_COMMANDS):
                self.set_up.add((machine, command[2]))
        self.outputs.setdefault(job, {}).update(read_outputs(self.project / "outputs"))
        return "".join(printed)

    def use_artifacts(self, step: Mapping[str, Any], matrix: Mapping[str, Any]) -> None:
        """Do what GitHub's actions do: copy files to the artifacts, or artifacts to the checkout."""
        inputs = {key: str(value) for key, value in step.get("with", {}).items()}
        for key, value in matrix.items():
            inputs = {name: text.replace(f"${{{{ matrix.{key} }}}}", str(value)) for name, text in inputs.items()}
        if "actions/upload-artifact@" in step["uses"]:
            self.upload(inputs["name"], self.project / inputs["path"])
        elif "actions/download-artifact@" in step["uses"]:
            path = self.project / inputs["path"]
            patterns = inputs.get("pattern", "").strip("{}").split(",")
            names = [
                file.name for file in self.artifacts.iterdir() if any(fnmatch(file.name, each) for each in patterns)
            ]
            for name in [inputs["name"]] if "name" in inputs else names:
                remove(path if "name" in inputs else path / name)
                shutil.copytree(self.artifacts / name, path if "name" in inputs else path / name)

    def upload(self, name: str, path: Path) -> None:
        """Make an artifact of a file or a folder."""
        remove(self.artifacts / name)
        if path.is_dir():
            shutil.copytree(path, self.artifacts / name)
        else:
            (self.artifacts / name).mkdir()
            shutil.copy2(path, self.artifacts / name)

    def evaluate(self, value: str, workflow: str, job: str, matrix: Mapping[str, Any]) -> str:
        """Return the value that GitHub would give an expression; `matrix` is the entry of the job's matrix."""
        if value.startswith("${{ matrix."):
            return str(matrix[value.split(".")[1].removesuffix(" }}")])
        if value == "${{ strategy.job-index }}":
            return str(
                [entry["name"] for entry in json.loads(self.outputs["plan"]["matrix"])[job]].index(matrix["name"])
            )
        outputs = {**self.outputs, "wheels": self.read_called_outputs()}
        if match := re.fullmatch(r"\$\{\{ needs\.([\w-]+)\.outputs\.([\w-]+) \}\}", value):
            return outputs[match[1]][match[2]]
        if value == "${{ toJSON(needs) }}":
            needs = WORKFLOWS[workflow]["jobs"][job]["needs"]
            names = [needs] if isinstance(needs, str) else needs
            return json.dumps({name: {"result": "success", "outputs": outputs.get(name, {})} for name in names})
        if re.fullmatch(r"\$\{\{ (vars|secrets)\.[\w-]+ \}\}", value):
            return ""  # the repository has none
        value = EXPRESSIONS.get(value, value)
        assert "${{" not in value, f"EXPRESSIONS has no value for {value}"
        return value

    def read_called_outputs(self) -> dict[str, str]:
        """Return the outputs of the workflow wheels.yml, which are those of its jobs."""
        # The key `on` is true in YAML 1.1.
        outputs = WORKFLOWS["wheels.yml"][True]["workflow_call"]["outputs"]  # type: ignore[index]
        sources = {
            name: re.fullmatch(r"\$\{\{ jobs\.(\w+)\.outputs\.(\S+) \}\}", o["value"]) for name, o in outputs.items()
        }
        return {name: self.outputs.get(match[1], {}).get(match[2], "") for name, match in sources.items() if match}


def remove(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def read_outputs(file: Path) -> dict[str, str]:
    """Return the outputs that the steps of a job have written: `name=value`, or several lines before a delimiter."""
    outputs: dict[str, str] = {}
    lines = iter(file.read_text().splitlines() if file.exists() else ())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        if delimiter and "=" not in name:
            outputs[name] = "\n".join(takewhile(lambda line, end=delimiter: line != end, lines))
        else:
            outputs[line.partition("=")[0]] = line.partition("=")[2]
    return outputs


@pytest.fixture(scope="module")
def runner(bare_debian: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """A copy of the repository, the bare Debian, and a copy of it with sudo and gh, which GitHub's runners have."""
    project = tmp_path_factory.mktemp("clone") / "project"
    copy_repository(project)
    for args in (["init", "-q"], ["remote", "add", "origin", f"http://{HOST}/{PROJECT}"]):
        call(["git", *args], cwd=project)
    with mount_overlay(bare_debian, tmp_path_factory.mktemp("runner")) as machine:
        # As in Debian's container images: the installation of a package starts no service.
        (machine / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (machine / "usr/sbin/policy-rc.d").chmod(0o755)
        # dpkg is faster if it does not synchronize its files with the disk.
        (machine / "etc/dpkg/dpkg.cfg.d/unsafe").write_text("force-unsafe-io\n")
        install = "apt-get update -q && apt-get install -y -q --no-install-recommends sudo gh"
        call_in_root(machine, install, environment={"DEBIAN_FRONTEND": "noninteractive"})
        (machine / "etc/sudoers.d/network").write_text('Defaults env_keep += "http_proxy https_proxy no_proxy"\n')
        artifacts = tmp_path_factory.mktemp("artifacts")
        yield Runner(project=project, bare=bare_debian, machine=machine, artifacts=artifacts)


@pytest.fixture(scope="module")
def matrix(runner: Runner) -> dict[str, Any]:
    """The matrix that the commands of the job `plan` write to the outputs of the job."""
    runner.run("wheels.yml", "plan")
    return dict(json.loads(runner.outputs["plan"]["matrix"]))


@pytest.fixture(scope="module")
def container_runner(runner: Runner) -> Runner:
    """The runner after `.ci/containers` has set it up; its containers run in this machine's daemon."""
    for job in ("lint", "tests", "integration"):
        runner.run("checks.yml", job)
    runner.run("containers.yml", "test-containers")
    runner.run("containers.yml", "test-architectures")
    runner.run("containers.yml", "test-exhaustive")
    runner.run("containers.yml", "test-projects")
    runner.run("rebuild.yml", "rebuild")
    runner.run("recipes.yml", "update")
    runner.run("sources.yml", "check")
    return runner


@pytest.fixture(scope="module")
def dist(matrix: dict[str, Any], runner: Runner) -> tuple[Path, ...]:
    """The files of a release, which the job `collect` has checked and copied from the files of all jobs."""
    for job in matrix["zig"]:
        runner.run("wheels.yml", "zig", job)
    runner.run("wheels.yml", "sdist")
    # All targets would take an hour.
    runner.run("wheels.yml", "sdk", extra_args=f"--target {SDK_TARGET}")
    runner.run("wheels.yml", "collect")
    return tuple(sorted((runner.project / "dist").iterdir()))


def test_the_plan_job_writes_a_source_bundle_and_the_matrix(matrix: dict[str, Any], runner: Runner) -> None:
    assert (runner.project / "sources.tar").stat().st_size > 10_000_000
    assert len(matrix["zig"]) == len(matrix["smoke"]) + len(matrix["test_wheel"])
    assert len(matrix["container"]) == len(matrix["smoke"]) > 0


def test_the_collect_job_copies_the_released_files_of_all_jobs(
    matrix: dict[str, Any], dist: tuple[Path, ...], runner: Runner
) -> None:
    assert sorted(path.name for path in dist) == sorted(matrix["released"])
    sums = runner.project / "SHA256SUMS"
    assert sorted(line.split()[1] for line in sums.read_text().splitlines()) == sorted(
        [*matrix["released"], "sources.tar", *(path.name for path in (runner.artifacts / "sdk").iterdir())]
    )
    call(["sha256sum", "--check", "--ignore-missing", sums], cwd=runner.project / "dist")
    statements = json.loads((runner.project / "vex" / "webpencode.openvex.json").read_text())["statements"]
    assert statements
    assert {statement["status"] for statement in statements} == {"fixed"}
    wheels = [path for path in dist if path.suffix == ".whl"]
    provenance = {path.name: json.loads(path.read_text()) for path in (runner.artifacts / "statements").iterdir()}
    assert provenance.keys() == {f"{wheel.name}.provenance.json" for wheel in wheels}
    assert {statement["predicate"]["runDetails"]["builder"]["id"] for statement in provenance.values()} == {
        "https://github.example/workflow"
    }


def test_the_collect_job_checks_the_second_build_and_the_tag(
    matrix: dict[str, Any], dist: tuple[Path, ...], runner: Runner
) -> None:
    """The wheels of the second build are copies of those of the first here, so they agree."""
    second = [*matrix["container"], *matrix["native"]]
    for group in ("container", "native"):
        lines = []
        for job in matrix[group]:
            (runner.artifacts / job["name"]).mkdir(exist_ok=True)
            for name in job["files"]:
                file = shutil.copyfile(
                    runner.artifacts / f"zig-{job['target']}" / name, runner.artifacts / job["name"] / name
                )
                lines.append(f"{sha256(file.read_bytes()).hexdigest()}  {job['name']}/{name}")
        runner.outputs[group] = {"digests-0": "\n".join(lines)}
    all_layout = {"${{ inputs.second && '--layout=all' || '--layout=released' }}": "--layout=all"}

    with pytest.raises(AssertionError, match=r"error: the tag is v9\.9, but the extension is version"):
        runner.run("wheels.yml", "collect", expressions={**all_layout, "${{ inputs.tag }}": "v9.9"})
    outputs = runner.run(
        "wheels.yml", "collect", expressions={**all_layout, "${{ inputs.tag }}": f"v{matrix['version']}"}
    )

    assert f"{len(second)} wheels of the second build agree with those of the first" in outputs
    assert tuple(sorted((runner.project / "dist").iterdir())) == dist
    for job in second:
        remove(runner.artifacts / job["name"])


def test_an_artifact_that_was_exchanged_between_two_jobs_stops_every_job_that_uses_it(
    matrix: dict[str, Any], dist: tuple[Path, ...], runner: Runner
) -> None:
    first, second = [entry for entry in matrix["smoke"] if entry["target"].startswith("musllinux")][:2]
    kept = [runner.artifacts / entry["name"] for entry in (first, second)] + [runner.artifacts / "dist"]
    copies = [Path(shutil.copytree(path, path.with_name(f"{path.name}.kept"))) for path in kept]
    error = "error: artifacts differ from those that earlier jobs made"
    (wheel,), (other,) = (sorted(path.glob("*-abi3-*.whl")) for path in kept[:2])
    wheel.write_bytes(other.read_bytes())
    (kept[2] / wheel.name).write_bytes(other.read_bytes())

    for workflow, job in (
        ("wheels.yml", "smoke"),
        ("wheels.yml", "collect"),
        ("release.yml", "compare-index"),
        ("release.yml", "verify"),
        ("release.yml", "attach"),
    ):
        provide_images(runner)
        with pytest.raises(AssertionError, match=error):
            runner.run(workflow, job, first)
    for job in ("publish", "attest"):
        with pytest.raises(AssertionError, match=f"{wheel.name}: FAILED"):
            runner.run("release.yml", job)
    for path, copy in zip(kept, copies, strict=True):
        remove(path)
        copy.rename(path)
    runner.run("release.yml", "publish")


def test_ci_containers_installs_every_program_that_the_tests_require(container_runner: Runner) -> None:
    programs = ("docker", "mmdebstrap", "qemu-aarch64-static", "wine", "node", "npm")

    assert [name for name in programs if not (container_runner.machine / "usr/bin" / name).exists()] == []


def test_the_collection_jobs_write_a_table_of_what_each_target_built(runner: Runner, tmp_path: Path) -> None:
    """One small library is built for two of the targets; a file replaces Debian's security tracker."""
    runner.run("collection.yml", "targets")
    jobs = json.loads(runner.outputs["targets"]["matrix"])
    targets = [job for job in jobs if job["target"] in ("manylinux2014_x86_64", "musllinux_1_2_x86_64")]
    data, tracker = runner.project / "docs" / "data" / "collection.json", tmp_path / "tracker.json"
    tracker.write_text('{"xxhash": {}}')
    before = json.loads(data.read_text())
    before["xxhash"]["targets"] = {}
    data.write_text(json.dumps(before))

    for job in targets:
        runner.run("collection.yml", "build", job, extra_args="xxhash")
    runner.run("collection.yml", "vulnerabilities", extra_args=f"xxhash --tracker {tracker}", binds=(tmp_path,))
    runner.run("collection.yml", "table")

    xxhash = json.loads(data.read_text())["xxhash"]
    assert {tag: target["run"] for tag, target in xxhash["targets"].items()} == {
        job["target"]: ["shared", "static"] for job in targets
    }
    assert xxhash["vulnerabilities"] == 0
    patch = (runner.artifacts / "table" / "table.patch").read_text()
    assert [line for line in patch.splitlines() if line.startswith("+++ ")] == [
        "+++ b/docs/collection.md",
        "+++ b/docs/data/collection.json",
    ]


def test_the_smoke_job_tests_the_wheels_of_a_build_job(matrix: dict[str, Any], container_runner: Runner) -> None:
    job = next(job for job in matrix["smoke"] if job["target"] == f"musllinux_1_2_{MACHINE}")
    container_runner.run("wheels.yml", "zig", job)
    provide_images(container_runner)

    # One of the images of the job is enough.
    output = container_runner.run("wheels.yml", "smoke", job, extra_args="--image musl")

    assert "ok 3." in output


def test_images_are_locked_and_pulled_by_digest_after_their_tag_moved(
    matrix: dict[str, Any], container_runner: Runner, tmp_path: Path
) -> None:
    """The daemon uses a registry on this machine as a mirror, which has one image for two architectures."""
    catalog = find_catalog(container_runner.project)
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
    container_runner.run("wheels.yml", "zig", job)

    with start_registry(tmp_path) as registry:
        registry.push(name, images)
        docker_host = {"DOCKER_HOST": registry.daemon.address}
        with pytest.raises(AssertionError, match="images are unlocked"):
            container_runner.run("wheels.yml", "images", binds=(tmp_path,), **docker_host)
        lock_others(catalog)
        locked = container_runner.run("wheels.yml", "images", binds=(tmp_path,), **docker_host)
        registry.push(name, {MACHINE: other})
        smoke_output = container_runner.run(
            "wheels.yml", "smoke", job, extra_args="--image debian-11", binds=(tmp_path,), **docker_host
        )
        reference = {
            arch: load_catalog(catalog).smoke_images["debian-11"].pinned_reference(ARCHES[arch]) for arch in images
        }
        with find_runtime(environ=docker_host) as mirrored:
            pulled = {arch: mirrored.images.pull(reference[arch], ARCHES[arch]) for arch in (*images, *images)}
            here = {arch: mirrored.images.find(reference[arch], ARCHES[arch]) for arch in images}
    catalog.write_text(before)

    assert "debian-11: locked by docker.io\n" in locked
    assert "fedora: unlocked: docker.io: manifest unknown" in locked
    assert re.search(r"^all \d+ images are locked$", locked, re.MULTILINE)
    assert "debian-11 " in smoke_output
    assert "ok 3." in smoke_output
    assert len(set(pulled.values())) == len(images) == 2
    assert pulled == here


def provide_images(runner: Runner) -> None:
    """Make the artifact of the job `images` from the present catalog: most registries are not available here."""
    catalog = find_catalog(runner.project)
    runner.upload("images", catalog)
    runner.outputs["images"] = {"digests-images": f"{sha256(catalog.read_bytes()).hexdigest()}  images/{catalog.name}"}


def lock_others(catalog: Path) -> None:
    """Write a digest for every image without one, as if it had been locked before."""
    images = load_catalog(catalog).smoke_images.values()
    unlocked = [image.name for image in images if image.reference and not image.cpu and not image.digests]
    write_digests(catalog, [LockedImage(image=name, digests={"any": f"sha256:{'0' * 64}"}) for name in unlocked])


def test_the_container_job_builds_a_wheel(matrix: dict[str, Any], container_runner: Runner) -> None:
    """If no registry answers, a local build image with the same musl replaces PyPA's image.

    The `minimal` profile of libvips saves five minutes.
    """
    job = next(job for job in matrix["container"] if job["target"] == f"musllinux_1_2_{MACHINE}")

    test = WEBP_ONLY_TEST.format("{package}")
    container_runner.run("wheels.yml", "container", job, extra_args="--profile libvips=minimal", CIBW_TEST_COMMAND=test)

    (wheel,) = (container_runner.project / "jobs" / job["name"]).iterdir()
    assert wheel.name in matrix["released"]
    assert audit_wheel(wheel).findings == ()


def test_a_free_threaded_python_runs_the_tests(runner: Runner) -> None:
    """Only a part of the test files: all of them take ten minutes on a busy machine."""
    files = ("free_threading", "test_threads", "test_module", "test_encode", "test_arrays")

    output = runner.run("free-threaded.yml", "free-threaded", extra_args=f"-- -rs -k '{' or '.join(files)}'")

    assert " passed" in output
    skipped = [line for line in output.splitlines() if line.startswith("SKIPPED")]
    # Files are skipped whose optional packages are not installed, and those for system linkage.
    assert skipped
    assert [line for line in skipped if "is not installed" not in line and "has bundled libraries" not in line] == []
    assert "Session free-threaded was successful" in output


def test_the_free_threaded_wheel_of_a_job_passes_the_tests(matrix: dict[str, Any], runner: Runner) -> None:
    job = next(job for job in matrix["free_threaded"] if job["target"] == f"manylinux_2_17_{MACHINE}")
    runner.run("wheels.yml", "zig", job)

    output = runner.run("wheels.yml", "free-threaded", job, extra_args="-k 'free_threading or test_module'")

    assert " passed" in output
    assert "Session free-threaded was successful" in output


class Index(ThreadingHTTPServer):
    """A package index (PEP 503) that lists `files`; after each query, one of `late` is added to them."""

    def __init__(self, files: tuple[Path, ...] = (), late: tuple[Path, ...] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _IndexHandler)
        self.files, self.late = [*files], [*late]
        self.address = f"http://127.0.0.1:{self.server_port}/simple/"

    def __enter__(self) -> Index:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()


class _IndexHandler(BaseHTTPRequestHandler):
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


def test_every_file_is_missing_on_an_empty_index(dist: tuple[Path, ...], runner: Runner) -> None:
    with Index() as index:
        output = runner.run("release.yml", "compare-index", EVERYWHEEL_INDEX_URL=index.address)

    assert output.count("missing: ") == len(dist)


def test_a_different_file_of_the_same_name_on_the_index_stops_the_release(
    dist: tuple[Path, ...], runner: Runner, tmp_path: Path
) -> None:
    other = tmp_path / dist[0].name
    other.write_bytes(b"other")

    with (
        Index((other,)) as index,
        pytest.raises(AssertionError, match=f"error: the index has a different file named {other.name}"),
    ):
        runner.run("release.yml", "compare-index", EVERYWHEEL_INDEX_URL=index.address)


def test_the_verify_job_waits_until_the_index_lists_all_files(dist: tuple[Path, ...], runner: Runner) -> None:
    with Index(dist[1:], late=dist[:1]) as index:
        output = runner.run("release.yml", "verify", EVERYWHEEL_INDEX_URL=index.address)

    assert output.count("present: ") == len(dist)
    assert "missing: " not in output


def test_the_attach_job_creates_a_release_once_and_uploads_its_files(dist: tuple[Path, ...], runner: Runner) -> None:
    """The real `gh` talks to the server of fake_github.py. The second run replaces the files."""
    runner.run("release.yml", "attest")
    names = ("dist", "sums", "vex", "statements", "sources", "sdk")
    files = [path for name in names for path in (runner.artifacts / name).iterdir()]
    # Hashes, since pytest would take minutes to describe how files of megabytes differ.
    expected = {path.name: sha256(path.read_bytes()).hexdigest() for path in files}

    with start_github(f"v{VERSION}") as github:
        runner.run("release.yml", "attach", **github.environment)
        first = {name: sha256(content).hexdigest() for name, content in github.files.items()}
        runner.run("release.yml", "attach", **github.environment)

    assert [name for name in expected if re.fullmatch(rf"libvips-[\d.]+-{SDK_TARGET}\.tar\.gz", name)]
    assert first == expected
    assert {name: sha256(content).hexdigest() for name, content in github.files.items()} == expected
    assert sorted(github.removed) == sorted(expected)
    (release,) = github.releases.values()
    assert (release["tag_name"], release["draft"]) == (f"v{VERSION}", False)
    assert release["body"] == (runner.project / "extension" / "CHANGELOG.md").read_text()
    assert github.tokens == {"token secret"}


def test_the_attach_job_fails_without_a_tag(dist: tuple[Path, ...], runner: Runner) -> None:
    with start_github() as github, pytest.raises(AssertionError, match="doesn't exist in the repo"):
        runner.run("release.yml", "attach", **github.environment)

    assert github.releases == {}


def test_ci_run_has_the_commands_that_are_skipped_because_of_it() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text().splitlines()

    commands = [entry[2].removeprefix("sudo ") for entry, reason in SKIPPED.items() if reason == RUN_BY_CI]

    assert commands
    assert [command for command in commands if command not in script] == []


def test_a_dry_run_of_a_release_uploads_to_a_local_index(bare_debian: Path, tmp_path: Path) -> None:
    copy_repository(tmp_path / "clone")
    if (wheelhouse := bare_debian / "project" / "wheelhouse").is_dir():
        shutil.copytree(wheelhouse, tmp_path / "clone" / "wheelhouse")

    args = ["--dry-run", "--command", WEBP_ONLY_TEST.format("extension")]
    output = call(
        [sys.executable, "-m", "nox", "-s", "release", "--", *args],
        cwd=tmp_path / "clone",
        env={**find_index(), **os.environ},
    )

    names = [path.name for path in sorted((tmp_path / "clone" / "dist").iterdir())]
    assert [line for line in output.splitlines() if line.startswith("uploaded: ")]
    assert names
    assert all(f"present: {name}" in output for name in names)
    assert "debian-12 " in output
    assert "Session release was successful" in output


def test_every_command_was_run_or_is_listed_as_skipped(request: pytest.FixtureRequest) -> None:
    selected = {item.name for item in request.session.items if item.path == request.path}
    if not_selected := {name for name in vars(request.module) if name.startswith("test_")} - selected:
        pytest.skip(f"{len(not_selected)} tests of this file were not selected")

    done = request.getfixturevalue("runner").done
    used = {find_skipped_entry(command) for command in ALL_COMMANDS}

    assert [command for command in ALL_COMMANDS if not find_skipped_entry(command) and command not in done] == []
    assert [entry for entry in SKIPPED if entry not in used] == []
