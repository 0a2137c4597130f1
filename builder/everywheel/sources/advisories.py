"""Known vulnerabilities from files and URLs: Debian's security tracker, and entries of OSV databases."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from everywheel.errors import SourceError
from everywheel.sources.osv import InvalidEntry, OsvEntry, is_osv, parse_entries
from everywheel.sources.security_tracker import Vulnerability, parse_tracker, read_location
from everywheel.sources.url import hide_password

_MOST_FILES = 100_000
_HINT = (
    "it is Debian's security tracker in JSON, or entries in OSV's format: a JSON file, a folder of such files, or a URL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisories:
    """Vulnerabilities by source package of Debian, and of upstream projects.

    A package without known vulnerabilities has an empty tuple; without a tracker, `packages` is empty.
    """

    packages: Mapping[str, Sequence[Vulnerability]] = field(default_factory=dict)
    entries: tuple[OsvEntry, ...] = ()


def load_advisories(locations: Sequence[str], packages: Collection[str], store: Path) -> Advisories:
    """Return what files, folders and URLs state about source packages of Debian and upstream projects.

    Raises SourceError when one is not available, or has neither format.
    """
    known: dict[str, tuple[Vulnerability, ...]] = {}
    entries: list[OsvEntry] = []
    for location in locations:
        for name, content in _read_all(location, store):
            try:
                document = json.loads(content)
            except (ValueError, RecursionError):
                document = None  # the parser of the tracker states the reason
            if is_osv(document):
                entries += _parse(document, name)
            else:
                tracker = parse_tracker(content, packages, name)
                known = {package: (*known.get(package, ()), *others) for package, others in tracker.items()}
    return Advisories(packages=known, entries=tuple(entries))


def _read_all(location: str, store: Path) -> list[tuple[str, bytes]]:
    folder = Path(location)
    if not folder.is_dir():
        return [(hide_password(location), read_location(location, store))]
    files = sorted(folder.glob("*.json"))
    if not files or len(files) > _MOST_FILES:
        reason = "it has no .json file" if not files else f"it has over {_MOST_FILES} files"
        raise SourceError(f"{location} has no known vulnerabilities", details={"reason": reason}, hint=_HINT)
    return [(str(file), read_location(str(file), store)) for file in files]


def _parse(document: object, name: str) -> list[OsvEntry]:
    try:
        return list(parse_entries(document))
    except InvalidEntry as reason:
        raise SourceError(f"{name} does not have the format of OSV", details={"reason": reason}, hint=_HINT) from None
