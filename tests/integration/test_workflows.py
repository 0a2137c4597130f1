"""The workflows' own lines, run where GitHub would: in a Debian, from what the jobs before left; and the whole rehearsal."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from roots import REPOSITORY, call, call_in_root, copy_repository

from builder.store import default_store

WORKFLOW: dict[str, Any] = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "wheels.yml").read_text())
Lines = Callable[..., str]


@pytest.fixture(scope="module")
def project(bare_debian: Path) -> Path:
    """A fresh clone, below the bare Debian; it has the same path inside and outside, as the container runtime needs it."""
    place = bare_debian / "clone"
    copy_repository(place)
    return place


@pytest.fixture(scope="module")
def lines(bare_debian: Path, project: Path) -> Lines:
    """Run every line of a job, with what its matrix, its inputs and GitHub would put in."""

    def run(job: str, matrix: Mapping[str, Any] = {}, *, more: str = "", skip: tuple[str, ...] = ()) -> str:
        told = []
        for step in WORKFLOW["jobs"][job]["steps"]:
            line = step.get("run", "")
            if not line or line.startswith(skip):
                continue
            values = {name: _fill(value, matrix) for name, value in step.get("env", {}).items()}
            told.append(
                call_in_root(
                    bare_debian,
                    f"{line} {more}" if " -s " in line else line,
                    binds={place: str(place) for place in (project, default_store(), Path("/run"))},
                    environment={
                        "EVERYWHEEL_STORE": str(default_store()),
                        "GITHUB_OUTPUT": str(project / "outputs"),
                        **values,
                    },
                    cwd=str(project),
                )
            )
        return "".join(told)

    return run


def _fill(value: str, matrix: Mapping[str, Any]) -> str:
    if value.startswith("${{ matrix."):
        return str(matrix[value.split(".")[1].removesuffix(" }}")])
    return {"${{ inputs.tag }}": "", "${{ inputs.second && '--jobs=all' || '--jobs=released' }}": "--jobs=released"}[
        value
    ]


@pytest.fixture(scope="module")
def matrix(lines: Lines, project: Path) -> dict[str, Any]:
    """The plan's job, first line to last, and what it put out."""
    lines("plan")
    return dict(json.loads((project / "outputs").read_text().removeprefix("matrix=")))


def test_the_first_job_leaves_a_bundle_and_the_matrix(matrix: dict[str, Any], project: Path) -> None:
    assert (project / "sources.tar").stat().st_size > 10_000_000
    assert len(matrix["zig"]) == len(matrix["smoke"]) + len(matrix["tried"])
    assert len(matrix["container"]) == len(matrix["smoke"]) > 0


def test_every_job_leaves_its_files_and_they_are_counted(matrix: dict[str, Any], lines: Lines, project: Path) -> None:
    for job in matrix["zig"]:
        lines("zig", job)
    lines("sdist")
    lines("dist")

    assert sorted(path.name for path in (project / "dist").iterdir()) == sorted(matrix["released"])
    call(["sha256sum", "--check", project / "SHA256SUMS"], cwd=project / "dist")


def test_a_wheel_of_a_job_is_tried_in_containers(matrix: dict[str, Any], lines: Lines) -> None:
    job = next(job for job in matrix["smoke"] if job["target"].startswith("musl") and "x86_64" in job["target"])
    lines("zig", job)

    # .ci/containers has made this machine what it makes of a runner; one system of those that the job tries will do.
    output = lines("smoke", job, more="--image musl", skip=("sudo ",))

    assert "ok 3." in output


def test_a_dry_run_does_everything_but_the_upload(bare_debian: Path, tmp_path: Path) -> None:
    copy_repository(tmp_path / "clone")
    if (done := bare_debian / "project" / "wheelhouse").is_dir():
        shutil.copytree(done, tmp_path / "clone" / "wheelhouse")
    call([sys.executable, "-m", "venv", tmp_path / "nox"])
    call([tmp_path / "nox" / "bin" / "python", "-m", "pip", "install", "-q", "nox"])

    output = call([tmp_path / "nox" / "bin" / "nox", "-s", "release", "--", "--dry-run"], cwd=tmp_path / "clone")

    names = [path.name for path in sorted((tmp_path / "clone" / "dist").iterdir())]
    assert [line for line in output.splitlines() if line.startswith("uploaded: ")]
    assert all(f"there: {name}" in output for name in names)
    assert "debian-12 " in output
    assert "Session release was successful" in output
