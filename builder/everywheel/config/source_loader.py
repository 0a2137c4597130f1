"""Reading and validating `[source]` of a recipe.toml: the pinned archive, its patches, and where they are found."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from everywheel.config.known_keys import RECIPE_KEYS
from everywheel.config.source import DebianFile, OmittedPatch, Patch, PatchArchive, Source
from everywheel.config.text_rules import DEBIAN_PACKAGE, FILE_NAME, FIX, PATH, REASON, URL, TextRule
from everywheel.config.toml_reader import Table
from everywheel.errors import UsageError

_LOCATIONS = 'add `urls = ["https://…"]`, or `debian = { package = "…", file = "…" }`'


def load_source(table: Table, version: str) -> Source:
    """Read `[source]` of a recipe; raise UsageError, naming file and key, for an error in it."""
    table.check_keys(RECIPE_KEYS, "source")
    urls, debian = _load_urls(table, version), _load_debian(table, version)
    archives = [_load_patch_archive(archive, version) for archive in table.tables("patch-archives")]
    source = Source(
        filename=_choose_filename(table, "the source", urls, debian),
        sha256=_load_sha256(table),
        size=_load_size(table),
        sha1=_load_sha1(table),
        urls=urls,
        debian=debian,
        omit_patches=table.text("omit-patches", rule=REASON) if table.has("omit-patches") else "",
        patches=(
            *(patch for patches in archives for patch in patches),
            *(_load_patch(patch, version) for patch in table.tables("patches")),
        ),
    )
    _reject_duplicates(table, source)
    return source


def _load_patch_archive(table: Table, version: str) -> tuple[Patch, ...]:
    """Return the patches of one table of `patch-archives`, in its order."""
    table.check_keys(RECIPE_KEYS, "source.patch-archives")
    urls, debian = _load_urls(table, version), _load_debian(table, version)
    archive = PatchArchive(
        filename=_choose_filename(table, "the archive", urls, debian),
        sha256=_load_sha256(table),
        size=_load_size(table),
        sha1=_load_sha1(table),
        urls=urls,
        debian=debian,
        omitted=tuple(_load_omitted(omitted) for omitted in table.tables("omit")),
    )
    patches = tuple(_load_member(patch, archive) for patch in table.tables("patches"))
    if not patches:
        raise UsageError(
            f"{table.location}: no patch of '{archive.filename}' is listed",
            hint='add `patches = [{ file = "debian/patches/…", sha256 = "…" }]`',
        )
    _reject_applied(table, archive, {patch.file for patch in patches})
    return patches


def _load_omitted(table: Table) -> OmittedPatch:
    table.check_keys(RECIPE_KEYS, "source.patch-archives.omit")
    return OmittedPatch(
        file=PurePosixPath(table.text("file", rule=PATH)).as_posix(), reason=table.text("reason", rule=REASON)
    )


def _reject_applied(table: Table, archive: PatchArchive, applied: Collection[str]) -> None:
    """Raise UsageError for a patch that is both applied and left out."""
    for omitted in archive.omitted:
        if omitted.file in applied:
            raise UsageError(
                f"{table.location}: '{omitted.file}' is in 'patches' and in 'omit'",
                details={"reason in 'omit'": omitted.reason},
                hint="remove it from one of them",
            )


def _load_member(table: Table, archive: PatchArchive) -> Patch:
    table.check_keys(RECIPE_KEYS, "source.patch-archives.patches")
    file = table.text("file", rule=PATH)
    return Patch(
        name=table.text("name", PurePosixPath(file).name, rule=FILE_NAME),
        sha256=_load_sha256(table),
        size=_load_size(table),
        fixes=table.texts("fixes", rule=FIX),
        archive=archive,
        file=PurePosixPath(file).as_posix(),
    )


def _load_patch(table: Table, version: str) -> Patch:
    table.check_keys(RECIPE_KEYS, "source.patches")
    patch = Patch(
        name=table.text("name", rule=FILE_NAME),
        sha256=_load_sha256(table),
        size=_load_size(table),
        fixes=table.texts("fixes", rule=FIX),
        sha1=_load_sha1(table),
        urls=_load_urls(table, version),
        debian=_load_debian(table, version),
    )
    if not patch.urls and patch.debian is None:
        raise _report_no_location(table, f"'{patch.name}'")
    return patch


def _reject_duplicates(table: Table, source: Source) -> None:
    """Raise UsageError for a patch that is listed twice: it would not apply a second time."""
    seen: dict[str, str] = {}
    for patch in source.patches:
        if patch.sha256 in seen:
            raise UsageError(
                f"{table.location}: '{patch.name}' has the hash of '{seen[patch.sha256]}'",
                details={"sha256": patch.sha256},
                hint="each patch is listed once, in the order in which the patches are applied",
            )
        seen[patch.sha256] = patch.name


def _choose_filename(table: Table, subject: str, urls: tuple[str, ...], debian: DebianFile | None) -> str:
    filename = debian.file if debian else PurePosixPath(urls[0]).name if urls else ""
    if not filename:
        raise _report_no_location(table, subject)
    return filename


def _report_no_location(table: Table, subject: str) -> UsageError:
    return UsageError(f"{table.location}: neither 'urls' nor 'debian' names a location of {subject}", hint=_LOCATIONS)


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


def _load_debian(table: Table, version: str) -> DebianFile | None:
    if not table.has("debian"):
        return None
    debian = table.table("debian")
    debian.check_keys(RECIPE_KEYS, "source.debian")
    return DebianFile(
        package=debian.text("package", rule=DEBIAN_PACKAGE),
        file=_expand(debian, "file", debian.text("file"), version, FILE_NAME),
    )


def _load_size(table: Table) -> int:
    """Return the pinned size in bytes; 0 without one."""
    if not table.has("size"):
        return 0
    value = table.number("size")
    if value < 1:
        raise UsageError(f"{table.location}: 'size' must be the number of bytes of the file", details={"value": value})
    return value


def _load_sha256(table: Table) -> str:
    return _load_hash(table, "sha256", 64, "`sha256sum ARCHIVE` prints it", ...)


def _load_sha1(table: Table) -> str:
    """Return the hash by which the distribution's snapshot service has the file; empty without one."""
    return _load_hash(table, "sha1", 40, "`sha1sum ARCHIVE` prints it", "")


def _load_hash(table: Table, key: str, digits: int, hint: str, default: object) -> str:
    value = table.text(key, default)
    if (value or table.has(key)) and (len(value) != digits or value.strip("0123456789abcdef")):
        raise UsageError(
            f"{table.location}: '{key}' must be {digits} lower-case hex digits", details={"value": value}, hint=hint
        )
    return value
