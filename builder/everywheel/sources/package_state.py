"""The pins of a recipe in the distribution: the pinned revision, its release, and the newest revision there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from everywheel.config.recipe import Recipe
from everywheel.config.source import Patch, PatchArchive
from everywheel.sources.distro.apt import ListedFile, Revision
from everywheel.sources.distro.debian_version import DebianVersion

_ARCHIVE = re.compile(r"[^_]+_(.+?)(?:\.orig)?\.tar\.[a-z0-9]+")
_PACKAGING = re.compile(r"[^_]+_(.+)\.(?:debian\.tar\.[a-z0-9]+|diff\.gz)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageState:
    """A recipe's source package.

    Attributes:
        pinned: the version whose fixes the pins contain; for a recipe without the packaging, the first one of its archive.
        release: the code name of the first release that has the pinned archive or a newer one, empty if there is none.
        newest: the newest revision in that release.
        revisions: all revisions in the lists.
    """

    recipe: Recipe
    pinned: DebianVersion
    release: str
    newest: Revision | None
    revisions: tuple[Revision, ...]


def find_state(recipe: Recipe, revisions: Sequence[Revision], suites: Sequence[str]) -> PackageState:
    """Return the state of a recipe that has a source package; `suites` have the releases in the order of preference."""
    assert recipe.source.debian is not None
    own = [revision for revision in revisions if revision.package == recipe.source.debian.package]
    pinned = _find_pinned(recipe, own)
    releases = tuple(dict.fromkeys(map(name_release, suites)))
    listed = {release: [r for r in own if release in map(name_release, r.suites)] for release in releases}
    newest = {release: max(listed[release], key=_version) for release in releases if listed[release]}
    release = next((name for name, revision in newest.items() if _has_or_follows(_version(revision), pinned)), "")
    return PackageState(recipe=recipe, pinned=pinned, release=release, newest=newest.get(release), revisions=tuple(own))


def _has_or_follows(newest: DebianVersion, pinned: DebianVersion) -> bool:
    return newest.archive_version == pinned.archive_version or newest > pinned


def name_release(suite: str) -> str:
    """Return the code name of a suite's release: `trixie` for `trixie-security`."""
    return suite.partition("-")[0]


def find_archive(revision: Revision) -> ListedFile | None:
    """Return the archive of a revision; None for one with several, or with none of a known form."""
    archives = [file for file in revision.files if ".orig.tar." in file.name and not file.name.endswith(".asc")]
    return archives[0] if len(archives) == 1 else None


def find_packaging(revision: Revision) -> ListedFile | None:
    """Return the packaging of a revision: its `.debian.tar`, or its `.diff.gz` in the older format."""
    return next((file for file in revision.files if _PACKAGING.fullmatch(file.name)), None)


def _version(revision: Revision) -> DebianVersion:
    return DebianVersion(revision.version)


def find_pinned_packaging(recipe: Recipe) -> PatchArchive | Patch | None:
    """Return the pinned packaging of a recipe's own source package; a patch if the packaging is one (`.diff.gz`)."""
    package = recipe.source.debian.package if recipe.source.debian else ""
    for patch in recipe.source.patches:
        file = patch if patch.archive is None else patch.archive
        if file.debian and file.debian.package == package and _PACKAGING.fullmatch(file.debian.file):
            return file
    return None


def _find_pinned(recipe: Recipe, own: Sequence[Revision]) -> DebianVersion:
    """Return the pinned version, with the epoch that the lists have and file names do not."""
    epochs = {revision.version.rpartition(":")[2]: revision.version.rpartition(":")[0] for revision in own}
    packaging = find_pinned_packaging(recipe)
    if packaging is not None and packaging.debian is not None:
        version = _PACKAGING.sub(r"\1", packaging.debian.file)
    else:
        match = _ARCHIVE.fullmatch(recipe.source.filename)
        version = f"{match[1] if match else recipe.version}-1"
    # A version of its own epoch; without one, that of the package's other versions.
    epoch = epochs.get(version) or max(epochs.values(), key=lambda text: int(text or 0), default="")
    return DebianVersion(f"{epoch}:{version}" if epoch else version)
