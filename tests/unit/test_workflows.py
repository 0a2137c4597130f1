"""The workflows: rules that their schema does not cover."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from everywheel.config.project import load_project
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.release.matrix import group_jobs, plan_jobs

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS: dict[str, dict[Any, Any]] = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
JOBS = [(name, job) for name, workflow in WORKFLOWS.items() for job in workflow["jobs"].items()]
PROJECT = load_project(ROOT)
IDENTITIES = Identities(artifacts="a", toolchain="t", packaging="p")
SESSION_FILES = "".join((ROOT / name).read_text() for name in ("noxfile.py", ".ci/extension_sessions.py"))
SESSIONS = set(re.findall(r'@nox\.session(?:\(name="([\w-]+)"\))?\ndef (\w+)', SESSION_FILES))
# Commands other than nox: those that install it, those that pass hashes on, and steps for GitHub's machines only.
PINNED = "pip install --require-hashes --no-deps -r .github/requirements/nox.txt"
OTHER_COMMANDS = (
    "apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates git python3 python3-venv",
    "apt-get update -q && apt-get install -y -q --no-install-recommends ca-certificates git perl python3 python3-venv",
    'for each in $FOREIGN; do dpkg --add-architecture "$each"; done && apt-get update -q && '
    "apt-get install -y -q --no-install-recommends ca-certificates git perl python3 python3-venv $PACKAGES",
    f"python3 -m venv .venv && .venv/bin/{PINNED}",
    f"python -m {PINNED}",
    "sudo .ci/containers",
    "cp jobs/images/images.toml docker/images.toml",
)
OTHER_BEGINNINGS = (
    "gh release ",
    "printf '%s\\n' \"$DIGESTS\" ",
    "python3 .ci/digests.py ",
    "python .ci/digests.py ",
    "python3 .ci/pull_request.py ",
    "python3 .ci/remote_store.py",
)


def list_steps() -> Iterator[tuple[str, dict[str, Any]]]:
    for file, (name, job) in JOBS:
        for step in job.get("steps", ()):
            yield f"{file}: {name}", step


RUNS = [(name, step["run"]) for name, step in list_steps() if "run" in step]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_permissions_are_granted_to_single_jobs_only(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    assert all("permissions" in job for job in WORKFLOWS[name]["jobs"].values())


def test_every_action_is_pinned_by_commit_with_its_version_as_a_comment() -> None:
    used = [line for path in FILES for line in path.read_text().splitlines() if re.match(r"\s*(- )?uses: ", line)]

    others = [line for line in used if not re.search(r"uses: ([\w./-]+@[0-9a-f]{40} # v\d|\$/\.github/)", line)]

    assert others == []
    assert len(used) > 10


def test_every_job_has_a_time_limit() -> None:
    unlimited = [f"{file}: {name}" for file, (name, job) in JOBS if "uses" not in job and "timeout-minutes" not in job]

    assert unlimited == []


@pytest.mark.parametrize(("step", "line"), RUNS)
def test_every_step_runs_one_existing_session(step: str, line: str) -> None:
    sessions = {name or function for name, function in SESSIONS}
    called = re.fullmatch(r"(?:sudo )?(?:\.venv/bin/nox|python -m nox) -s ([\w-]+)(?: -- .*)?", line)

    assert (called and called[1] in sessions) or line in OTHER_COMMANDS or line.startswith(OTHER_BEGINNINGS)


def test_no_workflow_names_a_target_or_an_architecture() -> None:
    targets = [target.tag for target in PROJECT.every_target]
    text = "".join(path.read_text() for path in FILES)

    assert [name for name in (*targets, "aarch64", "manylinux", "musllinux") if name in text] == []


def test_every_group_of_jobs_is_used_and_exists() -> None:
    text = (ROOT / ".github" / "workflows" / "wheels.yml").read_text()

    used = set(re.findall(r"fromJSON\(needs\.plan\.outputs\.matrix\)\.(\w+)", text))

    assert used == set(group_jobs(()))


def test_the_collecting_job_needs_every_job_that_builds_or_tests_a_wheel() -> None:
    jobs = WORKFLOWS["wheels.yml"]["jobs"]

    assert set(jobs["collect"]["needs"]) == set(jobs) - {"collect"}
    assert "images" in jobs["smoke"]["needs"]


def test_a_job_that_timed_out_stops_a_release() -> None:
    # The result of such a job is not 'failure', and the jobs that need it are 'skipped'.
    conditions = {name: job["if"] for name, job in WORKFLOWS["wheels.yml"]["jobs"].items() if "if" in job}

    assert "!contains(needs.*.result, 'cancelled')" in conditions["collect"]
    assert "needs.wheels.result == 'success'" in WORKFLOWS["release.yml"]["jobs"]["compare-index"]["if"]


def test_a_job_runs_only_if_its_group_in_the_matrix_is_not_empty() -> None:
    # GitHub rejects an empty matrix; the one of zig has a job for every target.
    jobs = WORKFLOWS["wheels.yml"]["jobs"]
    groups = {name: job for name, job in jobs.items() if "strategy" in job and name != "zig"}

    assert [name for name, job in groups.items() if "[0]" not in job["if"]] == []
    assert len(groups) == 5


def test_every_installation_checks_hashes() -> None:
    installs = [line for _, line in RUNS if "pip install" in line]

    assert len(installs) > 10
    assert [line for line in installs if not line.endswith(PINNED)] == []


def list_artifacts(job: dict[str, Any], action: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the inputs of each step of a job that uploads or downloads an artifact."""
    for number, step in enumerate(job.get("steps", ())):
        if f"actions/{action}-artifact@" in step.get("uses", ""):
            yield number, step["with"]


def test_every_job_passes_the_hashes_of_its_artifacts() -> None:
    """An uploaded page of smoke-test results is read by people only."""
    for file, (name, job) in JOBS:
        uploads = [upload for _, upload in list_artifacts(job, "upload") if not upload["path"].endswith(".html")]
        written = [step["run"] for step in job.get("steps", ()) if "digests.py write" in step.get("run", "")]
        artifacts = re.findall(r"(\S+?)=", " ".join(written).replace('"', ""))
        expected = [upload["name"].replace("${{ matrix.name }}", "$JOB") for upload in uploads]
        assert [artifact for artifact in artifacts if artifact in expected] == expected, f"{file}: {name}"
        outputs = ["0" if artifact.endswith("$JOB") else artifact for artifact in artifacts]
        assert [output for output in outputs if f"digests-{output}" not in job["outputs"]] == []


def test_every_job_checks_the_artifacts_that_it_downloads_before_anything_else_runs() -> None:
    checked = 0
    for file, (name, job) in JOBS:
        downloads = [number for number, _ in list_artifacts(job, "download")]
        if not downloads:
            continue
        later = [step for step in job["steps"][max(downloads) + 1 :] if "run" in step]
        assert later[0]["run"].startswith(OTHER_BEGINNINGS[1:4]), f"{file}: {name}"
        assert all("run" not in step for step in job["steps"][: max(downloads)])
        checked += 1
    assert checked == 17


def test_downloaded_artifacts_have_folders_of_their_own() -> None:
    """Extracted into the checkout, an artifact could replace its files."""
    paths = [step["with"]["path"] for _, step in list_steps() if "download-artifact" in step.get("uses", "")]

    assert {path.partition("/")[0] for path in paths} == {"jobs", "dist", "statements", "attached"}


def test_every_job_of_a_matrix_has_an_output_for_its_hashes() -> None:
    groups = group_jobs(plan_jobs(PROJECT, PROJECT.released, make_plan(PROJECT, PROJECT.released, IDENTITIES)))
    jobs = WORKFLOWS["wheels.yml"]["jobs"]

    for name in ("zig", "smoke", "container", "native"):
        assert list(jobs[name]["outputs"]) == [f"digests-{number}" for number in range(len(jobs[name]["outputs"]))]
        assert len(jobs[name]["outputs"]) >= len(groups[name]) > 0


def test_releases_of_several_tags_do_not_stop_each_other() -> None:
    # GitHub cancels the waiting run of a concurrency group when a third one starts.
    assert WORKFLOWS["release.yml"]["concurrency"] == {
        "group": "release-${{ github.ref }}",
        "cancel-in-progress": False,
    }


def test_a_repeated_job_replaces_the_files_of_the_first_run() -> None:
    uploads = [step["with"] for _, step in list_steps() if "actions/upload-artifact@" in step.get("uses", "")]

    assert len(uploads) > 5
    assert [upload["name"] for upload in uploads if upload.get("overwrite") is not True] == []


def test_only_the_publishing_and_the_signing_job_have_an_identity_and_no_checkout() -> None:
    jobs = {f"{file}: {name}": job for file, (name, job) in JOBS if "id-token" in job["permissions"]}

    assert jobs.keys() == {"release.yml: publish", "release.yml: attest"}
    assert jobs["release.yml: publish"]["environment"] == "pypi"
    assert "actions/checkout" not in str(jobs)


def test_only_releases_are_compared_with_the_index() -> None:
    # The files of a run that was started manually after a release differ from the released files of the same names.
    jobs = WORKFLOWS["release.yml"]["jobs"]

    always = [name for name, job in jobs.items() if "github.ref_type == 'tag'" not in job.get("if", "")]

    assert always == ["wheels", "verify", "attest", "attach"]
    assert (jobs["verify"]["needs"], jobs["attach"]["needs"]) == (["wheels", "publish"], ["wheels", "verify", "attest"])


def test_no_wheel_is_tested_on_an_image_without_a_digest() -> None:
    lines = [step["run"] for step in WORKFLOWS["wheels.yml"]["jobs"]["images"]["steps"] if "run" in step]

    assert lines[1:3] == [".venv/bin/nox -s images -- lock", ".venv/bin/nox -s images -- lock --check"]


def test_the_container_engine_runs_the_smoke_command_as_its_test() -> None:
    table = tomllib.loads((ROOT / "extension" / "pyproject.toml").read_text())["tool"]["cibuildwheel"]

    command = [arg.replace("extension/", "{package}/") for arg in PROJECT.smoke.command]

    assert (table["test-command"].split(), tuple(table["test-requires"])) == (command, PROJECT.smoke.requires)


def test_the_test_files_that_sessions_name_exist() -> None:
    named = re.findall(r"\btest_\w+\.py\b", SESSION_FILES)

    assert named
    assert [name for name in named if not (ROOT / "extension" / "tests" / name).is_file()] == []


def test_a_release_uses_no_cache() -> None:
    assert WORKFLOWS["release.yml"]["jobs"]["wheels"]["with"]["cache"] is False


def test_jobs_of_zig_share_the_remote_store_and_pull_requests_only_read_it() -> None:
    jobs = WORKFLOWS["wheels.yml"]["jobs"]
    sharing = {name for name, job in jobs.items() if any("remote_store" in str(step) for step in job.get("steps", ()))}
    assert sharing == {"zig", "sdist", "sdk"}
    assert "secrets" not in WORKFLOWS["checks.yml"]["jobs"]["wheels"]
    assert "EVERYWHEEL_RELEASE_REMOTE != 'none'" in WORKFLOWS["release.yml"]["jobs"]["wheels"]["with"]["remote"]
    for name in sharing:
        (build,) = [step for step in jobs[name]["steps"] if "$OPTIONS" in str(step.get("run"))]
        assert build["env"]["OPTIONS"] == "${{ !inputs.remote && '--no-remote' || '' }}"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ""),
        ({"REMOTE": "", "SIGN_KEY": "key"}, ""),
        (
            {"REMOTE": "s3://a\nhttps://b", "PUBLIC_KEYS": "public", "SIGN_KEY": "private\n", "AWS_REGION": "x"},
            "EVERYWHEEL_REMOTE=s3://a https://b\nEVERYWHEEL_REMOTE_KEYS={dir}/public_keys\n"
            "EVERYWHEEL_REMOTE_SIGN_KEY={dir}/sign_key\nAWS_REGION=x\n",
        ),
    ],
    ids=["no variables", "no address", "all"],
)
def test_the_remote_store_of_a_job_is_configured_for_the_next_steps(
    variables: dict[str, str], expected: str, tmp_path: Path
) -> None:
    (tmp_path / "env").touch()
    runner = {"RUNNER_TEMP": str(tmp_path), "GITHUB_ENV": str(tmp_path / "env")}

    subprocess.run([sys.executable, ROOT / ".ci" / "remote_store.py"], env={**runner, **variables}, check=True)

    assert (tmp_path / "env").read_text() == expected.replace("{dir}", str(tmp_path))
    if expected:
        assert (tmp_path / "sign_key").read_text() == "private\n"
        assert (tmp_path / "sign_key").stat().st_mode & 0o777 == 0o600


def test_only_handlers_that_exist_and_are_disabled_are_enabled(tmp_path: Path) -> None:
    """The last loop of `.ci/containers` on an arm64 machine, where the package has no handler for arm64."""
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


def test_a_release_attaches_what_the_jobs_upload_and_signs_wheels_and_statements() -> None:
    uploads = {
        step["with"]["name"]
        for step in WORKFLOWS["wheels.yml"]["jobs"]["collect"]["steps"]
        if step.get("uses", "").startswith("actions/upload-artifact@")
    }
    attach, attest = (WORKFLOWS["release.yml"]["jobs"][name]["steps"] for name in ("attach", "attest"))
    (pattern,) = (step["with"]["pattern"] for step in attach if "pattern" in step.get("with", {}))
    (subjects,) = (step["with"]["subject-path"] for step in attest if "subject-path" in step.get("with", {}))

    assert uploads == {"dist", "sums", "vex", "statements"}
    assert set(pattern.strip("{}").split(",")) == uploads | {"sources", "sdk"}
    assert any("gh release upload" in step.get("run", "") for step in attach)
    assert subjects.split() == ["dist/*", "statements/*"]


def test_the_last_release_is_rebuilt_on_another_runner_image() -> None:
    (rebuild,) = WORKFLOWS["rebuild.yml"]["jobs"].values()
    jobs = plan_jobs(PROJECT, PROJECT.released, make_plan(PROJECT, PROJECT.released, IDENTITIES))
    builders = {job.runner for job in jobs} - {""}

    assert "schedule" in WORKFLOWS["rebuild.yml"][True]  # YAML's `on`
    assert builders
    assert rebuild["runs-on"] not in builders
    assert "container" in rebuild
