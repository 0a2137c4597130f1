"""The workflows: what their schema cannot say of them."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from everywheel.config.project import load_project
from everywheel.release.matrix import group_jobs

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS: dict[str, dict[Any, Any]] = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
JOBS = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"].items()]
PROJECT = load_project(ROOT)
SESSIONS = set(re.findall(r'@nox\.session(?:\(name="([\w-]+)"\))?\ndef (\w+)', (ROOT / "noxfile.py").read_text()))
# Beside nox: what makes nox, and what GitHub alone has.
OTHERS = (
    "apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates git python3 python3-venv",
    "python3 -m venv .venv && .venv/bin/pip install nox",
    "python -m pip install nox",
    "sudo .ci/containers",
)


def steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for file, (name, job) in JOBS:
        for step in job.get("steps", ()):
            yield f"{file}: {name}", step


RUNS = [(place, step["run"]) for place, step in steps() if "run" in step]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nothing_is_permitted_unless_a_job_asks_for_it(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    assert all("permissions" in job for job in WORKFLOWS[name]["jobs"].values())


def test_every_action_is_pinned_by_commit_and_says_its_version() -> None:
    used = [line for path in FILES for line in path.read_text().splitlines() if re.match(r"\s*(- )?uses: ", line)]

    others = [line for line in used if not re.search(r"uses: ([\w./-]+@[0-9a-f]{40} # v\d|\$/\.github/)", line)]

    assert others == []
    assert len(used) > 10


def test_every_job_ends_some_time() -> None:
    endless = [f"{file}: {name}" for file, (name, job) in JOBS if "uses" not in job and "timeout-minutes" not in job]

    assert endless == []


@pytest.mark.parametrize(("place", "line"), RUNS)
def test_every_line_calls_one_session_that_there_is(place: str, line: str) -> None:
    sessions = {name or function for name, function in SESSIONS}
    called = re.fullmatch(r"(?:sudo )?(?:\.venv/bin/nox|python -m nox) -s ([\w-]+)(?: -- .*)?", line)

    assert (called and called[1] in sessions) or line.split("==")[0] in OTHERS or line.startswith("gh release ")


def test_no_workflow_names_a_target_or_an_architecture() -> None:
    targets = [target.tag for target in PROJECT.every_target]
    text = "".join(path.read_text() for path in FILES)

    assert [word for word in (*targets, "aarch64", "manylinux", "musllinux") if word in text] == []


def test_every_group_of_jobs_is_asked_for_and_exists() -> None:
    text = (ROOT / ".github" / "workflows" / "wheels.yml").read_text()

    asked = set(re.findall(r"fromJSON\(needs\.plan\.outputs\.matrix\)\.(\w+)", text))

    assert asked == set(group_jobs(()))


def test_what_counts_the_wheels_waits_for_every_job_that_makes_or_tries_one() -> None:
    jobs = WORKFLOWS["wheels.yml"]["jobs"]

    assert set(jobs["collect"]["needs"]) == set(jobs) - {"collect"}
    assert "images" in jobs["smoke"]["needs"]


def test_a_job_that_ran_out_of_time_stops_a_release() -> None:
    # Such a job is 'cancelled', which failure() does not see; what needs it is 'skipped'.
    conditions = {name: job["if"] for name, job in WORKFLOWS["wheels.yml"]["jobs"].items() if "if" in job}

    assert "!contains(needs.*.result, 'cancelled')" in conditions["collect"]
    assert "needs.wheels.result == 'success'" in WORKFLOWS["release.yml"]["jobs"]["compare-index"]["if"]


def test_a_group_of_jobs_that_may_be_empty_is_asked_for_its_first() -> None:
    # GitHub refuses a matrix without a job; zig has one for every target.
    jobs = WORKFLOWS["wheels.yml"]["jobs"]
    groups = {name: job for name, job in jobs.items() if "strategy" in job and name != "zig"}

    assert [name for name, job in groups.items() if "[0]" not in job["if"]] == []
    assert len(groups) == 5


def test_every_workflow_runs_the_same_nox_and_uv() -> None:
    versions = {match[1] for _, line in RUNS if (match := re.search(r"pip install nox(.*)", line))}

    assert len(versions) == 1
    assert re.fullmatch(r"==[\d.]+ uv==[\d.]+", versions.pop())


def test_a_release_is_not_cancelled_by_that_of_another_tag() -> None:
    # GitHub keeps one run of a group waiting and cancels it when a third comes.
    assert WORKFLOWS["release.yml"]["concurrency"] == {
        "group": "release-${{ github.ref }}",
        "cancel-in-progress": False,
    }


def test_a_job_that_is_run_again_leaves_its_files_in_the_place_of_the_first() -> None:
    uploads = [step["with"] for _, step in steps() if "actions/upload-artifact@" in step.get("uses", "")]

    assert len(uploads) > 5
    assert [upload["name"] for upload in uploads if upload.get("overwrite") is not True] == []


def test_nothing_but_the_publishing_job_can_publish() -> None:
    able = {f"{file}: {name}" for file, (name, job) in JOBS if "id-token" in job["permissions"]}

    assert able == {"release.yml: publish"}


def test_what_is_no_release_is_not_compared_with_the_index() -> None:
    # Started by hand after a release, its files have other bytes than those that were released under their names.
    jobs = WORKFLOWS["release.yml"]["jobs"]

    asked = [name for name, job in jobs.items() if "github.ref_type == 'tag'" not in job.get("if", "")]

    assert asked == ["wheels", "verify", "attach"]
    assert (jobs["verify"]["needs"], jobs["attach"]["needs"]) == ("publish", "verify")


def test_nothing_is_tried_on_an_image_without_a_digest() -> None:
    lines = [step["run"] for step in WORKFLOWS["wheels.yml"]["jobs"]["images"]["steps"] if "run" in step]

    assert lines[-2:] == [".venv/bin/nox -s images -- lock", ".venv/bin/nox -s images -- lock --check"]


def test_what_containers_build_has_the_tests_that_smoke_has() -> None:
    table = tomllib.loads((ROOT / "extension" / "pyproject.toml").read_text())["tool"]["cibuildwheel"]

    command = [word.replace("extension/", "{package}/") for word in PROJECT.smoke.command]

    assert (table["test-command"].split(), tuple(table["test-requires"])) == (command, PROJECT.smoke.requires)


def test_a_release_takes_nothing_from_a_cache() -> None:
    assert WORKFLOWS["release.yml"]["jobs"]["wheels"]["with"]["cache"] is False


def test_a_machine_enables_the_handlers_that_it_has_and_lacks(tmp_path: Path) -> None:
    """The last loop of `.ci/containers` on an arm64 machine, whose package has no handler for arm64 itself."""
    script = (ROOT / ".ci" / "containers").read_text()
    loop = script[script.index("for arch in aarch64") :]
    for path in (
        "usr/share/binfmts/qemu-arm",
        "usr/lib/binfmt.d/qemu-s390x.conf",
        "usr/share/binfmts/qemu-riscv64",
        "proc/sys/fs/binfmt_misc/qemu-riscv64",
        "bin/update-binfmts",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f'#!/bin/sh\necho "$2" >> {tmp_path}/enabled\n')
    (tmp_path / "bin" / "update-binfmts").chmod(0o755)
    for folder in ("/usr/", "/proc/"):
        loop = loop.replace(f'"{folder}', f'"{tmp_path}{folder}')

    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", loop], check=True, env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    )

    assert (tmp_path / "enabled").read_text().split() == ["qemu-arm", "qemu-s390x"]
