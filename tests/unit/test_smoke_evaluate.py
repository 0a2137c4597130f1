"""Results of smoke tests, from the end of a container and the report that was written inside it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from everywheel.containers.catalog import Bootstrap, BootstrapKind, SmokeImage
from everywheel.containers.command_report import CommandReport
from everywheel.containers.runtime import ContainerEnd, ContainerResult
from everywheel.platforms.target import parse_target
from everywheel.smoke.evaluate import evaluate_result
from everywheel.smoke.inside import protocol
from everywheel.smoke.inside.protocol import SmokeReport, SmokeRequest, Stage, StageResult
from everywheel.smoke.matrix_entries import MatrixEntry
from everywheel.smoke.result import SmokeState, name_columns

IMAGE = SmokeImage(
    name="debian-12", libc="glibc", libc_version=(2, 36), arches=("x86_64",), digests={}, cpu={}, reference="x"
)
ENTRY = MatrixEntry(
    wheel=Path("x-1.0-cp311-abi3-manylinux2014_x86_64.whl"), target=parse_target("manylinux2014_x86_64"), image=IMAGE
)


def make_stages(install: int, test: int | None, output: str = "boom") -> tuple[StageResult, ...]:
    stages = [StageResult(stage=Stage.INSTALL, exit_code=install, output=output, seconds=1.0)]
    if test is not None:
        stages.append(StageResult(stage=Stage.TEST, exit_code=test, output=output, seconds=2.25))
    return tuple(stages)


REPORT = SmokeReport(
    python="3.11.2",
    libc="glibc",
    libc_version=(2, 36),
    stages=make_stages(0, 0, "collected 2 items\n2 passed in 0.1s\n"),
    loaded_libraries=("libc.so.6",),
    unexpected_libraries=(),
)
EXITED = ContainerResult(exit_code=0, output="", seconds=4.5)


def test_a_wheel_that_works_passes_with_its_python_and_its_times() -> None:
    result = evaluate_result(ENTRY, EXITED, REPORT)

    assert (result.state, result.python, result.seconds, result.test_seconds) == (
        SmokeState.PASSED,
        "3.11.2",
        4.5,
        2.25,
    )
    assert result.evidence == ("2 passed in 0.1s",)


REPORTS = {
    "failed test": (
        dataclasses.replace(REPORT, stages=make_stages(0, 1, "E  ValueError: no")),
        SmokeState.FAILED,
        "ValueError: no",
    ),
    "failed install": (
        dataclasses.replace(REPORT, stages=make_stages(1, None, "ERROR: no match")),
        SmokeState.FAILED,
        "ERROR: no match",
    ),
    "library of the system": (
        dataclasses.replace(REPORT, unexpected_libraries=("/usr/lib/libz.so.1",)),
        SmokeState.FAILED,
        "the wheel loaded /usr/lib/libz.so.1 from the system, which manylinux2014_x86_64 does not promise",
    ),
    "another libc than in the catalog": (
        dataclasses.replace(REPORT, libc_version=(2, 31)),
        SmokeState.ERROR,
        "the image has glibc 2.31, but its catalog entry has glibc 2.36",
    ),
    "no loaded libraries": (
        dataclasses.replace(REPORT, loaded_libraries=()),
        SmokeState.ERROR,
        "no loaded library was recorded: the smoke command must be a Python that imports `sitecustomize`",
    ),
    "unknown libc version": (
        dataclasses.replace(REPORT, libc="musl", libc_version=()),
        SmokeState.ERROR,
        "the image has musl of unknown version, but its catalog entry has glibc 2.36",
    ),
}


@pytest.mark.parametrize(("report", "state", "message"), REPORTS.values(), ids=REPORTS)
def test_each_failure_has_a_message(report: SmokeReport, state: SmokeState, message: str) -> None:
    result = evaluate_result(ENTRY, EXITED, report)

    assert (result.state, result.message) == (state, message)


def test_libraries_of_additional_packages_are_listed_and_allowed() -> None:
    bootstrap = Bootstrap(kind=BootstrapKind.DEBIAN, suite="bookworm", packages=("libz",))
    entry = dataclasses.replace(ENTRY, image=dataclasses.replace(IMAGE, bootstrap=bootstrap))

    result = evaluate_result(entry, EXITED, dataclasses.replace(REPORT, unexpected_libraries=("/usr/lib/libz.so.1",)))

    assert (result.state, result.system_libraries) == (SmokeState.PASSED, ("/usr/lib/libz.so.1",))


@pytest.mark.parametrize(
    ("end", "reason", "output", "message"),
    [
        (ContainerEnd.TIMED_OUT, "it did not end within 5 s", "ImportError: x", "it did not end within 5 s"),
        (ContainerEnd.OUT_OF_MEMORY, "it used more than 5 MB", "ImportError: x", "it used more than 5 MB"),
        (
            ContainerEnd.NOT_STARTED,
            'exec: "python3": executable file not found; exec: python3: no such file or directory',
            "",
            "debian-12 has no python3: the loader of the interpreter is missing",
        ),
        (ContainerEnd.EXITED, "", "ImportError: x", "ImportError: x"),
        (ContainerEnd.EXITED, "", "", "the container ended with exit code 1"),
    ],
)
def test_a_container_without_a_report_failed(end: ContainerEnd, reason: str, output: str, message: str) -> None:
    container = ContainerResult(exit_code=1, output=output, seconds=5.0, end=end, reason=reason)

    result = evaluate_result(ENTRY, container, None)

    assert (result.state, result.message) == (SmokeState.FAILED, message)


def test_results_can_be_written_as_json() -> None:
    values = json.loads(json.dumps(dataclasses.asdict(evaluate_result(ENTRY, EXITED, REPORT))))

    assert values["state"] == "passed"
    assert values["image"] == "debian-12"


def test_two_wheels_of_one_target_have_a_column_each() -> None:
    wheels = ("x-1.0-cp311-abi3-manylinux2014_x86_64.whl", "x-1.0-cp314-cp314t-manylinux2014_x86_64.whl")
    other = "x-1.0-cp311-abi3-musllinux_1_2_x86_64.whl"
    result = evaluate_result(ENTRY, EXITED, REPORT)
    results = [dataclasses.replace(result, wheel=wheel) for wheel in wheels]
    results.append(dataclasses.replace(result, wheel=other, target="musllinux_1_2_x86_64"))

    assert list(name_columns(results).values()) == [
        f"cp311-abi3 {result.target}",
        f"cp314-cp314t {result.target}",
        "musllinux_1_2_x86_64",
    ]


def make_request(folder: Path, *command: str) -> SmokeRequest:
    return SmokeRequest(
        requirement=str(folder / "demo-1.0-py3-none-any.whl"),
        index="",
        site=str(folder / "site"),
        modules=("demo._demo",),
        command=command,
        emulator=(),
        report=str(folder / "report.json"),
        allowed_folders=(f"{folder}/",),
        promised_libraries=("libc.so.6",),
    )


def test_an_order_reaches_the_container_as_its_argument(tmp_path: Path) -> None:
    request = make_request(tmp_path, "python", "-c", "print('ä \"quoted\"')")

    assert SmokeRequest.from_argument(request.to_argument()) == request


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    REPORT.write(tmp_path / "report.json")

    assert SmokeReport.read(tmp_path / "report.json") == REPORT
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert SmokeReport.read(tmp_path / "missing.json") is None


@pytest.mark.parametrize("content", ["", "[" * 100_000, "{}", '{"stages": []}', "[1]", "\xff"])
def test_a_report_that_is_not_valid_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(content.encode("latin-1"))
    (tmp_path / "link.json").symlink_to("/etc/passwd")

    assert SmokeReport.read(tmp_path / "report.json") is None
    assert SmokeReport.read(tmp_path / "link.json") is None
    (tmp_path / "deps.json").write_bytes(content.encode("latin-1"))
    assert CommandReport.read(tmp_path, "deps") is None


def test_the_protocol_is_imported_with_nothing_but_a_python(tmp_path: Path) -> None:
    """As in an image: this toolkit and its requirements are not installed there."""
    folder = Path(protocol.__file__).parent
    script = "import run; print(run.find_libc()[0], run.parse_version('glibc 2.36'))"
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}

    output = subprocess.run(
        [sys.executable, "-S", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout

    assert output in ("glibc (2, 36)\n", "musl (2, 36)\n")


def test_a_promised_library_is_known_by_the_file_that_its_link_leads_to() -> None:
    known = ["/lib/libstdc++.so.6.0.33", "/lib/libz.so.1", "/lib/librt-2.31.so", "/lib/libnss_files.so.2"]
    known.append("/usr/lib/x86_64-linux-gnu/gconv/UTF-32.so")
    promised = {"libstdc++.so.6", "libz.so.1", "librt.so.1"}
    code = f"import run, sys; print([file for file in sys.argv[1:] if run.is_promised(file, {promised})])"
    command = [sys.executable, "-c", code, *known, "/lib/libstdc++.so.60", "/lib/libfoo-2.31.so", "/lib/UTF-32.so"]
    environment = {"PYTHONPATH": str(Path(protocol.__file__).parent)}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert output == f"{known}\n"
