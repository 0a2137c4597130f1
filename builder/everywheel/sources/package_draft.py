"""The pins of a source package for a new recipe: its archive, and the patches of its packaging that fix vulnerabilities."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from everywheel.config.source import DebianFile, OmittedPatch
from everywheel.errors import SourceError, UsageError
from everywheel.sources.cache import hash_bytes
from everywheel.sources.deadline import Deadline, DeadlineExceeded
from everywheel.sources.distro.apt import ListedFile, Revision
from everywheel.sources.distro.apt_archives import Archive
from everywheel.sources.distro.debian_source import PackageClient
from everywheel.sources.distro.debian_version import DebianVersion
from everywheel.sources.distro.packaging import Packaging, read_packaging
from everywheel.sources.package_state import find_archive, find_packaging
from everywheel.sources.request import CHECK_NETWORK, PinnedFile, Unavailable, Unreachable
from everywheel.sources.update import NO_VULNERABILITY, PatchPin

_TIME_LIMIT = 600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePackage:
    """A revision of a source package, of which the archive is in a folder.

    Attributes:
        version: upstream's version.
        path: the downloaded archive.
        packaging: the archive with the patches; None if no patch is pinned.
        sha1: the hashes by which the snapshot service has the files, by their names.
        unpinned: vulnerabilities that the changelog names since the first revision of the version, and no pinned patch.
        skipped: why newer revisions were not taken; empty if it is the newest one.
    """

    revision: Revision
    version: str
    archive: ListedFile
    path: Path
    packaging: ListedFile | None
    patches: tuple[PatchPin, ...]
    omitted: tuple[OmittedPatch, ...]
    sha1: dict[str, str]
    unpinned: tuple[str, ...] = ()
    skipped: str = ""


def fetch_package(
    package: str, version: str, store: Path, folder: Path, archives: tuple[Archive, ...] | None = None
) -> SourcePackage:
    """Download the archive of a source package into a folder; without a version, that of the newest one in the lists.

    `archives` are those of `SourceLocations`. Raises SourceError without a package client or lists, and when the archive
    has none of its files; UsageError for a package or version that the lists do not have.
    """
    wanted = PinnedFile(label=package, filename="", sha256="", debian=DebianFile(package=package, file=""))
    client = PackageClient(store=store, archives=archives, files=[wanted], deadline=Deadline(_TIME_LIMIT))
    if not client.exists:
        raise SourceError(
            "this machine has no package client, which reads the distribution's signed lists",
            hint="run it on Debian, or in a container of Debian; or name the address of the archive instead of --debian",
        )
    try:
        revisions = client.list_revisions()
        if not revisions:
            raise _report_unknown(package, client.find_sources(package))
        return _fetch_newest(client, _list_matching(package, version, revisions), folder)
    except (Unavailable, DeadlineExceeded) as error:
        other = "name another version with --version, or the address of upstream's archive instead of --debian"
        raise SourceError(
            f"the source package {package} is not available",
            details={"reason": str(error) or "too slow"},
            hint=CHECK_NETWORK if isinstance(error, Unreachable) else other,
        ) from None


def _list_matching(package: str, version: str, revisions: tuple[Revision, ...]) -> list[Revision]:
    """Return the revisions of a version, or all, the newest one first."""
    named = [r for r in revisions if not version or version in (DebianVersion(r.version).upstream, r.version)]
    if not named:
        versions = dict.fromkeys(DebianVersion(revision.version).upstream for revision in revisions)
        raise UsageError(
            f"no release of the distribution has version {version} of the source package {package}",
            details={"versions": ", ".join(versions)},
            hint="name one of these with --version, or the address of upstream's archive instead of --debian",
        )
    return sorted(named, key=lambda revision: DebianVersion(revision.version), reverse=True)


def _report_unknown(package: str, sources: Sequence[str]) -> UsageError:
    """Return the error for a name that is not that of a source package; `sources` build a binary package of that name."""
    if sources:
        return UsageError(
            f"{package} is a binary package, and a recipe is drafted from a source package",
            details={"source package": ", ".join(sources)},
            hint=f"`--debian {sources[0]}`",
        )
    return UsageError(
        f"no release of the distribution has the source package {package}",
        hint=f"search its name at https://packages.debian.org/search?keywords={package}, or use the address of an archive",
    )


def _fetch_newest(client: PackageClient, revisions: Sequence[Revision], folder: Path) -> SourcePackage:
    """Return the newest revision of which the archives have the files: those of a newer one may be gone, or not there yet."""
    reasons: list[str] = []
    kind: type[Unavailable] = Unreachable
    for revision in revisions:
        archive = find_archive(revision)
        if archive is None:
            kind = Unavailable
            reasons.append(f"{revision.version}: has several archives, or none")
            continue
        try:
            return replace(_fetch(client, revision, archive, folder), skipped="; ".join(reasons))
        except Unavailable as error:
            kind = kind if isinstance(error, Unreachable) else Unavailable
            reasons.append(f"{revision.version}: {str(error).lower()}")
    raise kind("; ".join(reasons))


def _fetch(client: PackageClient, revision: Revision, archive: ListedFile, folder: Path) -> SourcePackage:
    pin = PinnedFile(
        label=f"{revision.package} {revision.version}",
        filename=archive.name,
        sha256=archive.sha256,
        size=archive.size,
        debian=DebianFile(package=revision.package, file=archive.name),
    )
    path = folder / "archive"
    client.fetch(pin, path, lambda size, total: None)
    packaging_path = client.get_packaging(revision)
    packaging = read_packaging(packaging_path) if packaging_path is not None else Packaging(patches=())
    patches = tuple(
        PatchPin(file=p.file, sha256=hash_bytes(p.content), size=len(p.content), fixes=p.fixes)
        for p in packaging.patches
        if p.fixes
    )
    others = tuple(OmittedPatch(file=p.file, reason=NO_VULNERABILITY) for p in packaging.patches if not p.fixes)
    file = find_packaging(revision) if patches else None
    sha1 = {archive.name: _hash_sha1(path)}
    if file is not None and packaging_path is not None:
        sha1[file.name] = _hash_sha1(packaging_path)
    version, named = DebianVersion(revision.version), {fix for patch in patches for fix in patch.fixes}
    first = DebianVersion(f"{revision.version.rpartition('-')[0] or revision.version}-1")
    return SourcePackage(
        revision=revision,
        version=version.upstream,
        archive=archive,
        path=path,
        packaging=file,
        patches=patches,
        omitted=others if patches else (),
        sha1=sha1,
        unpinned=tuple(fix for fix in packaging.list_fixes(first) if fix not in named),
    )


def _hash_sha1(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
