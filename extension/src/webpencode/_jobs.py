"""Selection of the images that the command encodes, and of their destinations."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SUFFIXES = frozenset({".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pjp", ".pjpeg", ".png", ".webp"})


class Job(NamedTuple):
    """One image and its destination."""

    source: Path
    destination: Path


class Plan(NamedTuple):
    """The images to encode, and the number of images that are skipped because they are results of an earlier run."""

    jobs: list[Job]
    skipped: int


class Search(NamedTuple):
    """The images with their paths relative to the searched directory, and the errors of unreadable directories."""

    images: list[tuple[Path, Path]]
    failures: list[OSError]


def find_images(inputs: Sequence[Path], output: Path | None) -> Search:
    """Find the images in the given files and directories, sorted by path within each directory.

    If the output directory is inside a searched directory, it is not searched.
    """
    images: list[tuple[Path, Path]] = []
    failures: dict[str, OSError] = {}
    for path in inputs:
        # Not Path.is_dir(), which can raise PermissionError.
        if not os.path.isdir(path):
            images.append((path, Path(path.name)))
            continue
        paths, errors = _search_directory(path, None if output is None else _find_relative_path(output, path))
        images += ((image, image.relative_to(path)) for image in sorted(paths))
        for failure in sorted(errors, key=lambda failure: str(failure.filename)):
            failures.setdefault(_normalize(failure.filename), failure)
    return Search(images, list(failures.values()))


def _search_directory(top: Path, excluded: Path | None) -> tuple[list[Path], list[OSError]]:
    """Return the files with the suffix of an image, unsorted, and the errors; `excluded` is relative to `top`."""
    images: list[Path] = []
    failures: list[OSError] = []
    # Not Path.rglob(), which ignores unreadable directories silently.
    for folder, folders, names in os.walk(top, onerror=failures.append):
        relative = Path(folder).relative_to(top)
        folders[:] = [name for name in folders if relative / name != excluded]
        paths = (Path(folder, name) for name in names)
        images += (path for path in paths if path.suffix.lower() in SUFFIXES and _may_be_file(path))
    return images, failures


def _may_be_file(path: Path) -> bool:
    """Return whether a path is a regular file, or is inaccessible; encoding will then report the reason."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        # A dangling link: some editors use them as lock files.
        return False
    except OSError:
        return True


def _find_relative_path(path: Path, folder: Path) -> Path | None:
    """Return a path relative to a directory that contains it, or None if it is outside or the directory itself."""
    # Not Path.resolve(), which raises an error for a link to itself.
    absolute, top = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    return absolute.relative_to(top) if top in absolute.parents else None


def plan_jobs(inputs: Sequence[Path], images: Sequence[tuple[Path, Path]], output: Path | None) -> Plan:
    """Choose the destination of each image; raise ValueError if two images have the same one, or output is unsuitable.

    A WebP file is skipped as the result of an earlier run if it is the destination of another image, or has the same name
    as another image in the same directory.
    """
    single = len(images) == 1 and len(inputs) == 1 and output is not None and not os.path.isdir(output)
    if output is not None and not os.path.isdir(output):
        is_file = output.suffix.lower() == ".webp"
        if len(images) > 1 and is_file:
            raise ValueError(f"--output {output} is a single file, but there are {len(images)} images")
        if os.path.exists(output) and not (single and is_file):
            raise ValueError(f"--output {output} is not a directory")
    jobs = []
    for source, relative in images:
        if output is None:
            destination = source.with_suffix(".webp")
        elif single and output.suffix.lower() == ".webp":
            destination = output
        else:
            destination = (output / relative).with_suffix(".webp")
        jobs.append(Job(source, destination))
    results = {
        _normalize(result)
        for source, destination in jobs
        for result in (destination, source.with_suffix(".webp"))
        if _normalize(result) != _normalize(source)
    }
    planned: dict[str, Job] = {}
    skipped: set[str] = set()
    for job in jobs:
        if _normalize(job.source) in results:
            skipped.add(_normalize(job.source))
            continue
        other = planned.setdefault(_normalize(job.destination), job)
        if _normalize(other.source) != _normalize(job.source):
            raise ValueError(f"{other.source} and {job.source} would both be written to {job.destination}")
    return Plan(list(planned.values()), len(skipped))


def _normalize(path: str | Path) -> str:
    """Return the absolute path with normalized case, for comparison; links are not resolved."""
    return os.path.normcase(os.path.abspath(path))
