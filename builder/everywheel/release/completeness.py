"""Completeness: exactly the planned files of a release must exist, without audit findings; then they are copied."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from everywheel.audit import audit_wheel, fail_on_findings
from everywheel.audit.wheel_contents import WheelContents, read_wheel_contents
from everywheel.config.project import Project
from everywheel.errors import ReleaseError, UsageError, count_noun
from everywheel.execution.files import hash_file
from everywheel.release.compare_builds import fingerprint_build, list_differences
from everywheel.release.matrix import RELEASED_ENGINES, Job, list_released


def check_jobs(jobs: Sequence[Job], artifacts: Path) -> tuple[Path, ...]:
    """Return the released files below a folder with one subfolder for each job.

    The files of second builds must exist as well, and are not returned. Raises ReleaseError if a job has no
    files, or not all of its files.
    """
    missing = [job.name for job in jobs if not (artifacts / job.name).is_dir()]
    if missing:
        raise ReleaseError(
            f"{len(missing)} of {len(jobs)} jobs have no files: {', '.join(missing)}",
            details={"directory": artifacts},
            hint="`everywheel matrix` lists all jobs: a missing one failed, was skipped, or is not in the workflow",
        )
    for job in jobs:
        absent = [name for name in job.files if not (artifacts / job.name / name).is_file()]
        if absent:
            present = sorted(path.name for path in (artifacts / job.name).iterdir())
            raise ReleaseError(
                f"files of job {job.name} are missing: {', '.join(absent)}",
                details={"files": ", ".join(present) or "none"},
                hint="read the log of that job, and check that it built the same commit",
            )
    return tuple(artifacts / job.name / name for job in jobs if job.engine in RELEASED_ENGINES for name in job.files)


def copy_job_files(job: Job, folder: Path, artifacts: Path) -> tuple[Path, ...]:
    """Copy the files of a job from a folder to the job's own folder below `artifacts`, which is emptied first.

    Raises ReleaseError when one is missing.
    """
    if missing := [name for name in job.files if not (folder / name).is_file()]:
        raise ReleaseError(f"job {job.name} did not build {', '.join(missing)}", details={"directory": folder})
    output = artifacts / job.name
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    return tuple(Path(shutil.copyfile(folder / name, output / name)) for name in job.files)


def check_second_build(jobs: Sequence[Job], artifacts: Path) -> int:
    """Compare every wheel of the second build with the released one of its target, and return their number.

    Raises AuditError when one has findings, ReleaseError when one has other files, exports or Python tags.
    """
    released = {job.target: job for job in jobs if job.engine == RELEASED_ENGINES[0]}
    pairs = [
        (artifacts / released[job.target].name / name, artifacts / job.name / name)
        for job in jobs
        if job.engine not in RELEASED_ENGINES
        for name in job.files
    ]
    # Both wheels have the same name: only the directory identifies them.
    fail_on_findings(tuple(replace(audit_wheel(path), wheel=str(path.relative_to(artifacts))) for _, path in pairs))
    lines = []
    for first, second in pairs:
        differences = list_differences(*(fingerprint_build(_read(path)) for path in (first, second)))
        lines += [f"{second.relative_to(artifacts)}: {line}" for line in differences]
    if lines:
        raise ReleaseError(
            "the second build differs from the released wheels",
            excerpt=lines,
            hint="the cause is a compiler or a condition in a recipe: read the log of the job",
        )
    return len(pairs)


def _read(path: Path) -> WheelContents:
    content, findings = read_wheel_contents(path)
    if content is None:
        raise ReleaseError(
            f"{path} is not a wheel",
            details={"reason": findings[0].message},
            hint="read the log of the job that built it",
        )
    return content


def check_files(project: Project, folder: Path, *, strictly: bool = True) -> tuple[Path, ...]:
    """Return the released files in a folder, in the plan's order.

    Raises ReleaseError when one is missing and, with `strictly`, when there is a wheel or archive that is not planned.
    """
    expected = list_released(project)
    present = {path.name for pattern in ("*.whl", "*.tar.gz") for path in folder.glob(pattern)}
    if missing := [name for name in expected if name not in present]:
        raise ReleaseError(
            f"{len(missing)} of {len(expected)} files are missing: {', '.join(missing)}",
            details={"directory": folder},
            hint=_suggest_commands(missing),
        )
    if strictly and (unplanned := sorted(present.difference(expected))):
        raise ReleaseError(
            f"{count_noun(len(unplanned), 'file is', 'files are')} not part of the release: {', '.join(unplanned)}",
            details={"directory": folder},
            hint="remove them, or add their targets to `release-targets` in [tool.everywheel]",
        )
    return tuple(folder / name for name in expected)


def _suggest_commands(missing: Sequence[str]) -> str:
    """Return the commands that build missing files."""
    commands = {
        "`everywheel build --targets release` builds the wheels": any(name.endswith(".whl") for name in missing),
        "`everywheel sdist` builds the source distribution": any(name.endswith(".tar.gz") for name in missing),
    }
    return ", ".join(command for command, is_needed in commands.items() if is_needed)


def check_output_dir(output_dir: Path, sources: Iterable[Path], name: str) -> None:
    """Raise UsageError when a release cannot be copied to a directory, which is emptied first.

    It may contain neither `sources`, which are the files to copy or to list, nor any file except older ones of the project
    `name`.
    """
    hint = "name a new or empty directory: --output-dir dist"
    inside = [source for source in sources if source.resolve().is_relative_to(output_dir.resolve())]
    if inside:
        raise UsageError(
            f"cannot copy the release to {output_dir}, which contains files to copy",
            details={"files": ", ".join(map(str, inside[:8]))},
            hint="name another directory with --output-dir",
        )
    if output_dir.is_symlink() or (output_dir.exists() and not output_dir.is_dir()):
        kind = "a link" if output_dir.is_symlink() else "not a directory"
        raise UsageError(f"cannot copy the release to {output_dir}: it is {kind}", hint=hint)
    files = sorted(output_dir.iterdir()) if output_dir.exists() else []
    if unrelated := [path.name for path in files if not _is_distribution_of(path, name)]:
        raise UsageError(
            f"{output_dir} has files that are not from {name} and would be deleted",
            details={"files": ", ".join(unrelated[:8])},
            hint=hint,
        )


def _is_distribution_of(path: Path, name: str) -> bool:
    """Return whether a file is a wheel or a source distribution of a project."""
    try:
        parse = parse_wheel_filename if path.suffix == ".whl" else parse_sdist_filename
        project = parse(path.name)[0]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return False
    return project == canonicalize_name(name) and path.is_file() and not path.is_symlink()


def copy_release_files(files: Iterable[Path], output_dir: Path) -> tuple[Path, ...]:
    """Audit the wheels, empty a directory that passed `check_output_dir`, and copy all files to it.

    Raises AuditError, with every finding, before anything is copied.
    """
    files = tuple(files)
    fail_on_findings(tuple(audit_wheel(file) for file in files if file.suffix == ".whl"))
    output_dir.mkdir(parents=True, exist_ok=True)
    for previous in output_dir.iterdir():
        previous.unlink()
    return tuple(Path(shutil.copyfile(file, output_dir / file.name)) for file in files)


def write_sums(files: Iterable[Path], path: Path) -> None:
    """Write the hashes of files in the format of sha256sum, sorted by name."""
    path.write_text("".join(f"{hash_file(file)}  {file.name}\n" for file in sorted(files, key=lambda file: file.name)))
