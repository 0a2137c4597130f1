"""Selection of the images that the command encodes, and of their destinations."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

SUFFIXES = frozenset({".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pjp", ".pjpeg", ".png", ".webp"})
STANDARD_STREAM = "-"
"""Name of standard input as a path, and of standard output with --output. A file of this name is `./-`."""


class Stream(Enum):
    """Standard input as a source, or standard output as a destination."""

    INPUT = 0
    OUTPUT = 1

    def __str__(self) -> str:
        return STANDARD_STREAM


class Job(NamedTuple):
    """One image and its destination."""

    source: Path | Stream
    destination: Path | Stream

    @property
    def would_replace(self) -> bool:
        """True if the destination exists. Pipes and devices are written to instead of replaced."""
        if isinstance(self.destination, Stream) or not os.path.exists(self.destination):
            return False
        return os.path.isfile(self.destination) or os.path.isdir(self.destination)


class Plan(NamedTuple):
    """The images to encode, the number of images that are skipped because they are results of an earlier run, and the
    errors of directories that could not be searched."""

    jobs: list[Job]
    skipped: int
    failures: list[OSError]


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
        paths, errors = _search_directory(path, output)
        images += ((image, image.relative_to(path)) for image in sorted(paths))
        for failure in sorted(errors, key=lambda failure: str(failure.filename)):
            failures.setdefault(_normalize(failure.filename), failure)
    return Search(images, list(failures.values()))


def _search_directory(top: Path, excluded: Path | None) -> tuple[list[Path], list[OSError]]:
    """Return the files with the suffix of an image, unsorted, and the errors. Links to directories are followed."""
    images: list[Path] = []
    failures: list[OSError] = []
    skipped = None if excluded is None else _identify(excluded)
    # The directories that contain each directory, and itself.
    chains: dict[str, tuple[tuple[int, int] | None, ...]] = {os.fspath(top): (_identify(top),)}
    # Not Path.rglob(), which ignores unreadable directories silently.
    for folder, folders, names in os.walk(top, onerror=failures.append, followlinks=True):
        chain = chains.pop(folder)
        for name in tuple(folders):
            path = os.path.join(folder, name)
            # None if it is inaccessible; os.walk() then reports the reason.
            identity = _identify(path)
            if identity is not None and identity in (skipped, *chain):
                folders.remove(name)
                if identity != skipped:
                    failures.append(OSError(errno.ELOOP, "the link leads to a directory that contains it", path))
            chains[path] = (*chain, identity)
        paths = (Path(folder, name) for name in names)
        images += (path for path in paths if path.suffix.lower() in SUFFIXES and _may_be_file(path))
    return images, failures


def _identify(folder: str | Path) -> tuple[int, int] | None:
    """Return the identity of a directory, the same for all of its paths, or None if it is missing or inaccessible."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _may_be_file(path: Path) -> bool:
    """Return whether a path is a regular file, or is inaccessible; encoding will then report the reason."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        # A dangling link: some editors use them as lock files.
        return False
    except OSError:
        return True


def plan_jobs(inputs: Sequence[str], output: str | None) -> Plan:
    """Choose the destination of each image; raise ValueError if two images have the same one, or output is unsuitable.

    A WebP file is skipped as the result of an earlier run if it is the destination of another image, or has the same name
    as another image in the same directory.
    """
    if STANDARD_STREAM in inputs:
        return Plan([_plan_standard_input(inputs, output)], 0, [])
    images, failures = find_images([Path(path) for path in inputs], None if output is None else Path(output))
    single = None if output is None else _find_single_destination(inputs, output, len(images))
    if isinstance(single, Stream):
        return Plan([Job(source, single) for source, _ in images], 0, failures)
    normalize: Callable[[str | Path], str] = _normalize
    if single is not None:
        pairs = [(source, single) for source, _ in images]
    elif output is not None:
        pairs = [(source, Path(output, relative).with_suffix(".webp")) for source, relative in images]
    else:
        # A directory may have several paths, if links lead to it.
        pairs, normalize = [(source, source.with_suffix(".webp")) for source, _ in images], _make_resolver()
    return Plan(*_select_jobs(pairs, normalize), failures)


def _plan_standard_input(inputs: Sequence[str], output: str | None) -> Job:
    if len(inputs) > 1:
        raise ValueError("standard input (-) cannot be combined with other paths")
    if output is None or output == STANDARD_STREAM:
        return Job(Stream.INPUT, Stream.OUTPUT)
    if _is_directory(output):
        raise ValueError(f"--output {output} is a directory, but standard input has no file name: specify a file")
    return Job(Stream.INPUT, Path(output))


def _is_directory(output: str) -> bool:
    """Return whether --output is an existing directory or ends with a slash."""
    return os.path.isdir(Path(output)) or output.endswith(tuple(filter(None, (os.sep, os.altsep))))


def _find_single_destination(inputs: Sequence[str], output: str, count: int) -> Path | Stream | None:
    """Return the destination that --output specifies for a single image, or None if it is a directory for all images."""
    if output == STANDARD_STREAM:
        if count > 1:
            raise ValueError(f"--output - is standard output for a single image, but there are {count} images")
        return Stream.OUTPUT
    path = Path(output)
    is_file = not _is_directory(output)
    has_suffix = is_file and path.suffix.lower() == ".webp"
    if is_file and count == 1 and (has_suffix or (len(inputs) == 1 and not os.path.isdir(inputs[0]))):
        return path
    if has_suffix and count > 1:
        raise ValueError(f"--output {output} is a single file, but there are {count} images")
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(f"--output {output} is not a directory")
    return None


def _select_jobs(pairs: Sequence[tuple[Path, Path]], normalize: Callable[[str | Path], str]) -> tuple[list[Job], int]:
    """Return jobs for sources and destinations without repetitions and earlier results, and the number of the latter."""
    results = {
        normalize(result)
        for source, destination in pairs
        for result in (destination, source.with_suffix(".webp"))
        if normalize(result) != normalize(source)
    }
    planned: dict[str, tuple[Path, Path]] = {}
    skipped: set[str] = set()
    for source, destination in pairs:
        if normalize(source) in results:
            skipped.add(normalize(source))
            continue
        other, _ = planned.setdefault(normalize(destination), (source, destination))
        if normalize(other) != normalize(source):
            raise ValueError(f"{other} and {source} would both be written to {destination}")
    return [Job(source, destination) for source, destination in planned.values()], len(skipped)


def _normalize(path: str | Path) -> str:
    """Return the absolute path with normalized case, for comparison; links are not resolved."""
    return os.path.normcase(os.path.abspath(path))


def _make_resolver() -> Callable[[str | Path], str]:
    """Return a function like _normalize() that resolves links to directories, but not to files."""
    resolve = lru_cache(os.path.realpath)

    def normalize(path: str | Path) -> str:
        folder, name = os.path.split(path)
        return os.path.normcase(os.path.join(resolve(folder), name))

    return normalize
