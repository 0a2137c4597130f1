"""The jobs and the files of a release."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from everywheel.cli.main import main
from everywheel.config.file_names import sdist_name, wheel_names
from everywheel.config.project import Project, load_project
from everywheel.errors import AuditError, EverywheelError, ReleaseError, UsageError
from everywheel.planning.plan import make_plan
from everywheel.planning.step_keys import Identities
from everywheel.platforms.target import Target, parse_target
from everywheel.release.completeness import (
    check_files,
    check_jobs,
    check_output_dir,
    copy_job_files,
    copy_release_files,
    write_sums,
)
from everywheel.release.matrix import Job, find_job, group_jobs, list_released, plan_jobs

ROOT = Path(__file__).parents[2]
PROJECT = load_project(ROOT)


def jobs_of(project: Project = PROJECT, targets: Sequence[Target] = PROJECT.released) -> tuple[Job, ...]:
    plan = make_plan(project, targets, Identities(artifacts="a", toolchain="t", packaging="p"))
    return plan_jobs(project, targets, plan)


def lines_of(error: pytest.ExceptionInfo[EverywheelError]) -> list[str]:
    return error.value.render().splitlines()


def test_every_target_with_a_second_compiler_is_built_twice_and_there_is_one_sdist() -> None:
    names = [job.name for job in jobs_of()]

    engines = {"linux": ("zig", "container"), "darwin": ("zig", "native"), "windows": ("zig", "native")}
    expected = [f"{engine}-{target.tag}" for target in PROJECT.released for engine in engines[target.os]]
    expected.remove("native-win_arm64")  # GitHub has no native compiler for it
    assert {target.os for target in PROJECT.released} == set(engines)
    assert sorted(names) == sorted([*expected, "sdist"])


def test_zig_jobs_run_on_x86_64_and_container_jobs_on_the_architecture_of_the_target() -> None:
    machines = {job.name: (job.runner, job.native, job.qemu) for job in jobs_of()}

    assert machines["zig-manylinux_2_17_aarch64"] == ("ubuntu-24.04", "ubuntu-24.04-arm", False)
    assert machines["container-manylinux_2_17_aarch64"] == ("ubuntu-24.04-arm", "ubuntu-24.04-arm", False)


def test_an_architecture_without_a_machine_runs_through_qemu() -> None:
    targets = (parse_target("musllinux_1_2_s390x"),)

    jobs = {job.engine: (job.runner, job.qemu) for job in jobs_of(targets=targets)}

    assert jobs["container"] == ("ubuntu-24.04", True)


@pytest.mark.parametrize(
    ("tag", "machine"), [("manylinux2014_x86_64", "ubuntu-24.04"), ("manylinux_2_28_aarch64", "ubuntu-24.04-arm")]
)
def test_an_added_target_is_in_the_matrix(tag: str, machine: str) -> None:
    groups = group_jobs(jobs_of(targets=(parse_target(tag),)))

    assert [job.native for job in groups["smoke"]] == [machine]
    assert (groups["test_wheel"], groups["native"]) == ([], [])


def test_free_threaded_wheels_are_tested_where_such_a_python_can_be_built() -> None:
    groups = group_jobs(jobs_of(targets=PROJECT.every_target))

    assert [(job.name, job.native) for job in groups["free_threaded"]] == [
        ("zig-manylinux_2_17_x86_64", "ubuntu-24.04"),
        ("zig-manylinux_2_17_aarch64", "ubuntu-24.04-arm"),
    ]
    assert all(any("-cp314t-" in name for name in job.files) for job in groups["free_threaded"])
    single = replace(PROJECT, pythons=PROJECT.pythons[:1])
    assert group_jobs(jobs_of(single))["free_threaded"] == []


@pytest.mark.parametrize(
    ("tag", "machine", "has_native_job"),
    [
        ("macosx_11_0_arm64", "macos-15", True),
        ("macosx_10_15_x86_64", "macos-15-intel", True),
        ("win_amd64", "windows-2025", True),
        ("win_arm64", "windows-11-arm", False),
    ],
)
def test_a_wheel_that_no_container_can_run_is_tested_on_a_machine_of_its_system(
    tag: str, machine: str, has_native_job: bool
) -> None:
    groups = group_jobs(jobs_of(targets=(parse_target(tag),)))

    assert [(job.name, job.runner) for job in groups["native"]] == (
        [(f"native-{tag}", machine)] if has_native_job else []
    )
    assert [(job.name, job.runner, job.native) for job in groups["test_wheel"]] == [
        (f"zig-{tag}", "ubuntu-24.04", machine)
    ]
    assert (groups["container"], groups["smoke"]) == ([], [])


def test_the_key_of_a_cache_changes_with_the_recipes_and_with_nothing_else() -> None:
    recipe = replace(PROJECT.recipes["zlib"], version="9")
    changed = replace(PROJECT, recipes={**PROJECT.recipes, "zlib": recipe})
    described = replace(PROJECT, recipes={**PROJECT.recipes, "zlib": replace(PROJECT.recipes["zlib"], summary="x")})

    original, changed_recipe, changed_summary = (
        [job.key for job in jobs_of(project)] for project in (PROJECT, changed, described)
    )

    assert not set(original) & set(changed_recipe)
    assert original == changed_summary


def test_no_two_jobs_share_a_name() -> None:
    names = [job.name for job in jobs_of(targets=PROJECT.every_target)]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("which", ["release", "all"])
def test_the_matrix_counts_the_files_that_it_shows(which: str) -> None:
    shown = CliRunner().invoke(main, ["--project", str(ROOT), "matrix", "--targets", which]).output

    names = set(re.findall(r"\S+(?:\.whl|\.tar\.gz)", shown))
    jobs = jobs_of(targets=PROJECT.released if which == "release" else PROJECT.every_target)
    assert shown.splitlines()[-1] == f"{len(jobs)} jobs, {len(names)} files"
    assert (names == set(list_released(PROJECT))) is (which == "release")


def test_the_matrix_is_appended_to_the_outputs_of_a_workflow_step(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    outputs.write_text("before=1\n")

    result = CliRunner().invoke(main, ["--project", str(ROOT), "matrix", "--json", "--github-output", str(outputs)])

    assert outputs.read_text() == f"before=1\nmatrix={result.output}"
    assert json.loads(result.output)["version"] == PROJECT.version


def test_a_misspelled_job_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(UsageError) as error:
        find_job(jobs_of(), "zig-win_amd46")

    assert lines_of(error) == ["error: there is no job 'zig-win_amd46'", "  hint: did you mean 'zig-win_amd64'?"]


def test_the_files_of_a_job_replace_those_of_its_folder(tmp_path: Path) -> None:
    job = find_job(jobs_of(), "sdist")
    (tmp_path / "built").mkdir()
    (tmp_path / "built" / job.files[0]).write_text("new")
    (tmp_path / "jobs" / "sdist").mkdir(parents=True)
    (tmp_path / "jobs" / "sdist" / "old").write_text("")

    (copy,) = copy_job_files(job, tmp_path / "built", tmp_path / "jobs")

    assert copy == tmp_path / "jobs" / "sdist" / job.files[0]
    assert [path.read_text() for path in copy.parent.iterdir()] == ["new"]


def test_a_job_that_did_not_build_its_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError) as error:
        copy_job_files(find_job(jobs_of(), "sdist"), tmp_path, tmp_path / "jobs")

    assert error.value.fact == f"job sdist did not build {sdist_name(PROJECT)}"
    assert not (tmp_path / "jobs").exists()


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    for job in jobs_of():
        (tmp_path / job.name).mkdir()
        for name in job.files:
            (tmp_path / job.name / name).write_text("")
    return tmp_path


def test_the_files_of_all_jobs_are_counted_and_only_zigs_are_released(artifacts: Path) -> None:
    files = check_jobs(jobs_of(), artifacts)

    assert sorted(file.name for file in files) == sorted(list_released(PROJECT))
    assert {file.parent.name.partition("-")[0] for file in files} == {"zig", "sdist"}


def test_a_job_that_is_missing_is_named(artifacts: Path) -> None:
    (artifacts / "container-musllinux_1_2_aarch64").rename(artifacts / "elsewhere")

    with pytest.raises(ReleaseError) as error:
        check_jobs(jobs_of(), artifacts)

    assert lines_of(error) == [
        f"error: 1 of {len(jobs_of())} jobs have no files: container-musllinux_1_2_aarch64",
        f"  directory: {artifacts}",
        "  hint: `everywheel matrix` lists all jobs: a missing one failed, was skipped, or is not in the workflow",
    ]


def test_a_job_with_a_missing_file_is_named(artifacts: Path) -> None:
    name = sdist_name(PROJECT)
    (artifacts / "sdist" / name).rename(artifacts / "sdist" / "other-1.tar.gz")

    with pytest.raises(ReleaseError) as error:
        check_jobs(jobs_of(), artifacts)

    assert lines_of(error) == [
        f"error: files of job sdist are missing: {name}",
        "  files: other-1.tar.gz",
        "  hint: read the log of that job, and check that it built the same commit",
    ]


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    for name in list_released(PROJECT):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        (wheel_names(PROJECT, PROJECT.released[1])[0], "`everywheel build --targets release` builds the wheels"),
        (sdist_name(PROJECT), "`everywheel sdist` builds the source distribution"),
    ],
)
def test_a_missing_file_is_named_with_the_command_that_builds_it(wheelhouse: Path, missing: str, command: str) -> None:
    (wheelhouse / missing).unlink()

    with pytest.raises(ReleaseError) as error:
        check_files(PROJECT, wheelhouse)

    assert lines_of(error) == [
        f"error: 1 of {len(list_released(PROJECT))} files are missing: {missing}",
        f"  directory: {wheelhouse}",
        f"  hint: {command}",
    ]


def test_a_wheel_that_is_not_planned_is_named(wheelhouse: Path) -> None:
    (wheelhouse / "webpencode-0.0.1-cp311-abi3-win_amd64.whl").write_text("")

    with pytest.raises(ReleaseError) as error:
        check_files(PROJECT, wheelhouse)

    assert lines_of(error) == [
        "error: 1 file is not part of the release: webpencode-0.0.1-cp311-abi3-win_amd64.whl",
        f"  directory: {wheelhouse}",
        "  hint: remove them, or add their targets to `release-targets` in [tool.everywheel]",
    ]


def test_a_wheel_with_findings_is_not_copied(wheelhouse: Path) -> None:
    with pytest.raises(AuditError):
        copy_release_files(check_files(PROJECT, wheelhouse), wheelhouse / "dist")

    assert not (wheelhouse / "dist").exists()


@pytest.mark.parametrize("subfolder", [".", "sub/.."])
def test_a_release_is_not_copied_over_its_own_files(tmp_path: Path, subfolder: str) -> None:
    folder = tmp_path / "wheelhouse"
    (folder / "sub").mkdir(parents=True)

    with pytest.raises(UsageError) as error:
        check_output_dir(folder / subfolder, [folder], "x")

    assert lines_of(error) == [
        f"error: cannot copy the release to {folder / subfolder}, which contains files to copy",
        f"  files: {folder}",
        "  hint: name another directory with --output-dir",
    ]


def test_the_output_directory_contains_none_of_the_files_to_copy(artifacts: Path) -> None:
    files = check_jobs(jobs_of(), artifacts)

    with pytest.raises(UsageError) as error:
        check_output_dir(artifacts / "sdist", files, PROJECT.name)

    assert lines_of(error)[0] == (
        f"error: cannot copy the release to {artifacts / 'sdist'}, which contains files to copy"
    )
    check_output_dir(artifacts / "dist", files, PROJECT.name)


@pytest.mark.parametrize(
    "name",
    ["home-2025.tar.gz", "other-1.0-py3-none-any.whl", "x-y-1.0.tar.gz", "letters.txt", "x.tar.gz", "x-1.0.tar.gz/"],
)
def test_a_directory_with_unrelated_files_is_not_emptied(tmp_path: Path, name: str) -> None:
    output_dir = tmp_path / "dist"
    output_dir.mkdir()
    (output_dir / "x-0.9-cp311-abi3-win_amd64.whl").write_text("")
    (output_dir / "x-0.9.tar.gz").write_text("")
    check_output_dir(output_dir, [], "X")
    (output_dir / name).mkdir() if name.endswith("/") else (output_dir / name).write_text("")

    with pytest.raises(UsageError) as error:
        check_output_dir(output_dir, [], "X")

    assert lines_of(error) == [
        f"error: {output_dir} has files that are not from X and would be deleted",
        f"  files: {name.rstrip('/')}",
        "  hint: name a new or empty directory: --output-dir dist",
    ]


@pytest.mark.parametrize(("kind", "reason"), [("file", "not a directory"), ("link", "a link"), ("dead link", "a link")])
def test_the_output_directory_must_be_a_directory(tmp_path: Path, kind: str, reason: str) -> None:
    output_dir = tmp_path / "dist"
    if kind == "file":
        output_dir.write_text("")
    else:
        (tmp_path / "elsewhere").mkdir()
        output_dir.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))

    with pytest.raises(UsageError) as error:
        check_output_dir(output_dir, [], "x")

    assert lines_of(error) == [
        f"error: cannot copy the release to {output_dir}: it is {reason}",
        "  hint: name a new or empty directory: --output-dir dist",
    ]


def test_the_sums_are_those_that_sha256sum_checks(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    write_sums([tmp_path / "b", tmp_path / "a"], tmp_path / "SHA256SUMS")

    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True, capture_output=True)

    assert (tmp_path / "SHA256SUMS").read_text().split()[1::2] == ["a", "b"]
