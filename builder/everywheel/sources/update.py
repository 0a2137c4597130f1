"""Updates of a recipe's pins to another revision of its source package: the archive, the packaging and its patches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from everywheel.config.recipe import Recipe
from everywheel.config.source import OmittedPatch, Patch
from everywheel.errors import SourceError, UsageError, count_noun
from everywheel.sources.cache import hash_bytes
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.distro.apt import ListedFile, Revision
from everywheel.sources.distro.apt_archives import ROLLING_RELEASES, Archive
from everywheel.sources.distro.debian_source import PackageClient
from everywheel.sources.distro.debian_version import DebianVersion
from everywheel.sources.distro.packaging import PackagedPatch, Packaging, read_packaging, sort_key
from everywheel.sources.package_state import (
    PackageState,
    find_archive,
    find_packaging,
    find_pinned_packaging,
    find_state,
    name_release,
)
from everywheel.sources.request import Unavailable, list_source_files

NO_VULNERABILITY = "names no vulnerability"
"""The reason for leaving out a patch of a recipe that had no patches of its package before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchPin:
    """A patch of the new packaging; `name` is empty for the last part of `file`."""

    file: str
    sha256: str
    size: int
    name: str = ""
    fixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeUpdate:
    """The new pins of one recipe.

    Attributes:
        revision: the revision of the source package that they are taken from.
        version: upstream's version in it.
        archive: its archive.
        packaging: the archive with the patches, None if no patch is pinned.
        patches: the patches in the order in which they are applied.
        omitted: the patches that are left out on purpose, with the reasons.
        fixes: the vulnerabilities that the new pins fix and the old ones did not.
    """

    recipe: Recipe
    revision: Revision
    version: str
    archive: ListedFile
    packaging: ListedFile | None
    patches: tuple[PatchPin, ...] = ()
    omitted: tuple[OmittedPatch, ...] = ()
    fixes: tuple[str, ...] = ()

    @property
    def changes_version(self) -> bool:
        return self.version != self.recipe.version

    @property
    def added(self) -> tuple[str, ...]:
        """The files of patches that the recipe did not have."""
        old = {patch.file for patch in list_packaged(self.recipe)}
        return tuple(patch.file for patch in self.patches if patch.file not in old)

    @property
    def changed(self) -> tuple[str, ...]:
        """The files of patches whose contents are others."""
        old = {patch.file: patch.sha256 for patch in list_packaged(self.recipe)}
        return tuple(patch.file for patch in self.patches if old.get(patch.file, patch.sha256) != patch.sha256)

    @property
    def removed(self) -> tuple[str, ...]:
        """The files of patches that the new revision no longer has."""
        new = {patch.file for patch in self.patches}
        return tuple(patch.file for patch in list_packaged(self.recipe) if patch.file not in new)


def list_packaged(recipe: Recipe) -> tuple[Patch, ...]:
    """Return the patches that a recipe takes from the packaging of its own source package."""
    package = recipe.source.debian.package if recipe.source.debian else ""
    return tuple(
        patch
        for patch in recipe.source.patches
        if patch.archive is not None and patch.archive.debian is not None and patch.archive.debian.package == package
    )


def list_omitted(recipe: Recipe) -> dict[str, OmittedPatch]:
    """Return the patches of the packaging that a recipe leaves out on purpose, by file."""
    archives = dict.fromkeys(patch.archive for patch in list_packaged(recipe) if patch.archive is not None)
    return {omitted.file: omitted for archive in archives for omitted in archive.omitted}


def plan_update(
    state: PackageState, client: PackageClient, version: str = "", *, without_patches: bool = False
) -> RecipeUpdate | None:
    """Return the update of a recipe to the newest revision in its release, or to an upstream version; None without one.

    `without_patches` pins the archive only. Raises Unavailable when the packaging of that revision cannot be read, and
    UsageError for a version that no release has.
    """
    revision = _choose_revision(state, version)
    if revision is None:
        return None
    archive, recipe = find_archive(revision), state.recipe
    if archive is None:
        raise Unavailable(f"{revision.package} {revision.version} has several archives, or none")
    path = None if without_patches or recipe.source.omit_patches else client.get_packaging(revision)
    packaging = read_packaging(path) if path is not None else Packaging(patches=())
    pins, omitted = _choose_patches(state, packaging)
    known = {fix for patch in recipe.source.patches for fix in patch.fixes}
    fixes = {*packaging.list_fixes(state.pinned), *(fix for pin in pins for fix in pin.fixes if fix[:4] == "CVE-")}
    left_out = {fix for patch in packaging.patches if patch.file in omitted for fix in patch.fixes}
    fixes -= left_out - {fix for pin in pins for fix in pin.fixes}
    packaging_file = find_packaging(revision) if pins or (_is_patch(revision, recipe) and not without_patches) else None
    update = RecipeUpdate(
        recipe=recipe,
        revision=revision,
        version=_name_version(recipe, archive, revision),
        archive=archive,
        packaging=packaging_file,
        patches=tuple(pins),
        omitted=tuple(omitted.values()),
        fixes=tuple(sorted(fixes - known, key=sort_key)),
    )
    return update if has_changes(update) else None


def has_changes(update: RecipeUpdate) -> bool:
    """Return whether an update changes a pin: the archive, the packaging, or a patch."""
    recipe, new = update.recipe, update.packaging
    old = find_pinned_packaging(recipe)
    return (
        update.archive.sha256 != recipe.source.sha256
        or (new.sha256 if new else "") != (old.sha256 if old else "")
        or [(patch.file, patch.sha256) for patch in list_packaged(recipe)]
        != [(pin.file, pin.sha256) for pin in update.patches]
    )


def _is_patch(revision: Revision, recipe: Recipe) -> bool:
    """Return whether the packaging is itself a patch (`.diff.gz`), as that of a recipe which has it already."""
    new = find_packaging(revision)
    return new is not None and new.name.endswith(".diff.gz") and find_pinned_packaging(recipe) is not None


def find_target(state: PackageState) -> Revision | None:
    """Return the revision that the pins of a recipe are compared with; None if the pins are newer, or from no release."""
    newest = _find_newest(state)
    return newest if newest is not None and DebianVersion(newest.version) >= state.pinned else None


def _choose_revision(state: PackageState, version: str) -> Revision | None:
    """Return the revision to pin: the newest of the release, or of the first release that has the upstream version."""
    if not version:
        return find_target(state)
    matching = [r for r in state.revisions if version in (DebianVersion(r.version).upstream, r.version)]
    if not matching:
        available = dict.fromkeys(DebianVersion(revision.version).upstream for revision in state.revisions)
        raise UsageError(
            f"{state.recipe.name}: no release of the distribution has version {version}",
            details={"available versions": ", ".join(available) or "none"},
            hint="`everywheel recipes outdated` lists the versions; another one is pinned by hand",
        )
    first = next((release for revision in matching for release in map(name_release, revision.suites)), "")
    of_release = [r for r in matching if first in map(name_release, r.suites)] or matching
    return max(of_release, key=lambda revision: DebianVersion(revision.version))


def _find_newest(state: PackageState) -> Revision | None:
    """Return the newest revision of the release; in a rolling release, that of the pinned archive."""
    if state.release not in ROLLING_RELEASES:
        return state.newest
    same = [r for r in state.revisions if DebianVersion(r.version).archive_version == state.pinned.archive_version]
    of_release = [r for r in same if state.release in map(name_release, r.suites)]
    return max(of_release, key=lambda revision: DebianVersion(revision.version), default=None)


def _choose_patches(state: PackageState, packaging: Packaging) -> tuple[list[PatchPin], dict[str, OmittedPatch]]:
    """Return the patches to apply and those to leave out, in the order of the packaging.

    A patch that the recipe has, or leaves out, stays so. A new one is applied; in a recipe that had no packaging before, only
    if it names a vulnerability, since the others adapt the library to the distribution.
    """
    old = {patch.file: patch for patch in list_packaged(state.recipe)}
    left_out, has_packaging = list_omitted(state.recipe), find_pinned_packaging(state.recipe) is not None
    pins: list[PatchPin] = []
    omitted: dict[str, OmittedPatch] = {}
    for patch in packaging.patches:
        if patch.file in left_out:
            omitted[patch.file] = left_out[patch.file]
        elif patch.file in old or has_packaging or patch.fixes:
            pins.append(_pin(patch, old))
        else:
            omitted[patch.file] = OmittedPatch(file=patch.file, reason=NO_VULNERABILITY)
    return (pins, omitted) if pins else ([], {})


def _pin(patch: PackagedPatch, old: Mapping[str, Patch]) -> PatchPin:
    known = old.get(patch.file)
    name = known.name if known is not None and known.name != patch.file.rpartition("/")[2] else ""
    return PatchPin(
        file=patch.file,
        sha256=hash_bytes(patch.content),
        size=len(patch.content),
        name=name,
        fixes=known.fixes if known is not None else patch.fixes,
    )


def _name_version(recipe: Recipe, archive: ListedFile, revision: Revision) -> str:
    """Return upstream's version; that of the recipe if the archive is the same."""
    return recipe.version if archive.sha256 == recipe.source.sha256 else DebianVersion(revision.version).upstream


def describe_update(update: RecipeUpdate) -> str:
    """Return a changelog fragment, a sentence or two about one recipe."""
    recipe = update.recipe
    parts = list(_describe_patches(update))
    if update.changes_version:
        begin = f"{recipe.name} {update.version} instead of {recipe.version}"
    else:
        begin = f"{recipe.name} {recipe.version} with the patches of Debian's revision {update.revision.version}"
    text = f"{begin} ({', '.join(parts)})." if parts else f"{begin}."
    if update.fixes:
        text += f" It fixes {_join(update.fixes)}."
    return text


def _describe_patches(update: RecipeUpdate) -> Iterator[str]:
    counts = {"new": update.added, "changed": update.changed, "no longer needed": update.removed}
    for state, files in counts.items():
        if files:
            yield f"{count_noun(len(files), 'patch', 'patches')} {state}"


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def open_package_lists(
    recipes: Sequence[Recipe], store: Path, archives: tuple[Archive, ...] | None = None, *, timeout: float = 600.0
) -> tuple[PackageClient, dict[str, PackageState]]:
    """Return the package client, and the state of each recipe in the updated lists, by name.

    `archives` are those of `SourceLocations`. Raises SourceError on a machine without a package client, and when the lists
    cannot be updated.
    """
    client = PackageClient(store=store, archives=archives, files=list_source_files(recipes), deadline=Deadline(timeout))
    if not client.exists:
        raise SourceError(
            "this machine has no package client, which reads the distribution's signed lists",
            hint="run it on Debian, or in a container of Debian",
        )
    try:
        revisions = client.list_revisions()
        return client, {recipe.name: find_state(recipe, revisions, client.suites) for recipe in recipes}
    except Unavailable as error:
        reason = str(error)
    except DeadlineExceeded:
        reason = f"they did not arrive within {timeout:g} s"
    raise SourceError(
        "the distribution's package lists cannot be updated",
        details={"reason": reason},
        hint="run it again when the network and the package archives can be reached",
    )
