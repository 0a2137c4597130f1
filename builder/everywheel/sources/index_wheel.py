"""Wheels that are named by their project and version, as `NAME==VERSION`, and the choice of one of them."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename
from packaging.version import InvalidVersion, Version


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


def choose_wheel(names: Sequence[str], pattern: str = "") -> str | None:
    """Return the first name that matches a pattern, by default the wheel that pip would choose here, or one like it."""
    return next(_rank(names, pattern), None)


def _rank(names: Sequence[str], pattern: str) -> Iterator[str]:
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
