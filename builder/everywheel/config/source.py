"""Pinned sources: the archive and the patches of a recipe, and the locations that the recipe names for them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ARCHIVE_SUFFIX = re.compile(r"\.(orig|debian)\.tar\.\w+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianFile:
    """A file of a Debian source package, such as its archive or its packaging."""

    package: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OmittedPatch:
    """A patch of the packaging that a recipe leaves out on purpose, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchArchive:
    """A pinned archive from which patches are taken: the packaging of a distribution's source package."""

    filename: str
    sha256: str
    size: int = 0
    sha1: str = ""
    urls: tuple[str, ...] = ()
    debian: DebianFile | None = None
    omitted: tuple[OmittedPatch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One pinned patch, whose paths have one leading component to strip (`-p1`).

    It is the member `file` of `archive`, or, without an archive, a file of its own. `fixes` are CVEs and bugs.
    """

    name: str
    sha256: str
    size: int = 0
    fixes: tuple[str, ...] = ()
    archive: PatchArchive | None = None
    file: str = ""
    sha1: str = ""
    urls: tuple[str, ...] = ()
    debian: DebianFile | None = None

    @property
    def label(self) -> str:
        """The name in SBOMs, which contains every CVE that the patch fixes."""
        missing = [fix for fix in self.fixes if fix.startswith("CVE-") and fix not in self.name]
        return f"{self.name} ({', '.join(missing)})" if missing else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The pinned archive that a recipe builds, and its patches in the order in which they are applied.

    `sha256` is in lower-case hex, as is `sha1`, by which the distribution's snapshot service has the file; `size` is in bytes,
    or 0 if it is not pinned. `omit_patches` is the reason for which all patches of the packaging are left out, empty for none.
    """

    filename: str
    sha256: str
    size: int = 0
    sha1: str = ""
    urls: tuple[str, ...] = ()
    debian: DebianFile | None = None
    omit_patches: str = ""
    patches: tuple[Patch, ...] = ()

    @property
    def packaging(self) -> str:
        """The package URL of the distribution's source package, empty without one.

        Its version is that of the packaging which the patches come from. Without patches it has no revision, so that scanners
        find every vulnerability that a revision fixed.
        """
        from packageurl import PackageURL  # takes longer to import than a plan takes

        archives = [patch.archive for patch in self.patches if patch.archive and patch.archive.debian]
        file = archives[0].debian if archives else self.debian
        if file is None:
            return ""
        version = _ARCHIVE_SUFFIX.sub("", file.file.partition("_")[2])
        return PackageURL("deb", "debian", file.package, version, {"arch": "source"}).to_string()
