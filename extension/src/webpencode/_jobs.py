"""Which images the command encodes, and where each of them goes."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SUFFIXES = frozenset({".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pjp", ".pjpeg", ".png", ".webp"})


class Job(NamedTuple):
    """One image and where it goes."""

    source: Path
    destination: Path


class Plan(NamedTuple):
    """What is encoded, and how many images are left out because they are results of an earlier time."""

    jobs: list[Job]
    left_out: int


class Search(NamedTuple):
    """The images that were found, each with its place below what was named, and why folders could not be searched."""

    images: list[tuple[Path, Path]]
    failures: list[OSError]


def find_images(inputs: Sequence[Path], output: Path | None) -> Search:
    """Look for images in what was named; folders are searched in the order of their names.

    What lies in the folder for results is no image to be encoded, where that folder is inside the one that is searched.
    """
    images: list[tuple[Path, Path]] = []
    failures: dict[str, OSError] = {}
    for path in inputs:
        # Not Path's own, which raises for what may not be looked at.
        if not os.path.isdir(path):
            images.append((path, Path(path.name)))
            continue
        below, refused = _search_folder(path, None if output is None else _place_below(output, path))
        images += ((found, found.relative_to(path)) for found in sorted(below))
        for failure in sorted(refused, key=lambda failure: str(failure.filename)):
            failures.setdefault(_spell(failure.filename), failure)
    return Search(images, list(failures.values()))


def _search_folder(top: Path, results: Path | None) -> tuple[list[Path], list[OSError]]:
    """Return what is named as images are, in any order, and what failed; `results`, a place below the top, is left out."""
    images: list[Path] = []
    failures: list[OSError] = []
    # Not Path's own search, which says nothing of a folder that it may not read.
    for folder, folders, names in os.walk(top, onerror=failures.append):
        place = Path(folder).relative_to(top)
        folders[:] = [name for name in folders if place / name != results]
        paths = (Path(folder, name) for name in names)
        images += (path for path in paths if path.suffix.lower() in SUFFIXES and _may_be_file(path))
    return images, failures


def _may_be_file(path: Path) -> bool:
    """Tell whether it is a file, or one that nobody may look at, of which encoding it will say why."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        # A link to nothing, as some editors leave them beside a file.
        return False
    except OSError:
        return True


def _place_below(path: Path, folder: Path) -> Path | None:
    """Return where a path is below a folder, or None if it is elsewhere or the folder itself."""
    # Not Path's own, which raises for a link to itself.
    whole, top = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    return whole.relative_to(top) if top in whole.parents else None


def plan_jobs(inputs: Sequence[Path], found: Sequence[tuple[Path, Path]], output: Path | None) -> Plan:
    """Say where each image goes; raises ValueError where two would go to the same place, or one cannot.

    A WebP that is where another image's goes, or beside one that it may have been made from, is a result of an earlier
    time, and left out.
    """
    single = len(found) == 1 and len(inputs) == 1 and output is not None and not os.path.isdir(output)
    if output is not None and not os.path.isdir(output):
        names_file = output.suffix.lower() == ".webp"
        if len(found) > 1 and names_file:
            raise ValueError(f"--output {output} names one file, and there are {len(found)} images")
        if os.path.exists(output) and not (single and names_file):
            raise ValueError(f"--output {output} is no folder")
    jobs = []
    for source, place in found:
        if output is None:
            destination = source.with_suffix(".webp")
        elif single and output.suffix.lower() == ".webp":
            destination = output
        else:
            destination = (output / place).with_suffix(".webp")
        jobs.append(Job(source, destination))
    made = {
        _spell(result)
        for source, destination in jobs
        for result in (destination, source.with_suffix(".webp"))
        if _spell(result) != _spell(source)
    }
    planned: dict[str, Job] = {}
    left_out: set[str] = set()
    for job in jobs:
        if _spell(job.source) in made:
            left_out.add(_spell(job.source))
            continue
        other = planned.setdefault(_spell(job.destination), job)
        if _spell(other.source) != _spell(job.source):
            raise ValueError(f"{other.source} and {job.source} would both become {job.destination}")
    return Plan(list(planned.values()), len(left_out))


def _spell(path: str | Path) -> str:
    """Return the one spelling of a path that the system takes for the same as others, links aside."""
    return os.path.normcase(os.path.abspath(path))
