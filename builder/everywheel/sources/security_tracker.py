"""Debian's security tracker: the vulnerabilities of source packages, from a copy of its JSON file.

The file maps packages to vulnerabilities to releases (https://security-tracker.debian.org/tracker/data/json). It comes from
outside: its size is limited, and every value that is used is checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar, cast
from urllib.parse import unquote, urlsplit

from everywheel.errors import SourceError
from everywheel.execution.input_files import UnusableFile, read_file
from everywheel.execution.retry import RetryPolicy
from everywheel.sources.cache import open_scratch
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.distro.debian_version import DebianVersion
from everywheel.sources.http import download
from everywheel.sources.request import Unavailable
from everywheel.sources.url import Limits, hide_password

LARGEST_TRACKER = 256 << 20
"""The largest accepted file in bytes; the tracker's had 73 MB in 2026."""
ADDRESS = "https://security-tracker.debian.org/tracker/data/json"
_HINT = f"the tracker's own file is {ADDRESS}; a copy of it is accepted too"
_VULNERABILITY = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}|TEMP-[0-9]{7}-[0-9A-F]{6}", re.ASCII)
_LONGEST_TEXT = 200  # characters of a text that is shown
_Kind = TypeVar("_Kind")


class Status(StrEnum):
    """The tracker's statement about a vulnerability in a release."""

    OPEN = "open"
    RESOLVED = "resolved"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseStatus:
    """A vulnerability in one release; `fixed` is the first version without it, `0` for a release that never had it.

    `note` is the reason for which the release gets no update of its own, such as `Minor issue`. `versions` are those of the
    source package that the release has, in all of its suites.
    """

    status: Status
    fixed: str = ""
    urgency: str = ""
    note: str = ""
    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerability:
    """A vulnerability of a source package, by its CVE identifier or the tracker's temporary name."""

    name: str
    description: str
    releases: Mapping[str, ReleaseStatus]


class _WrongShape(Exception):
    """A value does not have the format of the tracker; the text has the reason and the entry."""


def load_tracker(
    location: str, packages: Collection[str], store: Path, *, timeout: float = 600.0
) -> dict[str, tuple[Vulnerability, ...]]:
    """Return the vulnerabilities of each package from a file or a URL with the tracker's JSON.

    A package without vulnerabilities has an empty tuple. Raises SourceError when the file is not available, or does not have
    the tracker's format.
    """
    return parse_tracker(read_location(location, store, timeout=timeout), packages, hide_password(location))


def parse_tracker(content: bytes, packages: Collection[str], name: str) -> dict[str, tuple[Vulnerability, ...]]:
    """Return the vulnerabilities of each package from the tracker's JSON; `name` is that of the file in errors."""
    try:
        document = _expect(json.loads(content), dict, "the file")
        if not document:
            raise _WrongShape("it contains no package")
        return {package: _parse_package(document.get(package, {}), package) for package in packages}
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError:
        reason = "it is not JSON"
    except _WrongShape as error:
        reason = str(error)
    raise SourceError(
        f"{name} does not have the format of Debian's security tracker", details={"reason": reason}, hint=_HINT
    )


def read_location(location: str, store: Path, *, timeout: float = 600.0) -> bytes:
    """Return the content of a file or a URL of at most LARGEST_TRACKER bytes; raise SourceError when it is not available."""
    name = hide_password(location)
    try:
        if not location.startswith(("http://", "https://")):
            path = Path(unquote(urlsplit(location).path) if location.startswith("file:") else location)
            return read_file(path, LARGEST_TRACKER)
        with open_scratch(store) as scratch:
            limits = Limits(deadline=Deadline(timeout), size=LARGEST_TRACKER)
            path = scratch / "tracker"
            download(location, path, limits=limits, retry_policy=RetryPolicy(), on_bytes=lambda size, total: None)
            return read_file(path, LARGEST_TRACKER)
    except DeadlineExceeded:
        reason = f"it did not arrive within {timeout:g} s"
    except (Unavailable, UnusableFile) as error:
        reason = str(error)
    except FileNotFoundError:
        reason = "no such file"
    raise SourceError(f"{name} is not available", details={"reason": reason}, hint=_HINT)


def _parse_package(value: object, package: str) -> tuple[Vulnerability, ...]:
    table = _expect(value, dict, package)
    return tuple(_parse_vulnerability(name, entry, f"{package}, {name[:40]}") for name, entry in sorted(table.items()))


def _parse_vulnerability(name: str, value: object, entry_name: str) -> Vulnerability:
    if not _VULNERABILITY.fullmatch(name):
        raise _WrongShape(f"{entry_name}: not the name of a vulnerability")
    table = _expect(value, dict, entry_name)
    releases = _expect(table.get("releases"), dict, f"{entry_name}: 'releases'")
    return Vulnerability(
        name=name,
        description=_read_text(table, "description", entry_name),
        releases={
            release: _parse_release(entry, f"{entry_name}, {release[:40]}") for release, entry in releases.items()
        },
    )


def _parse_release(value: object, entry_name: str) -> ReleaseStatus:
    table = _expect(value, dict, entry_name)
    status, fixed = table.get("status"), _expect(table.get("fixed_version", ""), str, f"{entry_name}: 'fixed_version'")
    if status not in list(Status):
        raise _WrongShape(f"{entry_name}: 'status' is not one of {', '.join(Status)}")
    if fixed:
        try:
            DebianVersion(fixed)
        except ValueError:
            raise _WrongShape(f"{entry_name}: 'fixed_version' is not a version") from None
    return ReleaseStatus(
        status=Status(cast(str, status)),
        fixed=fixed,
        urgency=_read_text(table, "urgency", entry_name),
        note=_read_text(table, "nodsa", entry_name),
        versions=_read_versions(table, entry_name),
    )


def _read_versions(table: Mapping[str, object], entry_name: str) -> tuple[str, ...]:
    """Return the versions in the release's suites."""
    versions = _expect(table.get("repositories", {}), dict, f"{entry_name}: 'repositories'")
    for suite, version in versions.items():
        try:
            DebianVersion(_expect(version, str, f"{entry_name}: '{suite[:40]}'"))
        except ValueError:
            raise _WrongShape(f"{entry_name}: '{suite[:40]}' is not a version") from None
    return tuple(versions.values())


def _read_text(table: Mapping[str, object], key: str, entry_name: str) -> str:
    """Return an optional text as one short line."""
    value = table.get(key)
    return "" if value is None else " ".join(_expect(value, str, f"{entry_name}: '{key}'").split())[:_LONGEST_TEXT]


def _expect(value: object, kind: type[_Kind], entry_name: str) -> _Kind:
    if not isinstance(value, kind):
        expected = "an object" if kind is dict else "a text"
        raise _WrongShape(f"{entry_name} is not {expected}")
    return value
