"""Counting: whether all that a release consists of is there, clean, and nothing else; then it is laid out."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from builder.audit import audit_wheel, fail_on_findings
from builder.disk import hash_file
from builder.errors import ReleaseError, UsageError
from builder.project import Project
from builder.release.matrix import RELEASED, Job, list_released

SUMS = "SHA256SUMS"
_RELEASED = (".whl", ".tar.gz")


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
            hint="`everywheel build` makes the wheels, `everywheel sdist` the source distribution",
        )
    if strictly and (strange := sorted(here.difference(expected))):
        raise ReleaseError(
            f"{len(strange)} files are not of this release: {', '.join(strange)}",
            details={"looked in": folder},
            hint="remove them; `targets` of [tool.everywheel] says what is released",
        )
    return tuple(folder / name for name in expected)


def check_place(into: Path, folder: Path) -> None:
    """Raise UsageError when laying a release out in `into` would delete what is to be laid out, or what is no release."""
    if folder.resolve().is_relative_to(into.resolve()):
        raise UsageError(
            f"the release cannot be laid out in {into}: what it is made of is in there",
            hint="name another: --into dist",
        )
    strange = sorted(path.name for path in into.iterdir() if not path.name.endswith(_RELEASED)) if into.exists() else []
    if strange:
        raise UsageError(
            f"{into} would be emptied, and it has more than wheels and archives in it",
            details={"there": ", ".join(strange[:8])},
            hint="name a folder of its own: --into dist",
        )


def lay_out(files: Iterable[Path], into: Path) -> tuple[Path, ...]:
    """Audit the wheels, then copy all files into a folder that has nothing else.

    Raises AuditError, with every finding, before anything is copied.
    """
    files = tuple(files)
    fail_on_findings(tuple(audit_wheel(file) for file in files if file.suffix == ".whl"))
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    return tuple(Path(shutil.copyfile(file, into / file.name)) for file in files)


def write_sums(files: Iterable[Path], path: Path) -> None:
    """Write the sums of files as sha256sum does, sorted by name."""
    path.write_text("".join(f"{hash_file(file)}  {file.name}\n" for file in sorted(files, key=lambda file: file.name)))
