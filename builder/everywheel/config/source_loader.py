"""Reading and validating `[source]` of a recipe.toml: the pinned archive, its patches, and where they are found."""

from __future__ import annotations

from pathlib import PurePosixPath

from everywheel.config.recipe import DebianFile, Patch, Source
from everywheel.config.text_rules import DEBIAN_PACKAGE, DEBIAN_REVISION, FILE_NAME, PATH, URL, TextRule
from everywheel.config.toml_reader import Table
from everywheel.errors import UsageError

_LOCATIONS = 'add `urls = ["https://…"]`, or `debian = { package = "…", file = "…" }`'


def load_source(table: Table, version: str) -> Source:
    """Read `[source]` of a recipe; raise UsageError, naming file and key, for an error in it."""
    urls, debian = _load_urls(table, version), _load_debian(table, version, FILE_NAME)
    filename = debian.file if debian else PurePosixPath(urls[0]).name if urls else ""
    if not filename:
        raise UsageError(
            f"{table.location}: neither 'urls' nor 'debian' names a location of the source", hint=_LOCATIONS
        )
    source = Source(
        filename=filename,
        sha256=_load_sha256(table),
        size=_load_size(table),
        urls=urls,
        debian=debian,
        patches=tuple(_load_patch(patch, version) for patch in table.tables("patches")),
    )
    table.reject_unknown_keys()
    return source


def _load_patch(table: Table, version: str) -> Patch:
    patch = Patch(
        name=table.text("name", rule=FILE_NAME),
        sha256=_load_sha256(table),
        size=_load_size(table),
        urls=_load_urls(table, version),
        debian=_load_debian(table, version, PATH),
    )
    if not patch.urls and patch.debian is None:
        raise UsageError(
            f"{table.location}: neither 'urls' nor 'debian' names a location of '{patch.name}'", hint=_LOCATIONS
        )
    table.reject_unknown_keys()
    return patch


def _load_urls(table: Table, version: str) -> tuple[str, ...]:
    return tuple(_expand(table, "urls", url, version, URL) for url in table.texts("urls"))


def _expand(table: Table, key: str, text: str, version: str, rule: TextRule) -> str:
    """Return a text with the version in it; raise UsageError for another placeholder and for an invalid result."""
    expanded = text.replace("{version}", version)
    if "{" in expanded:
        raise UsageError(
            f"{table.location}: '{key}' has an unknown placeholder",
            details={"value": text},
            hint="`{version}` is the only placeholder",
        )
    if not rule.accepts(expanded):
        raise UsageError(
            f"{table.location}: '{key}' must be {rule.description}", details={"value": repr(expanded)}, hint=rule.hint
        )
    return expanded


def _load_debian(table: Table, version: str, rule: TextRule) -> DebianFile | None:
    if not table.has("debian"):
        return None
    debian = table.table("debian")
    file = DebianFile(
        package=debian.text("package", rule=DEBIAN_PACKAGE),
        file=_expand(debian, "file", debian.text("file"), version, rule),
        revision=debian.text("revision", "", rule=DEBIAN_REVISION),
    )
    debian.reject_unknown_keys()
    return file


def _load_size(table: Table) -> int:
    """Return the pinned size in bytes; 0 without one."""
    if not table.has("size"):
        return 0
    value = table.number("size")
    if value < 1:
        raise UsageError(f"{table.location}: 'size' must be the number of bytes of the file", details={"value": value})
    return value


def _load_sha256(table: Table) -> str:
    value = table.text("sha256")
    if len(value) != 64 or value.strip("0123456789abcdef"):
        raise UsageError(
            f"{table.location}: 'sha256' must be 64 lower-case hex digits",
            details={"value": value},
            hint="`sha256sum ARCHIVE` prints it",
        )
    return value
