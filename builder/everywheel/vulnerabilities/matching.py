"""Statements about vulnerabilities: of the patches of a library, and of Debian's security tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from everywheel.sources.distro.apt_archives import ROLLING_RELEASES
from everywheel.sources.distro.debian_version import DebianVersion
from everywheel.sources.distro.packaging import sort_key
from everywheel.sources.osv import OsvEntry
from everywheel.sources.outdated import UNIMPORTANT
from everywheel.sources.security_tracker import ReleaseStatus, Status, Vulnerability
from everywheel.vulnerabilities.components import LibraryComponent


class State(StrEnum):
    """The state of a vulnerability in a library.

    A minor one does not affect the security of Debian's packages. One is not compared if its entry names only commits, none
    of which is that of the source.
    """

    FIXED = "fixed"
    OPEN = "open"
    MINOR = "minor"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A vulnerability in a library. `fixed_in` is the version of the source package with the fix, empty if there is none."""

    component: LibraryComponent
    vulnerability: str
    state: State
    description: str = ""
    urgency: str = ""
    fixed_in: str = ""


def list_statements(
    components: Sequence[LibraryComponent],
    tracker: Mapping[str, Sequence[Vulnerability]],
    entries: Sequence[OsvEntry] = (),
) -> tuple[Statement, ...]:
    """Return a statement for each vulnerability that a patch fixes, or that is open or not compared in the tracker or OSV.

    What the tracker knows about a package counts more than an entry of OSV, which does not know Debian's patches.
    """
    statements: list[Statement] = []
    for component in components:
        known = {} if component.package is None else {v.name: v for v in tracker.get(component.package.name, ())}
        open_names = [name for name, each in known.items() if name not in component.fixes and _is_open(component, each)]
        statements += [
            _make_statement(component, name, known.get(name))
            for name in sorted({*component.fixes, *open_names}, key=sort_key)
        ]
        statements += _list_upstream(component, entries, known)
    return tuple(statements)


def _list_upstream(
    component: LibraryComponent, entries: Sequence[OsvEntry], known: Mapping[str, Vulnerability]
) -> list[Statement]:
    """Return a statement for each entry that affects a library or cannot be compared with it, once for each vulnerability."""
    statements = dict[str, Statement]()
    for entry in entries:
        names = {entry.id, *entry.aliases}
        if names & {*component.fixes, *known} or not entry.names & component.upstream_names:
            continue
        is_affected = entry.affects(component.version, component.commit)
        if is_affected or (entry.label not in statements and not entry.is_comparable(component.commit)):
            statements[entry.label] = Statement(
                component=component,
                vulnerability=entry.label,
                state=State.OPEN if is_affected else State.NOT_COMPARED,
                description=entry.summary,
                fixed_in=entry.fixed_in,
            )
    return [statements[name] for name in sorted(statements, key=sort_key)]


def _make_statement(component: LibraryComponent, name: str, vulnerability: Vulnerability | None) -> Statement:
    if vulnerability is None:
        return Statement(component=component, vulnerability=name, state=State.FIXED)
    assert component.package is not None
    release = _choose_release(vulnerability.releases, _complete(component.package.version, vulnerability.releases))
    status = vulnerability.releases.get(release, ReleaseStatus(status=Status.UNDETERMINED))
    urgency = "" if status.urgency == "not yet assigned" else status.urgency
    open_state = State.MINOR if urgency == UNIMPORTANT else State.OPEN
    return Statement(
        component=component,
        vulnerability=name,
        state=State.FIXED if name in component.fixes else open_state,
        description=vulnerability.description,
        urgency=urgency,
        fixed_in=status.fixed if status.status is Status.RESOLVED and status.fixed != "0" else "",
    )


def _is_open(component: LibraryComponent, vulnerability: Vulnerability) -> bool:
    """Return whether the version of the source package has a vulnerability.

    The statement about the release that has this upstream version counts, and that about a rolling release, in which a
    fix comes with a new upstream version. The fixed version of another stable release proves nothing: its fix is a patch
    of an older version.
    """
    assert component.package is not None
    version = _complete(component.package.version, vulnerability.releases)
    own = _choose_release(vulnerability.releases, version)
    for name, status in vulnerability.releases.items():
        if status.status is not Status.RESOLVED or not (name == own or name in ROLLING_RELEASES):
            continue
        if status.fixed == "0":
            if name == own:
                return False
        elif status.fixed and version >= DebianVersion(status.fixed):
            return False
    return True


def _complete(text: str, releases: Mapping[str, ReleaseStatus]) -> DebianVersion:
    """Return a version with the epoch that file names, and SBOMs made from them, do not have, and with the first revision."""
    others = [version for status in releases.values() for version in (*status.versions, status.fixed)]
    epoch = max((int(version.partition(":")[0]) for version in others if ":" in version), default=0)
    text = text if "-" in text else f"{text}-1"
    return DebianVersion(text if ":" in text or not epoch else f"{epoch}:{text}")


def _choose_release(releases: Mapping[str, ReleaseStatus], version: DebianVersion) -> str:
    """Return the release that has the same upstream version, otherwise a rolling one; empty if there is neither."""
    same = [
        name
        for name, status in releases.items()
        if any(DebianVersion(text).upstream == version.upstream for text in status.versions)
    ]
    stable = [name for name in same if name not in ROLLING_RELEASES]
    rolling = [name for name in releases if name in ROLLING_RELEASES]
    return next(iter((*stable, *same, *rolling)), "")
