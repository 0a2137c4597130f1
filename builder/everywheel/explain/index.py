"""Wheels of the package index as subjects."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename
from packaging.version import InvalidVersion, Version

from everywheel.explain.subjects import Subject, read_wheel_subject
from everywheel.sources.package_index import download_wheel
from everywheel.toolchains.pip_settings import list_indexes


def find_index_name(text: str) -> tuple[str, str] | None:
    """Return name and version of `NAME==VERSION`, or None for a text of another form."""
    try:
        requirement = Requirement(text)
        (specifier,) = requirement.specifier
        if requirement.url or requirement.marker or requirement.extras or specifier.operator != "==":
            return None
        return requirement.name, str(Version(specifier.version))
    except (InvalidRequirement, InvalidVersion, ValueError):
        return None


def read_index_wheel(name: str, version: str, pattern: str = "") -> Subject:
    """Return a wheel of the package index as a subject.

    It is the first whose name matches `pattern`, by default the one that pip would choose here, or else one for this
    processor. Raises SourceError when no index has one.
    """
    with TemporaryDirectory() as folder:
        path = download_wheel(
            name, version, list_indexes("download"), Path(folder), lambda names: next(_choose(names, pattern), None)
        )
        return read_wheel_subject(path)


def _choose(names: Sequence[str], pattern: str) -> Iterator[str]:
    if pattern:
        yield from (name for name in names if fnmatchcase(name, pattern))
        return
    ranks = {tag: rank for rank, tag in reversed(list(enumerate(sys_tags())))}
    fitting = {
        name: min((ranks[tag] for tag in parse_wheel_filename(name)[3] if tag in ranks), default=-1) for name in names
    }
    yield from sorted((name for name in names if fitting[name] >= 0), key=fitting.__getitem__)
    yield from (name for name in reversed(names) if f"_{platform.machine()}" in name)
    yield from reversed(names)
