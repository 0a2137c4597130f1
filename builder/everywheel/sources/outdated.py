"""Differences between the pins of recipes and the distribution: newer versions and revisions, and open vulnerabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from everywheel.config.recipe import Recipe
from everywheel.errors import SourceError
from everywheel.sources.distro.apt_archives import ROLLING_RELEASES, Archive
from everywheel.sources.distro.debian_version import DebianVersion
from everywheel.sources.distro.packaging import find_fixes, sort_key
from everywheel.sources.package_state import PackageState, name_release
from everywheel.sources.request import Unavailable
from everywheel.sources.security_tracker import ReleaseStatus, Status, Vulnerability, load_tracker
from everywheel.sources.update import (
    describe_update,
    find_target,
    list_omitted,
    open_package_lists,
    plan_update,
)

UNIMPORTANT = "unimportant"
"""The tracker's urgency of a vulnerability that does not affect the security of the distribution's packages."""


class FindingKind(StrEnum):
    """The kinds of differences."""

    VERSION = "newer version"
    REVISION = "newer revision"
    UNREADABLE = "unreadable revision"
    VULNERABILITY = "open vulnerability"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference; `subject` is the version, the revision or the vulnerability, and `suites` are those that have it."""

    recipe: str
    version: str
    kind: FindingKind
    subject: str
    detail: str = ""
    suites: tuple[str, ...] = ()
    urgency: str = ""

    @property
    def is_security(self) -> bool:
        """True for a revision of the release, which has fixes only, and for an open vulnerability."""
        return self.kind is not FindingKind.VERSION

    @property
    def counts(self) -> bool:
        """True if the recipe is outdated because of it."""
        return self.urgency != UNIMPORTANT


def find_outdated(
    recipes: Sequence[Recipe], store: Path, tracker: str = "", archives: tuple[Archive, ...] | None = None
) -> tuple[Finding, ...]:
    """Return the differences of recipes, in their order; `tracker` is a file or URL, empty for no vulnerabilities.

    `archives` are those of `SourceLocations`. Recipes without a source package are skipped. Raises SourceError without a
    package client, package lists or tracker.
    """
    known = [recipe for recipe in recipes if recipe.source.debian is not None]
    packages = [recipe.source.debian.package for recipe in known if recipe.source.debian is not None]
    vulnerabilities = load_tracker(tracker, packages, store) if tracker else {}
    client, states = open_package_lists(known, store, archives)
    findings: list[Finding] = []
    for recipe in known:
        state = states[recipe.name]
        findings += _list_versions(state)
        try:
            update = plan_update(state, client)
        except Unavailable as reason:
            target = find_target(state)
            subject, suites = (target.version, target.suites) if target else ("", ())
            findings.append(_make(recipe, FindingKind.UNREADABLE, subject, detail=str(reason), suites=suites))
        else:
            if update is not None:
                detail, revision = describe_update(update), update.revision
                findings.append(
                    _make(recipe, FindingKind.REVISION, revision.version, detail=detail, suites=revision.suites)
                )
        assert recipe.source.debian is not None
        findings += _list_vulnerabilities(state, vulnerabilities.get(recipe.source.debian.package, ()))
    return tuple(findings)


def _make(
    recipe: Recipe,
    kind: FindingKind,
    subject: str,
    *,
    detail: str = "",
    suites: tuple[str, ...] = (),
    urgency: str = "",
) -> Finding:
    return Finding(
        recipe=recipe.name,
        version=recipe.version,
        kind=kind,
        subject=subject,
        detail=detail,
        suites=suites,
        urgency=urgency,
    )


def _list_versions(state: PackageState) -> Iterator[Finding]:
    """Yield the newest upstream version of each release that is newer than the pinned one."""
    current = DebianVersion(state.pinned.upstream)
    newest: dict[str, DebianVersion] = {}
    for revision in state.revisions:
        version = DebianVersion(DebianVersion(revision.version).upstream)
        for release in map(name_release, revision.suites):
            newest[release] = max(version, newest.get(release, version))
    suites: dict[str, list[str]] = {}
    for release, version in newest.items():
        if version > current:
            suites.setdefault(version.text, []).append(release)
    for text in sorted(suites, key=DebianVersion):
        yield _make(state.recipe, FindingKind.VERSION, text, suites=tuple(suites[text]))


def _list_vulnerabilities(state: PackageState, vulnerabilities: Sequence[Vulnerability]) -> Iterator[Finding]:
    """Yield the vulnerabilities that neither a patch nor the pinned version fixes, and no omitted patch answers for."""
    source = state.recipe.source
    if source.omit_patches:
        return
    settled = {fix for patch in source.patches for fix in patch.fixes}
    settled |= {fix for file in list_omitted(state.recipe) for fix in find_fixes(file, b"")}
    for vulnerability in sorted(vulnerabilities, key=lambda vulnerability: sort_key(vulnerability.name)):
        if vulnerability.name not in settled and not is_fixed(vulnerability.releases, state):
            status = _choose_status(vulnerability.releases, state.release)
            detail = "; ".join(part for part in (vulnerability.description, status.note) if part)
            yield _make(
                state.recipe,
                FindingKind.VULNERABILITY,
                vulnerability.name,
                detail=detail,
                urgency="" if status.urgency == "not yet assigned" else status.urgency,
            )


def _choose_status(releases: Mapping[str, ReleaseStatus], release: str) -> ReleaseStatus:
    rolling = [releases[name] for name in releases if name in ROLLING_RELEASES]
    return releases.get(release) or next(iter(rolling), ReleaseStatus(status=Status.UNDETERMINED))


def is_fixed(releases: Mapping[str, ReleaseStatus], state: PackageState) -> bool:
    """Return whether the pinned version does not have a vulnerability.

    The statement about the recipe's own release counts, and that about a rolling release, in which a fix comes with a new
    upstream version: a newer version than the first one with the fix has it as well. The fixed version of another stable
    release proves nothing, since its fix is a patch of an older version.
    """
    for name, status in releases.items():
        if status.status is not Status.RESOLVED or not (name == state.release or name in ROLLING_RELEASES):
            continue
        if status.fixed == "0":
            if name == state.release:
                return True
        elif status.fixed and state.pinned >= DebianVersion(status.fixed):
            return True
    return False


def check_recipes(recipes: Sequence[Recipe]) -> None:
    """Raise SourceError if none of the recipes has a source package to compare with."""
    if all(recipe.source.debian is None for recipe in recipes):
        raise SourceError(
            "none of the recipes names a source package of the distribution",
            hint='add `debian = { package = "…", file = "…" }` to [source]',
        )
