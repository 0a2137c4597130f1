"""Results of a check: the answer of each location of a file, and the number of independent ones that have it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from everywheel.sources.locations import LocationKind
from everywheel.sources.request import PinnedFile, list_patch_archives

ORIGINS = frozenset({LocationKind.PACKAGE_CLIENT, LocationKind.UPSTREAM, LocationKind.SNAPSHOT})
"""The kinds of locations that exist without a copy of one's own, which the store and mirrors are."""


class Answer(StrEnum):
    """The answer of a location; the last one means that this machine does not have such a location."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSING = "missing"
    UNREACHABLE = "unreachable"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedUnit:
    """The files that are checked together: a source, a single patch, or an archive with the patches that are taken from it."""

    file: PinnedFile
    patches: tuple[PinnedFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedLocation:
    """The answer of one location for one unit; `operator` is whose services fail together, `reason` is why it is not right."""

    unit: CheckedUnit
    kind: LocationKind
    name: str
    answer: Answer
    operator: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedFile:
    """A unit with the answers of all locations; `fault` is why the pin of a patch does not fit its archive."""

    unit: CheckedUnit
    locations: tuple[CheckedLocation, ...]
    fault: str = ""

    @property
    def operators(self) -> frozenset[str]:
        """The independent operators whose locations have the right bytes."""
        origins = (location for location in self.locations if location.kind in ORIGINS)
        return frozenset(location.operator for location in origins if location.answer is Answer.RIGHT)

    @property
    def is_available(self) -> bool:
        """True if an origin has the file, or, if none was tried, any location."""
        tried = {location.kind for location in self.locations} & ORIGINS
        return not self.fault and any(
            location.answer is Answer.RIGHT for location in self.locations if not tried or location.kind in ORIGINS
        )


def list_units(files: Iterable[PinnedFile]) -> tuple[CheckedUnit, ...]:
    """Return the units of pinned files, in their order; an archive has the position of its first patch."""
    files = tuple(files)
    archives = {archive.sha256: archive for archive in list_patch_archives(files)}
    units: dict[str, CheckedUnit] = {}
    for file in files:
        if file.archive is None:
            units[file.sha256] = CheckedUnit(file=file)
            continue
        sha256 = file.archive.sha256
        patches = units[sha256].patches if sha256 in units else ()
        units[sha256] = CheckedUnit(file=archives[sha256], patches=(*patches, file))
    return tuple(units.values())


def name_operator(host: str) -> str:
    """Return who operates a host: its domain of two labels, such as `gnome.org`, or the host itself if it has no name.

    Hosts of one domain fail together often enough not to count as two. Domains with a longer public suffix count as one, too.
    """
    name = host.lower().rpartition("]")[2].partition(":")[0] if not host.startswith("[") else host
    try:
        ipaddress.ip_address(name)
    except ValueError:
        labels = name.rstrip(".").split(".")
        return ".".join(labels[-2:]) if len(labels) > 1 and not host.startswith("[") else host.lower()
    return host
