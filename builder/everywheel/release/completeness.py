"""Counting: whether all that a release consists of is there, clean, and nothing else; then it is laid out."""

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
from everywheel.errors import ReleaseError, UsageError
from everywheel.execution.files import hash_file
from everywheel.release.compare_builds import fingerprint_build, list_differences
from everywheel.release.matrix import RELEASED, Job, list_released

SUMS = "SHA256SUMS"


def check_jobs(jobs: Sequence[Job], artifacts: Path) -> tuple[Path, ...]:
    """Return the released files below a folder that has one folder for each job, named as the job is.

    Every job counts, the second builds as well; what they built is not released.

    Raises ReleaseError for the jobs that left nothing, and for those that left less than they must.
    """
    missing = [job.name for job in jobs if not (artifacts / job.name).is_dir()]
    if missing:
        raise ReleaseError(
            f"{len(missing)} of {len(jobs)} jobs left nothing: {', '.join(missing)}",
            details={"looked in": artifacts},
            hint="`everywheel matrix` lists all jobs: one failed, was skipped, or is not in the workflow's matrix",
        )
    for job in jobs:
        lacking = [name for name in job.files if not (artifacts / job.name / name).is_file()]
        if lacking:
            there = sorted(path.name for path in (artifacts / job.name).iterdir())
            raise ReleaseError(
                f"job {job.name} left no {', '.join(lacking)}",
                details={"it left": ", ".join(there) or "nothing"},
                hint="read that job's log; was it of the same commit?",
            )
    return tuple(artifacts / job.name / name for job in jobs if job.engine in RELEASED for name in job.files)


def copy_job_files(job: Job, folder: Path, artifacts: Path) -> tuple[Path, ...]:
    """Copy the files of a job from a folder to the job's own folder below `artifacts`, which is emptied first.

    Raises ReleaseError when one is missing.
    """
    if missing := [name for name in job.files if not (folder / name).is_file()]:
        raise ReleaseError(f"job {job.name} did not build {', '.join(missing)}", details={"searched": folder})
    output = artifacts / job.name
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    return tuple(Path(shutil.copyfile(folder / name, output / name)) for name in job.files)


def check_second(jobs: Sequence[Job], artifacts: Path) -> int:
    """Hold every wheel that other compilers built against the released one of its target; return how many there are.

    Raises AuditError when one has findings, ReleaseError when one has other files, lets other symbols out of its module,
    or says that it is for other Pythons.
    """
    released = {job.target: job for job in jobs if job.engine == RELEASED[0]}
    pairs = [
        (artifacts / released[job.target].name / name, artifacts / job.name / name)
        for job in jobs
        if job.engine not in RELEASED
        for name in job.files
    ]
    # Both have one file name: which of them it is, the folder says.
    fail_on_findings(tuple(replace(audit_wheel(path), wheel=str(path.relative_to(artifacts))) for _, path in pairs))
    lines = []
    for first, second in pairs:
        differences = list_differences(*(fingerprint_build(_read(path)) for path in (first, second)))
        lines += [f"{second.relative_to(artifacts)}: {line}" for line in differences]
    if lines:
        raise ReleaseError(
            "the second build is not what is released",
            excerpt=lines,
            hint="a compiler, or a condition in a recipe, makes the difference: that job's log has the build",
        )
    return len(pairs)


def _read(path: Path) -> WheelContents:
    content, findings = read_wheel_contents(path)
    if content is None:
        raise ReleaseError(
            f"{path} is no wheel", details={"reason": findings[0].message}, hint="read the log of the job that left it"
        )
    return content


def check_files(project: Project, folder: Path, *, strictly: bool = True) -> tuple[Path, ...]:
    """Return the released files in a folder, in the plan's order.

    Raises ReleaseError when one is missing and, `strictly`, when there is a wheel or archive that the plan does not have.
    """
    expected = list_released(project)
    here = {path.name for pattern in ("*.whl", "*.tar.gz") for path in folder.glob(pattern)}
    if missing := [name for name in expected if name not in here]:
        raise ReleaseError(
            f"{len(missing)} of {len(expected)} files are missing: {', '.join(missing)}",
            details={"looked in": folder},
            hint=_name_makers(missing),
        )
    if strictly and (strange := sorted(here.difference(expected))):
        raise ReleaseError(
            f"{len(strange)} files are not of this release: {', '.join(strange)}",
            details={"looked in": folder},
            hint="remove them; `release-targets` of [tool.everywheel], or `targets` without it, says what is released",
        )
    return tuple(folder / name for name in expected)


def _name_makers(missing: Sequence[str]) -> str:
    """Return which commands make the files of a release that are missing."""
    makers = {
        "`everywheel build --targets release` makes the wheels": any(name.endswith(".whl") for name in missing),
        "`everywheel sdist` makes the source distribution": any(name.endswith(".tar.gz") for name in missing),
    }
    return ", ".join(words for words, is_needed in makers.items() if is_needed)


def check_output_dir(into: Path, sources: Iterable[Path], name: str) -> None:
    """Raise UsageError when a release of that name cannot be laid out in `into`, which is emptied first.

    It must be a folder of its own: nothing that the release is made of, or that its sums are to name, may be in there, and
    nothing but older files of it.
    """
    other = "name a folder of its own: --output-dir dist"
    inside = [source for source in sources if source.resolve().is_relative_to(into.resolve())]
    if inside:
        raise UsageError(
            f"the release cannot be laid out in {into}: what it is made of is in there",
            details={"in there": ", ".join(map(str, inside[:8]))},
            hint="move that out, or name another folder with --output-dir",
        )
    if into.is_symlink() or (into.exists() and not into.is_dir()):
        kind = "a link" if into.is_symlink() else "no folder"
        raise UsageError(f"the release cannot be laid out in {into}: it is {kind}", hint=other)
    found = sorted(into.iterdir()) if into.exists() else []
    if strange := [path.name for path in found if not _is_file_of(path, name)]:
        raise UsageError(
            f"{into} would be emptied, and it has more than files of {name} in it",
            details={"there": ", ".join(strange[:8])},
            hint=other,
        )


def _is_file_of(path: Path, name: str) -> bool:
    """Tell whether a file is a wheel or a source distribution of a project."""
    try:
        parse = parse_wheel_filename if path.suffix == ".whl" else parse_sdist_filename
        found = parse(path.name)[0]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return False
    return found == canonicalize_name(name) and path.is_file() and not path.is_symlink()


def copy_release_files(files: Iterable[Path], into: Path) -> tuple[Path, ...]:
    """Audit the wheels, then copy all files into a folder that has nothing else; `check_place` was asked.

    Raises AuditError, with every finding, before anything is copied.
    """
    files = tuple(files)
    fail_on_findings(tuple(audit_wheel(file) for file in files if file.suffix == ".whl"))
    into.mkdir(parents=True, exist_ok=True)
    for old in into.iterdir():
        old.unlink()
    return tuple(Path(shutil.copyfile(file, into / file.name)) for file in files)


def write_sums(files: Iterable[Path], path: Path) -> None:
    """Write the sums of files as sha256sum does, sorted by name."""
    path.write_text("".join(f"{hash_file(file)}  {file.name}\n" for file in sorted(files, key=lambda file: file.name)))
