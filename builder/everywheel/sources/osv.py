"""Entries of OSV databases: vulnerabilities of upstream projects, from JSON files (https://ossf.github.io/osv-schema/).

They come from outside: sizes are limited, and every value that is used is checked. Versions are the tags that a database
lists, which it derives from the commits that introduced and fixed a vulnerability, or ranges of versions. osv.dev adds to a
range of commits the versions that it found them by (`extracted_events`, https://github.com/google/osv.dev/issues/6020).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_RANGES = ("SEMVER", "ECOSYSTEM")
_PRE_RELEASE = re.compile(r"(?i)(?<![a-z])(rc|alpha|beta|pre|dev|test)")
_NUMBERS = re.compile(r"\d+(?:[._-]\d+)*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_EXTRACTED = ("extracted_events", "versions")  # in `database_specific` of a range of commits
_LONGEST_TEXT = 200  # characters of a text that is shown
# The ecosystems of upstream projects; those of distributions and languages have packages of their own names.
_UPSTREAM = ("", "OSS-Fuzz", "GIT")


class InvalidEntry(Exception):
    """A value does not have the format of OSV; the text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRange:
    """Versions from `introduced` up to `fixed`, or up to and with `last`; each is a sequence of numbers, empty for none."""

    introduced: tuple[int, ...]
    fixed: tuple[int, ...] = ()
    last: tuple[int, ...] = ()

    def contains(self, version: tuple[int, ...]) -> bool:
        before = (not self.fixed or version < self.fixed) and (not self.last or version <= self.last)
        return version >= self.introduced and before


@dataclass(frozen=True, slots=True, kw_only=True)
class OsvEntry:
    """A vulnerability of upstream projects.

    `names` are those of the projects in lower case, `versions` the affected ones, and `ranges` contain further ones.
    `affected` and `fixed` are the commits that its ranges name.
    """

    id: str
    aliases: tuple[str, ...]
    summary: str
    names: frozenset[str]
    versions: frozenset[tuple[int, ...]]
    ranges: tuple[VersionRange, ...]
    affected: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """The CVE, if it has one, else the entry's own identifier."""
        return next((name for name in (self.id, *self.aliases) if name.startswith("CVE-")), self.id)

    @property
    def fixed_in(self) -> str:
        """The first version with a fix, empty if no range names one."""
        return ".".join(map(str, min((each.fixed for each in self.ranges if each.fixed), default=())))

    @property
    def has_versions(self) -> bool:
        """Return whether versions can be compared."""
        return bool(self.versions or self.ranges)

    def is_comparable(self, commit: str) -> bool:
        """Return whether the entry states something about a source: by its version, or if it names its commit."""
        return self.has_versions or commit in self.affected | self.fixed

    def affects(self, version: str, commit: str = "") -> bool:
        """Return whether a version is affected; `commit` is the one that its source has, empty if it is not known.

        Between two commits that an entry names, only the history of the repository shows which others are affected.
        """
        if commit in self.affected | self.fixed:
            return commit in self.affected
        numbers = parse_numbers(version)
        return bool(numbers) and (numbers in self.versions or any(each.contains(numbers) for each in self.ranges))


def is_osv(document: object) -> bool:
    """Return whether JSON has the form of OSV: an entry, a list of entries, or the answer of a database to a query."""
    if isinstance(document, list):
        return all(isinstance(entry, dict) and "id" in entry for entry in document)
    return isinstance(document, dict) and (
        isinstance(document.get("vulns"), list) or (isinstance(document.get("id"), str) and "modified" in document)
    )


def parse_entries(document: Any) -> Iterator[OsvEntry]:
    """Yield the entries of a document about upstream projects, without withdrawn ones; raise InvalidEntry."""
    entries = document.get("vulns", [document]) if isinstance(document, dict) else document
    for entry in entries:
        try:
            if "withdrawn" not in entry and (parsed := _parse_entry(entry)) is not None:
                yield parsed
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            label = str(entry.get("id"))[:60] if isinstance(entry, dict) else "an entry"
            raise InvalidEntry(f"{label}: {str(error)[:100] or type(error).__name__}") from None


def parse_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version or a tag, such as `v8.17.1` and `R_2_7_1`; empty for pre-releases and other texts.

    >>> [parse_numbers(text) for text in ("v8.17.1", "R_2_7_1", "libpng-1.6.58", "1.0", "8.17.0-rc1", "main")]
    [(8, 17, 1), (2, 7, 1), (1, 6, 58), (1,), (), ()]
    """
    if _PRE_RELEASE.search(version) or len(version) > _LONGEST_TEXT:
        return ()
    parts = max(_NUMBERS.findall(version), key=lambda text: (len(re.split("[._-]", text)), len(text)), default="")
    numbers = [int(part) for part in re.split("[._-]", parts) if part]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _parse_entry(entry: Mapping[str, Any]) -> OsvEntry | None:
    """Return an entry with what it states about upstream projects; None if that is nothing."""
    names, versions, ranges = set[str](), set[tuple[int, ...]](), list[VersionRange]()
    commits: list[Mapping[str, Any]] = []
    for affected in _expect_list(entry.get("affected", [])):
        projects = set(_list_names(affected))
        if not projects:
            continue
        names |= projects
        versions |= {parse_numbers(_expect_text(version)) for version in _expect_list(affected.get("versions", []))}
        for item in _expect_list(affected.get("ranges", [])):
            if item.get("type") in _RANGES:
                ranges += _parse_events(_expect_list(item["events"]))
            elif item.get("type") == "GIT":
                ranges += _parse_events(_list_extracted(item))
                commits += _expect_list(item.get("events", []))
    if not names:
        return None
    return OsvEntry(
        id=_expect_text(entry["id"])[:_LONGEST_TEXT],
        aliases=tuple(_expect_text(alias)[:_LONGEST_TEXT] for alias in _expect_list(entry.get("aliases", []))),
        summary=" ".join(_expect_text(entry.get("summary", "")).split())[:_LONGEST_TEXT],
        names=frozenset(names),
        versions=frozenset(versions - {()}),
        ranges=tuple(ranges),
        affected=frozenset(_list_commits(commits, "introduced", "last_affected")),
        fixed=frozenset(_list_commits(commits, "fixed")),
    )


def _list_extracted(item: Mapping[str, Any]) -> list[Any]:
    """Return the events with versions from which the commits of a range were derived."""
    specific = item.get("database_specific", {})
    return next((_expect_list(specific[key]) for key in _EXTRACTED if key in specific), [])


def _list_commits(events: Sequence[Mapping[str, Any]], *keys: str) -> Iterator[str]:
    for event in events:
        for key in keys:
            if _COMMIT.fullmatch(commit := _expect_text(event.get(key, ""))):
                yield commit


def _list_names(affected: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of an upstream project: that of its package, or of its repository if there is no package."""
    package = affected.get("package")
    if package is not None:
        purl = _expect_text(package.get("purl", ""))
        if purl.startswith("pkg:generic/"):
            yield re.split("[@?#]", purl.removeprefix("pkg:generic/"))[0].rpartition("/")[2].lower()
        if _expect_text(package.get("ecosystem", "")).partition(":")[0] in _UPSTREAM:
            yield _expect_text(package["name"]).lower()
        return
    for item in _expect_list(affected.get("ranges", [])):
        if item.get("type") == "GIT":
            yield _expect_text(item["repo"]).rstrip("/").removesuffix(".git").rpartition("/")[2].lower()


def _parse_events(events: list[Any]) -> Iterator[VersionRange]:
    introduced: tuple[int, ...] | None = None
    for event in events:
        if "introduced" in event:
            introduced = parse_numbers(_expect_text(event["introduced"]))
        elif introduced is not None and (key := next((key for key in ("fixed", "last_affected") if key in event), "")):
            numbers = parse_numbers(_expect_text(event[key]))
            end = {"fixed" if key == "fixed" else "last": numbers}
            yield VersionRange(introduced=introduced, **end)
            introduced = None
    if introduced is not None:
        yield VersionRange(introduced=introduced)


def _expect_list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a value is not a list")
    return value


def _expect_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a value is not a text")
    return value
