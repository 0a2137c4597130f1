"""The container engine: build images, the container that cibuildwheel starts, and the reports of commands in it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from everywheel.config.pins import parse_pins
from everywheel.config.project import load_project
from everywheel.containers.build_wheels import plan_container
from everywheel.containers.catalog import find_catalog, load_catalog
from everywheel.containers.cibuildwheel import (
    ContainerBuild,
    MountedFolders,
    build_identifier,
    copy_project,
    create_arguments,
    find_stage,
    image_identity,
    write_programs,
)
from everywheel.containers.command_report import (
    CommandReport,
    CommandState,
    record_command,
    record_error,
    record_progress,
)
from everywheel.containers.image_choice import choose_image
from everywheel.containers.payload import SITE_PINS, Payload
from everywheel.containers.user_settings import find_user_settings, has_test_command
from everywheel.errors import BuildError, MachineError, UsageError
from everywheel.execution.jobserver import JobPool
from everywheel.execution.scheduler import LocalExecutor, Result, Task, execute
from everywheel.pipeline import SilentListener
from everywheel.planning.keys import find_identities
from everywheel.planning.plan import make_plan
from everywheel.platforms.architectures import ARCHES
from everywheel.platforms.target import base_target, parse_target
from everywheel.store.local import Store
from everywheel.toolchains.compilers import EngineName

ROOT = Path(__file__).parents[2]
CATALOG = load_catalog(find_catalog(ROOT))
GLIBC = parse_target("manylinux_2_36_x86_64")


class FakeImages:
    """The images of a runtime whose registry does not answer."""

    def __init__(self, *references: str) -> None:
        self.references = references

    def find(self, reference: str, arch: object) -> str:
        return next((prefix for prefix in self.references if reference.startswith(prefix)), "")

    def pull(self, reference: str, arch: object) -> None:
        raise MachineError("cannot be pulled", details={"reason": "no such host"})


class FakeRuntime:
    """A runtime with some images."""

    name, run_id = "Docker", "abc"

    def __init__(self, *references: str) -> None:
        self.images = FakeImages(*references)


def choose(tag: str, *references: str) -> str:
    images: Any = FakeImages(*references)
    return choose_image(parse_target(tag), CATALOG, images).image.name


def test_an_image_of_pypa_is_preferred_to_a_local_one() -> None:
    assert choose("manylinux_2_36_x86_64", "quay.io/pypa/manylinux2014_x86_64") == "manylinux2014"
    assert choose("manylinux_2_36_x86_64") == "debian-12"
    assert choose("musllinux_1_2_aarch64") == "musl"


def test_a_plan_pulls_nothing() -> None:
    images: Any = FakeImages()
    images.pull = None

    assert choose_image(parse_target("manylinux_2_36_x86_64"), CATALOG, images, pull=False).image.name == "debian-12"


def test_a_target_without_an_image_is_an_error_that_names_the_nearest_one() -> None:
    with pytest.raises(MachineError) as raised:
        choose("manylinux2014_aarch64")
    assert raised.value.render() == (
        "error: no build image for manylinux_2_17_aarch64 is available\n"
        "  manylinux2014: no such host\n"
        "  hint: image debian-12 can be built on this machine, for `--target manylinux_2_36_aarch64`"
    )


def test_a_container_plans_the_same_keys_as_the_process_that_starts_it() -> None:
    """In the container, an option identifies the image, and programs are built for the container."""
    project, images = load_project(ROOT), FakeImages()
    selected = choose_image(GLIBC, CATALOG, images)  # type: ignore[arg-type]

    outside = plan_container(project, selected)
    inside = make_plan(
        replace(project, pythons=project.pythons[:1]),
        [GLIBC],
        find_identities(EngineName.NATIVE, image_identity(selected.reference)),
        machine=base_target("glibc", ARCHES["x86_64"]),
    )

    libraries = {id: step.key for id, step in outside.libraries.items()}
    assert libraries == {id: step.key for id, step in inside.libraries.items()}


def test_a_payload_has_the_dependencies_of_the_package() -> None:
    names = {pin.name for pin in parse_pins(SITE_PINS.read_text())}

    assert {"auditwheel", "click", "pyelftools", "rich"} <= names
    assert "cibuildwheel" not in names


@pytest.fixture
def build(tmp_path: Path) -> ContainerBuild:
    runtime: Any = FakeRuntime()
    selected = choose_image(GLIBC, CATALOG, runtime.images)
    return ContainerBuild(
        project=load_project(ROOT, ["libvips=minimal"]),
        target=GLIBC,
        image=selected.image,
        reference=selected.reference,
        payload=Payload(folder=tmp_path / "payload"),
        store=Store(tmp_path / "store"),
        runtime=runtime,
        jobs=2,
        log=tmp_path / "log",
    )


def test_a_container_has_no_network_and_two_writable_directories(build: ContainerBuild, tmp_path: Path) -> None:
    arguments = create_arguments(build, MountedFolders(programs=tmp_path / "bin", reports=tmp_path / "reports"))

    assert "--network=none" in arguments
    assert "--label=org.everywheel.run=abc" in arguments
    writable = [option for option in arguments if option.startswith("--volume=") and not option.endswith(":ro")]
    assert {option.rpartition(":")[2] for option in writable} == {
        "/opt/everywheel/store",
        "/opt/everywheel/reports",
    }
    assert shlex.split(shlex.join(arguments)) == arguments


def test_only_pip_and_the_platform_tag_are_set_for_the_whole_container(build: ContainerBuild, tmp_path: Path) -> None:
    arguments = create_arguments(build, MountedFolders(programs=tmp_path / "bin", reports=tmp_path / "reports"))

    variables = [option.split("=")[1] for option in arguments if option.startswith("--env=")]
    assert variables == ["AUDITWHEEL_PLAT", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_BUILD_CONSTRAINT", "PIP_CONSTRAINT"]


@pytest.mark.parametrize(
    ("args", "command_args"),
    [
        (
            ["--project", "/project", "deps", "--engine", "native"],
            [
                "--project",
                "/project",
                "deps",
                "--engine",
                "native",
                "--no-remote",
                "--jobs",
                "2",
                "--image-identity",
                "IDENTITY",
            ],
        ),
        (
            ["--project", "/project", "repair", "x.whl"],
            ["--project", "/project", "repair", "x.whl", "--no-audit"],
        ),
    ],
)
def test_the_script_in_the_container_adds_the_options_of_the_build(
    build: ContainerBuild, tmp_path: Path, args: list[str], command_args: list[str]
) -> None:
    write_programs(build, tmp_path / "bin")
    script = (tmp_path / "bin" / "everywheel").read_text()
    interpreter = tmp_path / "python"
    interpreter.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    interpreter.chmod(0o755)
    fake = tmp_path / "everywheel"
    fake.write_text(script.replace("/opt/python/cp311-cp311/bin/python", str(interpreter)))

    output = subprocess.run(["sh", fake, *args], capture_output=True, text=True, check=True).stdout

    identity = image_identity(build.reference)
    expected = ["-m", "everywheel", "--report-dir", "/opt/everywheel/reports", *command_args]
    assert output.splitlines() == [argument.replace("IDENTITY", identity) for argument in expected]


def test_cibuildwheel_builds_one_identifier(build: ContainerBuild) -> None:
    assert build_identifier(build) == "cp311-manylinux_x86_64"


def test_the_copied_project_has_the_chosen_features_and_only_the_files_of_the_build(
    build: ContainerBuild, tmp_path: Path
) -> None:
    package = copy_project(build.project, tmp_path / "copy")

    assert package == tmp_path / "copy" / "extension"
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"extension", "recipes", "pyproject.toml"}
    table = tomllib.loads((tmp_path / "copy" / "pyproject.toml").read_text())["tool"]["everywheel"]
    assert table["features"]["libvips"] == list(build.project.features["libvips"])
    again = load_project(tmp_path / "copy")
    assert (again.features, again.digest) == (build.project.features, build.project.digest)


# Reports of commands in a container -----------------------------------------------------------------------------------


class Listener(SilentListener):
    """A listener that records which tasks ended."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def end(self, result: Result) -> None:
        self.ended.append(result.id)


def test_a_command_without_a_request_for_a_report_keeps_its_listener() -> None:
    listener = Listener()

    record_error(UsageError("ignored"))
    assert record_progress(listener) is listener


def test_the_stage_of_a_build_is_read_from_the_reports(tmp_path: Path) -> None:
    stages = [find_stage(tmp_path)]
    with record_command(tmp_path, "deps"):
        stages.append(find_stage(tmp_path))
        listener = record_progress(Listener())
        task = Task(id="x", label="libx 1.0 for here", requires=(), priority=0.0, work=lambda set_stage: None)
        listener.begin(task)
        stages.append(find_stage(tmp_path))
        listener.stage(task, "compile")
        stages.append(find_stage(tmp_path))
    stages.append(find_stage(tmp_path))
    with record_command(tmp_path, "repair"):
        stages.append(find_stage(tmp_path))
    stages.append(find_stage(tmp_path))

    assert stages == [
        "start the container",
        "plan the libraries",
        "libx 1.0 for here",
        "libx 1.0 for here: compile",
        "build the extension",
        "repair the wheel",
        "test the wheel",
    ]


def test_the_first_failed_step_is_the_error_of_a_command(tmp_path: Path) -> None:
    def fail(fact: str) -> Any:
        def work(set_stage: object) -> None:
            raise BuildError(
                fact, details={"command": "cc"}, excerpt=["a.c:1: error"], log=Path("/opt/store/logs/x.log"), hint="fix"
            )

        return work

    listener = Listener()
    (tmp_path / "reports").mkdir()
    with record_command(tmp_path / "reports", "deps"), JobPool(tmp_path / "jobs", 1) as pool:
        tasks = [
            Task(id=name, label=name, requires=(), priority=priority, work=fail(f"{name}: compile failed"))
            for name, priority in (("first", 1.0), ("second", 0.0))
        ]
        execute(tasks, LocalExecutor(pool), record_progress(listener))

    report = CommandReport.read(tmp_path / "reports", "deps")
    assert report is not None
    assert (report.state, report.exit_code, listener.ended) == (CommandState.FAILED, 1, ["first", "second"])
    assert report.make_error("/opt/store", Path("/home/me/store")).render() == (
        "error: first: compile failed\n  command: cc\n  | a.c:1: error\n  log: /home/me/store/logs/x.log\n  hint: fix"
    )


def test_an_error_before_any_step_is_reported_with_its_exit_code(tmp_path: Path) -> None:
    with record_command(tmp_path, "repair"):
        record_error(UsageError("x.whl: no such file"))

    report = CommandReport.read(tmp_path, "repair")
    assert report == CommandReport(state=CommandState.FAILED, exit_code=2, fact="x.whl: no such file")


def test_the_program_writes_the_report_of_its_command(tmp_path: Path) -> None:
    args = ["--report-dir", tmp_path, "--project", tmp_path / "missing", "deps", "--engine", "native"]

    process = subprocess.run(
        [sys.executable, "-m", "everywheel", *args], env=dict(os.environ), capture_output=True, text=True, check=False
    )

    report = CommandReport.read(tmp_path, "deps")
    assert report is not None
    assert (report.state, report.exit_code) == (CommandState.FAILED, process.returncode)
    assert process.stderr.startswith(f"error: {report.fact}\n")


def test_variables_that_cibuildwheel_reads_or_passes_on_are_in_the_keys_of_its_wheels(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.cibuildwheel]\nenvironment-pass = ['A']\nlinux = { environment-pass = 'B C' }\n"
        "[[tool.cibuildwheel.overrides]]\nselect = '*'\nenvironment-pass = ['D']\n"
    )
    project = replace(load_project(ROOT), extension=tmp_path)
    passed = dict.fromkeys("ABCDE", "1") | {"CIBW_ENVIRONMENT_PASS_LINUX": "E"}
    environ = {**passed, "F": "1", "CIBW_BEFORE_BUILD": "make", "PATH": "/bin"}

    assert find_user_settings(project, environ) == {**passed, "CIBW_BEFORE_BUILD": "make"}


@pytest.mark.parametrize(
    ("settings", "environ", "expected"),
    [
        ("", {}, False),
        ("test-command = 'pytest'\n", {}, True),
        ("test-command = ['pytest']\nlinux = { test-command = '' }\n", {}, False),
        ("linux = { test-command = ['pytest'] }\n", {}, True),
        ("", {"CIBW_TEST_COMMAND": "pytest"}, True),
        ("test-command = 'pytest'\n", {"CIBW_TEST_COMMAND_LINUX": "", "CIBW_TEST_COMMAND": "pytest"}, False),
    ],
)
def test_wheels_without_a_test_command_are_recognized(
    tmp_path: Path, settings: str, environ: dict[str, str], expected: bool
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.cibuildwheel]\n{settings}")
    project = replace(load_project(ROOT), extension=tmp_path)

    assert has_test_command(project, environ) is expected
