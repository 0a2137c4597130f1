"""The hashes that jobs of a workflow pass on: `.ci/digests.py`, and the check of the job that publishes."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MAIN = runpy.run_path(str(ROOT / ".ci" / "digests.py"))["main"]
JOBS = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]


def run(*args: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-S", "-E", str(ROOT / ".ci" / "digests.py"), *args]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)


def read_outputs(file: Path) -> dict[str, str]:
    """Return the outputs of a step, each of which has several lines."""
    parts = file.read_text().split("END-OF-DIGESTS\n")
    return {parts[i].removesuffix("<<"): parts[i + 1].removesuffix("\n") for i in range(0, len(parts) - 1, 2)}


@pytest.fixture
def needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The context `needs` of a job after two others made the artifacts in `jobs`."""
    for name in ("zig-a/a.whl", "zig-b/b.whl", "dist/a.whl"):
        (tmp_path / "jobs" / name).parent.mkdir(parents=True)
        (tmp_path / "jobs" / name).write_text(name)
    outputs = tmp_path / "outputs"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    for args in (["--name", "0", "zig-a=jobs/zig-a"], ["--name", "1", "zig-b=jobs/zig-b"], ["dist=jobs/dist"]):
        MAIN(["write", *args])
    return json.dumps({"zig": {"result": "success", "outputs": {**read_outputs(outputs), "matrix": "{}"}}})


def test_unchanged_artifacts_pass(needs: str, tmp_path: Path) -> None:
    result = run("check", "jobs", cwd=tmp_path, NEEDS=needs)

    assert (result.returncode, result.stdout) == (0, "3 files in dist, zig-a, zig-b: as their jobs made them\n")
    assert run("check", "jobs", "zig-a", cwd=tmp_path, NEEDS=needs).returncode == 0


def swap(folder: Path) -> None:
    (folder / "zig-a" / "a.whl").write_bytes((folder / "zig-b" / "b.whl").read_bytes())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (swap, "zig-a/a.whl: sha256 "),
        (lambda folder: (folder / "zig-a" / "a.whl").unlink(), "zig-a/a.whl: missing"),
        (lambda folder: (folder / "zig-a" / "c.whl").write_text(""), "zig-a/c.whl: no job has passed a hash for it"),
        (lambda folder: (folder / "zig-a").rename(folder / "new"), "new/a.whl: no job has passed a hash for it"),
    ],
    ids=["exchanged", "missing", "added", "renamed"],
)
def test_a_changed_artifact_stops_the_job(
    change: Callable[[Path], object], problem: str, needs: str, tmp_path: Path
) -> None:
    change(tmp_path / "jobs")

    result = run("check", "jobs", cwd=tmp_path, NEEDS=needs)

    lines = result.stderr.splitlines()
    assert (result.returncode, lines[0]) == (1, "error: artifacts differ from those that earlier jobs made")
    assert lines[1].startswith(f"  | {problem}")
    assert lines[-1] == "  hint: find out what changed the artifact between the jobs; do not use its files"


def test_an_artifact_without_passed_hashes_stops_the_job(needs: str, tmp_path: Path) -> None:
    nothing = json.dumps({"plan": {"result": "success", "outputs": {}}})

    assert run("check", "jobs", cwd=tmp_path, NEEDS=nothing).returncode == 1
    assert run("check", "jobs", "sdist", cwd=tmp_path, NEEDS=needs).returncode == 1


@pytest.mark.parametrize(("file", "code"), [("", 0), ("a.whl", 1), ("new.whl", 1)])
def test_the_publishing_job_stops_at_other_files(file: str, code: int, needs: str, tmp_path: Path) -> None:
    (step,) = [step for step in JOBS["publish"]["steps"] if "run" in step]
    if file:
        (tmp_path / "jobs" / "dist" / file).write_text("changed")
    digests = json.loads(needs)["zig"]["outputs"]["digests-dist"]

    result = subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=tmp_path / "jobs",
        env={"PATH": "/usr/bin:/bin", "DIGESTS": digests},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == code
    assert ("a.whl: FAILED" in result.stdout, "error: dist has other files" in result.stdout) == (
        file == "a.whl",
        file == "new.whl",
    )
    assert JOBS["publish"]["steps"].index(step) < len(JOBS["publish"]["steps"]) - 1
